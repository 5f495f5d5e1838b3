"""Who calls: a layer that passes a request on only with a verified token of a caller who may read. Deny by default.

It comes before the routes. So a new route is protected at once, and a stranger learns neither the routes nor the form
of a body. The services decide what a caller may *change*. `X-MS-CLIENT-PRINCIPAL` and similar headers are never read,
because only a signature is a proof.
"""

from http import HTTPStatus

from anyio import to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import PermanentError, TransientError
from pipeline_core.ports import Principal
from triggers.api import errors
from triggers.api.problem import Refusal
from triggers.provider import Provider

OPEN_PATHS = frozenset({"/api/health", "/api/openapi.json"})
PLATFORM_HEADER = "X-MS-TOKEN-AAD-ACCESS-TOKEN"  # set by App Service authentication for a signed-in browser
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_LIMIT = 16 * 1024  # characters; Entra's tokens stay well below


class Authentication:
    """Verifies the token and puts the caller into the request's state."""

    def __init__(self, app: ASGIApp, factory: Provider) -> None:
        self._app = app
        self._factory = factory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or (scope["path"] in OPEN_PATHS and scope["method"] in _SAFE_METHODS):
            await self._app(scope, receive, send)
            return
        try:
            token = _token_of(Headers(scope=scope), scope["method"])
            caller = await to_thread.run_sync(self._verify, token)
        except (Refusal, TransientError) as error:
            await errors.answer(Request(scope), error)(scope, receive, send)
            return
        scope.setdefault("state", {})
        scope["state"] = {**(scope["state"] or {}), "caller": caller}
        await self._app(scope, receive, send)

    def _verify(self, token: str) -> Principal:
        try:
            caller = self._factory().tokens.verify(token)
        except PermanentError as error:
            raise _unauthenticated(str(error), invalid=True) from error
        if not access.has_role(caller):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "forbidden",
                f"{caller.name} has no role in this factory: ask SecOps for {access.READER} or a team's role",
            )
        return caller


def caller_of(request: Request) -> Principal:
    """The verified caller; a dependency of routes that act for the caller."""
    caller = request.state.caller
    if not isinstance(caller, Principal):
        raise TypeError("a route was reached without authentication")
    return caller


async def demand_operation(request: Request) -> None:
    """Refuse a caller who may never do what the route does; a dependency of every route.

    The service that finds out what the request is about asks again. A route that the table does not know raises
    ValueError, so nobody reaches it.
    """
    operation = ApiOperation(request.scope["route"].name)
    if not access.is_open(operation):
        access.demand_ever(operation, caller_of(request))


def _token_of(headers: Headers, method: str) -> str:
    given = headers.get("Authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthenticated(
                f"the scheme {scheme[:20]!r} is not accepted: send a Bearer token", invalid=True
            )
    else:
        token = headers.get(PLATFORM_HEADER, "")
        if token and method not in _SAFE_METHODS:
            # A browser adds the session itself, even if a page of another deployment makes it send the request.
            raise _unauthenticated(
                "a change needs its token in the header Authorization: send it there", invalid=False
            )
    token = token.strip()
    if not token:
        raise _unauthenticated("there is no access token: send Authorization: Bearer ...", invalid=False)
    if len(token) > _TOKEN_LIMIT:
        raise _unauthenticated(f"the token is longer than {_TOKEN_LIMIT} characters", invalid=True)
    return token


def _unauthenticated(detail: str, *, invalid: bool) -> Refusal:
    challenge = 'Bearer realm="imagefactory"' + (', error="invalid_token"' if invalid else "")
    return Refusal(
        HTTPStatus.UNAUTHORIZED, "unauthenticated", detail, headers={"WWW-Authenticate": challenge}
    )
