"""Reads YAML as JSON, so that a document is the same in a file, on the wire and in a blob.

Knows nothing about images. It differs from PyYAML's safe loader on purpose. Plain words and dates stay texts (in
YAML 1.1 the key `on` is a boolean). A key may come only once. An alias is refused, because it can make a small text
huge. The result has the types of JSON only.
"""

import re
from collections.abc import Mapping

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline_core.wire.problems import InvalidDocument, Problem

DOCUMENT_LIMIT = 64 * 1024  # bytes
DEPTH_LIMIT = 20  # levels; the schema needs 7

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: it cannot be written as UTF-8
_TAG = "tag:yaml.org,2002:"


class _Refused(Exception):
    """Reading cannot go on here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """Composes nodes without resolving any scalar and without following aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it open
        place = _place(mark.line, mark.column)
        if self.check_event(yaml.AliasEvent):
            raise _Refused(_problem(place, "is an alias (`*name`)", "write the value out where it is used"))
        if self._depth >= DEPTH_LIMIT:
            raise _Refused(_problem(place, f"is nested deeper than {DEPTH_LIMIT} levels", "flatten it"))
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_Loader.yaml_implicit_resolvers = {}  # every plain scalar is a text until `_scalar` has looked at it


def read_yaml(text: bytes) -> Mapping[str, object]:
    """The mapping in `text`, with the types of JSON only; raises InvalidDocument with lines and columns."""
    if len(text) > DOCUMENT_LIMIT:
        remedy = f"keep it under {DOCUMENT_LIMIT // 1024} KiB; put files into the folder beside it"
        raise InvalidDocument([_problem("document", f"has {len(text)} bytes", remedy)])
    try:
        node = _compose(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise InvalidDocument([_problem(place, "is not UTF-8", "save the file as UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(mark.line, mark.column) if mark else "document"
        wrong = f"is not YAML: {error.problem or error.context}"
        raise InvalidDocument(
            [_problem(place, wrong, "repair the YAML; look at indentation and quotes")]
        ) from error
    except yaml.YAMLError as error:
        wrong = f"is not YAML: {str(error).splitlines()[0]}"
        raise InvalidDocument(
            [_problem("document", wrong, "remove the characters that a text file must not hold")]
        ) from error
    except _Refused as error:
        raise InvalidDocument([error.problem]) from error
    problems: list[Problem] = []
    document = None if node is None else _value(node, problems)
    if not problems and not isinstance(document, dict):
        wrong, remedy = "is not a mapping", "begin with `apiVersion: imagefactory/v1`"
        problems.append(_problem("document", wrong, remedy))
    if problems or not isinstance(document, dict):
        raise InvalidDocument(problems)
    return document


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        node: Node | None = loader.get_single_node()
        return node
    except (
        ValueError,
        OverflowError,
    ) as error:  # PyYAML makes characters and numbers of escapes without a check
        mark = loader.get_mark()
        raise _Refused(_no_character(_place(mark.line, mark.column))) from error
    finally:
        loader.dispose()


def _value(node: Node, problems: list[Problem]) -> Json:
    tag = str(node.tag).removeprefix(_TAG)
    if tag not in ("map", "seq", "str"):
        place = _place(node.start_mark.line, node.start_mark.column)
        problems.append(_problem(place, f"has the tag {tag[:80]!r}", "remove the tag; quotes make a text"))
        return None
    match node:
        case MappingNode():
            return _mapping(node, problems)
        case SequenceNode():
            return [_value(item, problems) for item in node.value]
        case ScalarNode():
            if _SURROGATE.search(node.value):
                problems.append(_no_character(_place(node.start_mark.line, node.start_mark.column)))
            return _scalar(node)
    raise TypeError(f"PyYAML has no node {type(node).__name__}")


def _mapping(node: MappingNode, problems: list[Problem]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key_node, value_node in node.value:
        place = _place(key_node.start_mark.line, key_node.start_mark.column)
        key = _scalar(key_node) if isinstance(key_node, ScalarNode) else None
        if isinstance(key, str) and _SURROGATE.search(key):
            problems.append(_no_character(place))
        elif not isinstance(key, str):
            problems.append(_problem(place, "has a key that is not a text", "put the key in quotes"))
        elif key in found:
            problems.append(_problem(place, f"has the key {key[:80]!r} again", "keep one of them"))
        else:
            found[key] = _value(value_node, problems)
    return found


def _scalar(node: ScalarNode) -> Json:
    text: str = node.value
    if node.style is not None:  # quoted, or a block
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _place(line: int, column: int) -> str:
    return f"line {line + 1}, column {column + 1}"


def _no_character(place: str) -> Problem:
    wrong = "has an escape that is not a character, or a number that is too long"
    return _problem(place, wrong, "write the character itself")


def _problem(path: str, message: str, remedy: str) -> Problem:
    return Problem(path=path, message=message, remedy=remedy)
