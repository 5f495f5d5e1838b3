"""The expressions of an ARM template, as far as Packer's azure-arm writes them: parameters, variables, concat,
resourceId, resourceGroup().location, not, empty. Any other function is refused, and the error names it. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.arm.wire import ArmError, Json

_TOKEN: Final = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.]))")
_DEPTH: Final = 20  # of expressions inside expressions and of variables inside variables
_RESOURCE_TYPE: Final = re.compile(r"[A-Za-z.]+/[A-Za-z/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What expressions may refer to."""

    subscription: str
    group: str
    location: str
    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]

    def value(self, given: Any, depth: int = 0) -> Any:
        """`given` with each expression replaced by its value. Raises ArmError (InvalidTemplate)."""
        if depth > _DEPTH:
            raise _invalid("it refers to itself, or is nested too deep")
        if isinstance(given, dict):
            return {key: self.value(each, depth + 1) for key, each in given.items()}
        if isinstance(given, list):
            return [self.value(each, depth + 1) for each in given]
        if not isinstance(given, str) or not (given.startswith("[") and given.endswith("]")):
            return given
        if given.startswith("[["):
            return given[1:]
        return _Reader(self, given[1:-1], depth).whole()

    def call(self, name: str, arguments: list[Any], depth: int) -> Any:
        """The value of one function."""
        match name.lower(), arguments:
            case "parameters", [str(key)]:
                return self._find("parameter", self.parameters, key)
            case "variables", [str(key)]:
                return self.value(self._find("variable", self.variables, key), depth + 1)
            case "concat", parts:
                return "".join(str(part) for part in parts)
            case "resourceid", parts:
                return self._resource_id([str(part) for part in parts])
            case "resourcegroup", []:
                folder = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
                return {"id": folder, "name": self.group, "location": self.location}
            case "empty", [value]:
                return not value
            case "not", [bool(value)]:
                return not value
            case _:
                raise _invalid(f"the function '{name}' with {len(arguments)} arguments is not emulated")

    def _resource_id(self, parts: list[str]) -> str:
        index = next((i for i, part in enumerate(parts) if _RESOURCE_TYPE.fullmatch(part)), None)
        if index is None or index > 2:
            raise _invalid("resourceId needs a resource type")
        before = parts[:index]
        group = before[-1] if before else self.group
        subscription = before[0] if len(before) == 2 else self.subscription
        provider, *kinds = parts[index].strip("/").split("/")
        names = parts[index + 1 :]
        if len(kinds) != len(names):
            raise _invalid(f"resourceId of '{parts[index]}' needs {len(kinds)} names, not {len(names)}")
        path = "/".join(f"{kind}/{name}" for kind, name in zip(kinds, names, strict=True))
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{path}"

    def _find(self, what: str, values: Mapping[str, Any], key: str) -> Any:
        found = {name.lower(): value for name, value in values.items()}
        if key.lower() not in found:
            raise _invalid(f"the template {what} '{key}' is not found")
        return found[key.lower()]


class _Reader:
    """One expression."""

    def __init__(self, scope: Scope, text: str, depth: int) -> None:
        self._scope, self._text, self._depth = scope, text, depth
        self._tokens = self._split()
        self._at = 0

    def whole(self) -> Any:
        """The expression's value. No text may follow the expression."""
        value = self._one(0)
        if self._at != len(self._tokens):
            raise self._wrong()
        return value

    def _split(self) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, self._text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise self._wrong()
            tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        return tokens

    def _one(self, nested: int) -> Any:
        if nested > _DEPTH:
            raise self._wrong()
        kind, text = self._take()
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind != "name" or self._take() != ("mark", "("):
            raise self._wrong()
        arguments: list[Any] = []
        while self._peek() != ("mark", ")"):
            if arguments and self._take() != ("mark", ","):
                raise self._wrong()
            arguments.append(self._one(nested + 1))
        self._take()
        value = self._scope.call(text, arguments, self._depth)
        while self._peek() == ("mark", "."):
            self._take()
            kind, name = self._take()
            if kind != "name" or not isinstance(value, dict) or name not in value:
                raise self._wrong()
            value = value[name]
        return value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _wrong(self) -> ArmError:
        return _invalid(f"the expression '{self._text[:200]}' is not understood")


def read(properties: Json, *, subscription: str, group: str, location: str) -> list[Json]:
    """The resources of a deployment's template with their values, without those whose condition is false.

    Raises ArmError (InvalidTemplate).
    """
    template = properties.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("resources"), list):
        raise _invalid("there is no template with resources")
    given = {name: (each or {}).get("value") for name, each in (properties.get("parameters") or {}).items()}
    declared = template.get("parameters") or {}
    unknown = sorted({name.lower() for name in given} - {name.lower() for name in declared})
    if unknown:
        raise _invalid(f"the parameters '{', '.join(unknown)}' are not declared in the template")
    defaults = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
    lowered = {name.lower() for name in given}
    missing = [name for name in declared if name not in defaults and name.lower() not in lowered]
    if missing:
        raise _invalid(f"the value for the template parameter '{missing[0]}' is not provided")
    scope = Scope(
        subscription=subscription,
        group=group,
        location=location,
        parameters={**defaults, **given},
        variables=template.get("variables") or {},
    )
    wanted = [each for each in template["resources"] if scope.value(each.get("condition", True))]
    return [scope.value({key: value for key, value in each.items() if key != "condition"}) for each in wanted]


def _invalid(reason: str) -> ArmError:
    return ArmError(400, "InvalidTemplate", f"Deployment template validation failed: '{reason}'.")
