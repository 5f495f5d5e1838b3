"""Turns the errors of Pydantic into problems that a person can act on: the place, the error and the repair.

Judges nothing. The number of problems is bounded, so that a hostile document cannot make a huge answer.
"""

import difflib
import typing
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline_core.wire.document.values import Refused, shown
from pipeline_core.wire.problems import Problem

PROBLEM_LIMIT = 200
_KEY_LIMIT = 60  # characters; the search for a near key is quadratic

# For each error of Pydantic: the wanted type in words, and the remedy.
_WANTED = {
    "string_type": (
        "a text",
        "give a text; put it in quotes if it looks like a number, a date or true/false",
    ),
    "int_type": ("a whole number", "give a whole number without quotes"),
    "float_type": ("a number", "give a number without quotes"),
    "bool_type": ("true or false", "give true or false without quotes"),
    "list_type": ("a list", "give a list, like [one, two]"),
    "dict_type": ("a mapping", "give a mapping, like {key: value}"),
    "model_type": ("a mapping", "give a mapping, like {key: value}"),
}
_PINNED = "remove it: the factory follows the newest and records which exact version each build used"
# Keys that people know from other tools and that do not exist here, with the remedy.
_FOREIGN = {
    "spec.marketplace.version": _PINNED,
    "spec.parent.version": f"{_PINNED}; a channel names another pointer",
    "spec.marketplace.urn": "give publisher, offer and sku as three keys",
}


def problems_of(error: ValidationError, document: type[BaseModel]) -> list[Problem]:
    """Every error as a problem, in the order of the document's keys."""
    details = error.errors(include_url=False)
    problems = [_problem(each, document) for each in details[:PROBLEM_LIMIT]]
    if len(details) > PROBLEM_LIMIT:
        more = len(details) - PROBLEM_LIMIT
        problems.append(
            Problem(path="document", message=f"has {more} more errors", remedy="repair these first")
        )
    return problems


def path_of(location: Sequence[str | int]) -> str:
    """`spec.build.provisioners[1].shell`; a key with other characters is in brackets."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part == "[key]":
            continue
        elif part.replace("_", "a").isalnum():
            text += f".{part[:_KEY_LIMIT]}" if text else part[:_KEY_LIMIT]
        else:
            text += f"[{shown(part)}]"
    return text or "document"


def _problem(detail: ErrorDetails, document: type[BaseModel]) -> Problem:
    location, value = detail["loc"], detail["input"]
    path = path_of(location)
    message, remedy = _words(detail, location, value, document)
    if location[-1:] == ("[key]",):
        message = f"the key {message}"
    return Problem(path=path, message=message, remedy=remedy)


def _words(
    detail: ErrorDetails, location: Sequence[str | int], value: object, document: type[BaseModel]
) -> tuple[str, str]:
    kind = detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, Refused):
        return cause.message, cause.remedy
    if kind in _WANTED:
        wanted, remedy = _WANTED[kind]
        return f"is {_described(value)}, where {wanted} belongs", remedy
    match kind:
        case "missing":
            return "is missing", "add it"
        case "extra_forbidden":
            return _unknown_key(location, value, document)
        case "enum" | "literal_error":
            return f"is {_described(value)}", f"give {context['expected']}"
        case "greater_than_equal":
            return f"is {shown(value)}", f"give {context['ge']} or more"
        case "less_than_equal":
            return f"is {shown(value)}", f"give {context['le']} or less"
        case "string_too_short":
            return "is empty", "give a text, or remove the key"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters", "shorten it"
        case "too_short":
            return "is empty", "give at least one"
        case "too_long":
            return f"has more than {context['max_length']} entries", "remove some"
        case "string_unicode":
            return "holds half a character", "write it as UTF-8"
    return f"is wrong: {detail['msg']}", "see docs/authoring.md"


def _described(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return f"the text {shown(value)}"
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return f"of type {type(value).__name__}"


def _unknown_key(location: Sequence[str | int], value: object, document: type[BaseModel]) -> tuple[str, str]:
    path, key = path_of(location), str(location[-1])
    if path in _FOREIGN:
        if key != "version":
            return "is not a key of this schema", _FOREIGN[path]
        if isinstance(value, str) and (value == "latest" or "*" in value):
            return f"{shown(value)} is not a version, it is a wildcard", _FOREIGN[path]
        return "a version cannot be fixed", _FOREIGN[path]
    known = _known_keys(document, location[:-1])
    where = path_of(location[:-1])
    near = difflib.get_close_matches(key[:_KEY_LIMIT], known, n=1) or _same_but_for_case(key, known)
    message = f"is not a key of {where}" if location[:-1] else "is not a key of the document"
    if near:
        return message, f"did you mean {near[0]!r}?"
    return message, f"remove it; the keys are {', '.join(known)}"


def _same_but_for_case(key: str, known: Sequence[str]) -> list[str]:
    plain = key.replace("_", "").replace("-", "").lower()
    return [each for each in known if each.lower() == plain][:1]


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys of the mapping at `location`."""
    for part in location:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = next(_models_in(fields[part].annotation), None) if part in fields else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation names: `Part | None`, `list[Part]`, `Annotated[...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in typing.get_args(annotation):
        if inner is not NoneType:
            yield from _models_in(inner)
