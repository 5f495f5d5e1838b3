"""The outermost layer of the app: gives each request an id, adds headers, answers unexpected errors."""

import logging
import re
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_core.telemetry import correlation_id
from triggers.api.problem import ProblemResponse

HEADER = "X-Correlation-Id"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)  # what may enter a log line and an answer
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
_LOG = logging.getLogger("imagefactory.api")


class Correlation:
    """Takes the id of `X-Correlation-Id` or `traceparent`, or makes one. Every answer carries it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        identity = _identity(headers)
        began = False

        async def send_with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                _complete(MutableHeaders(scope=message), identity, headers.get("traceparent", ""))
            await send(message)

        token = correlation_id.set(identity)
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            _LOG.exception(
                "request failed",
                extra={
                    "event": "request-failed",
                    "correlation_id": identity,
                    "method": scope["method"],
                    "path": scope["path"][:200],
                    "error": type(error).__name__,
                },
            )
            if began:
                raise
            await _unexpected(scope, identity).response()(scope, receive, send_with_headers)
        finally:
            correlation_id.reset(token)


def _identity(headers: Headers) -> str:
    given = headers.get(HEADER, "")
    if _SAFE.fullmatch(given):
        return given
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace else uuid.uuid4().hex


def _complete(headers: MutableHeaders, identity: str, traceparent: str) -> None:
    headers[HEADER] = identity
    if _TRACEPARENT.fullmatch(traceparent):
        headers["traceparent"] = traceparent
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)


def _unexpected(scope: Scope, identity: str) -> ProblemResponse:
    """The answer does not name the cause, which is in the log under the id."""
    return ProblemResponse(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        slug="internal",
        detail="the factory made a mistake; give the correlation id to its operators",
        instance=scope["path"],
        correlation_id=identity,
    )
