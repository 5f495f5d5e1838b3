"""A request and an answer of Azure Resource Manager, its error body, and the table of routes.

ARM compares paths without case, and so do these routes. A service gets a `Call` and returns an `ArmAnswer` or raises
`ArmError`. A service never sees HTTP itself.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

MAX_BODY: Final = 4 * 1024 * 1024  # ARM refuses requests above 4 MB


class ArmError(Exception):
    """An answer that is an error, in ARM's body: `{"error": {"code", "message", "target"}}`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str = "",
        headers: Mapping[str, str] | None = None,
        details: Sequence["ArmError"] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.target = status, code, message, target
        self.headers, self.details = dict(headers or {}), tuple(details)

    def body(self) -> Json:
        """The error with its details."""
        error: Json = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if self.details:
            error["details"] = [each.body() for each in self.details]
        return error

    def answer(self) -> "ArmAnswer":
        """The answer that holds this error."""
        return ArmAnswer(status=self.status, body={"error": self.body()}, headers=self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAnswer:
    """Status, JSON body (None: empty) and extra headers."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationOutcome:
    """An outcome that an operation must take: `seconds` more than usual, then `error`, if there is one."""

    seconds: float = 0.0
    error: ArmError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Query names are lower case. `base` is scheme and host as the caller wrote them. A
    service that does more for the caller calls `allows(method, path)`, which raises if the caller may not do it.
    `outcome` is a fault for the operation that the request begins."""

    method: str
    path: str
    base: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes
    names: Mapping[str, str]
    allows: Callable[[str, str], None] = lambda _method, _path: None
    outcome: OperationOutcome = OperationOutcome()

    @property
    def api_version(self) -> str:
        """The api-version of the request, or empty."""
        return self.query.get("api-version", "")

    @property
    def is_named(self) -> bool:
        """Whether the caller asks Azure's own name, through the proxy. Others ask our port, and know no other name."""
        return "127.0.0.1" not in self.base and "localhost" not in self.base

    def json(self) -> Json:
        """The body as an object. Its keys and values are not checked. Raises InvalidRequestContent."""
        try:
            body = json.loads(self.content or b"{}")
        except ValueError as error:
            raise _bad_content(f"the content is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise _bad_content("the content is not a JSON object")
        return body


Endpoint = Callable[[Call], ArmAnswer | Awaitable[ArmAnswer]]


@dataclass(frozen=True, slots=True)
class ArmRoute:
    """`endpoint` answers `GET /a/{b}/c`. `api_version` says whether the request must name one."""

    method: str
    template: str
    endpoint: Endpoint
    api_version: bool = True

    @property
    def name(self) -> str:
        """Its name in the counts of requests."""
        return f"{self.method} {self.template}"


class Routes:
    """The table of routes. The first route that matches answers."""

    def __init__(self, routes: Iterable[ArmRoute]) -> None:
        self._routes = [(route, _pattern(route.template)) for route in routes]

    def find(self, method: str, path: str) -> tuple[ArmRoute, Mapping[str, str]] | None:
        """The route for a request with the names in its path, or None."""
        for route, pattern in self._routes:
            if route.method == method and (found := pattern.fullmatch(path)):
                return route, found.groupdict()
        return None


def not_emulated(method: str, path: str, api_version: str) -> ArmError:
    """The refusal of a call that the emulator does not know."""
    called = f"{method} {path}?api-version={api_version}"
    return ArmError(
        501,
        "NotEmulated",
        f"{called} is not emulated; add a route to a service in local/arm, with Azure's own answer",
    )


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template.rstrip("/"))
    text = "".join(f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(text + "/?", re.IGNORECASE)


def _bad_content(reason: str) -> ArmError:
    return ArmError(400, "InvalidRequestContent", f"The request content was invalid: {reason}.")
