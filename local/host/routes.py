"""Matches a request to an HTTP function by ASP.NET route templates, the most literal one first. Pure.

It knows `{name}`, `{name:int}`, `{name:guid}`, `{name:alpha}`, `{name?}` at the end and the catch-all `{*name}`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from local.host.errors import HostError
from local.host.table import Function

_PARAMETER = re.compile(r"^\{(?P<all>\*{0,2})(?P<name>\w+)(?::(?P<kind>\w+))?(?P<maybe>\?)?\}$")
_KINDS = {
    "int": r"-?\d+",
    "guid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "alpha": r"[a-zA-Z]+",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A function and its paths. `rank` orders routes, the lowest first."""

    function: Function
    pattern: re.Pattern[str]
    methods: frozenset[str]
    rank: tuple[int, ...]


def compile_routes(functions: Sequence[Function], prefix: str) -> tuple[Route, ...]:
    """The routes of the HTTP functions, in the order of their trial. Raises HostError for an unknown template."""
    found = [_compile(function, prefix) for function in functions]
    return tuple(sorted(found, key=lambda route: (route.rank, route.function.name)))


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Function, Mapping[str, str]] | None:
    """The function for a path (still percent-encoded) with its route parameters, or None."""
    for route in routes:
        match = route.pattern.fullmatch(path.strip("/"))
        if match is not None and (not route.methods or method.upper() in route.methods):
            found = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
            return route.function, found
    return None


def _compile(function: Function, prefix: str) -> Route:
    template = str(function.binding.get("route") or function.name).strip("/")
    segments = [part for part in f"{prefix}/{template}".split("/") if part]
    pattern = ""
    rank = []
    for segment in segments:
        text, weight = _compile_segment(segment, function.name)
        pattern += text if not pattern or text.startswith("(?:") else f"/{text}"
        rank.append(weight)
    return Route(
        function=function,
        pattern=re.compile(pattern, re.IGNORECASE),
        methods=frozenset(str(method).upper() for method in function.binding.get("methods") or ()),
        rank=tuple(rank),
    )


def _compile_segment(segment: str, name: str) -> tuple[str, int]:
    """A segment as a regular expression and its weight. An optional segment includes its slash."""
    if "{" not in segment:
        return re.escape(segment), 0
    match = _PARAMETER.match(segment)
    if match is None or (match["kind"] and match["kind"] not in _KINDS):
        raise HostError(f"function {name}: the route segment {segment!r} is not emulated by this host")
    if match["all"]:
        return f"(?:(?:^|/)(?P<{match['name']}>.*))?", 3
    inside = f"(?P<{match['name']}>{_KINDS.get(match['kind'] or '', '[^/]+')})"
    if match["maybe"]:
        return f"(?:(?:^|/){inside})?", 2
    return inside, 1 if match["kind"] else 2
