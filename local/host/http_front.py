"""The HTTP side: functions by route, the Event Grid webhook, and the parts of the admin API that tools use.

Auth levels are kept: FUNCTION and ADMIN demand the host's key (`x-functions-key` or `code`). The admin API and the
webhook are open, as in the real host on a developer's machine. So listen on loopback only.
"""

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from local.host import event_grid, routes
from local.host.invocation import Invoker
from local.host.table import Function, Trigger

_BODY_LIMIT = 100 * 1024 * 1024  # the real host's default
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})  # the server writes these
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The needs of the HTTP side. `run_timer` begins a timer's run and returns at once. It returns False if
    there is no such timer."""

    functions: tuple[Function, ...]
    invoker: Invoker
    route_table: tuple[routes.Route, ...]
    key: str
    run_timer: Callable[[str], bool]
    describe_state: Callable[[], Mapping[str, Any]]

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/admin/host/status", self._status),
                Route("/admin/functions", self._list_functions),
                Route("/admin/functions/{name}", self._run_function, methods=["POST"]),
                Route("/runtime/webhooks/{extension}", self._webhook, methods=["POST"]),
                Mount("/", app=self._serve_function),
            ]
        )

    async def _status(self, _: Request) -> Response:
        return JSONResponse(dict(self.describe_state()))

    async def _list_functions(self, _: Request) -> Response:
        return JSONResponse(
            [
                {"name": found.name, "isDisabled": found.is_disabled, "config": {"bindings": [found.binding]}}
                for found in self.functions
            ]
        )

    async def _run_function(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        function = self._find(name)
        if function is None:
            return PlainTextResponse(f"there is no function {name}", status_code=404)
        if not self.run_timer(function.name):
            return PlainTextResponse(
                f"{name} is not a timer; this host runs only timers on request", status_code=400
            )
        return Response(status_code=202)

    async def _webhook(self, request: Request) -> Response:
        if str(request.path_params["extension"]).lower() != "eventgrid":
            return Response(status_code=404)
        name = request.query_params.get("functionName", "")
        function = self._find(name)
        if function is None or function.trigger is not Trigger.EVENT_GRID or function.is_disabled:
            return PlainTextResponse(f"there is no Event Grid function {name!r}", status_code=404)
        answer = await event_grid.receive(
            function=function,
            kind=request.headers.get("aeg-event-type", ""),
            body=await request.body(),
            invoker=self.invoker,
        )
        if answer.document is None:
            return PlainTextResponse(answer.message, status_code=answer.status)
        return JSONResponse(answer.document, status_code=answer.status)

    async def _serve_function(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._call_function(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _call_function(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii", "replace")
        found = routes.find_route(self.route_table, request.method, path)
        if found is None:
            return Response(status_code=404)
        function, parameters = found
        if not self._may_call(function, request):
            return Response(status_code=401)
        body = await _read_body(request)
        if body is None:
            return Response(status_code=413)
        query = request.scope["query_string"].decode("ascii", "replace")
        value = func.HttpRequest(
            request.method,
            f"{request.url.scheme}://{request.url.netloc}{path}{'?' + query if query else ''}",
            headers=_joined(request.headers.items()),
            params=_joined(request.query_params.multi_items()),
            route_params=parameters,
            body=body,
        )
        outcome = await self.invoker.invoke(
            function,
            value,
            reason=f"http {request.method} {path}",
            traceparent=request.headers.get("traceparent", ""),
        )
        return _to_response(outcome.result, function.name) if outcome.ok else Response(status_code=500)

    def _may_call(self, function: Function, request: Request) -> bool:
        if str(function.binding.get("authLevel", "FUNCTION")).upper() == "ANONYMOUS":
            return True
        given = request.headers.get("x-functions-key") or request.query_params.get("code", "")
        return hmac.compare_digest(given.encode(), self.key.encode())

    def _find(self, name: str) -> Function | None:
        return next((found for found in self.functions if found.name.lower() == name.lower()), None)


async def _read_body(request: Request) -> bytes | None:
    """The body, or None if it is longer than a function may receive."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _BODY_LIMIT:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _joined(items: Any) -> dict[str, str]:
    """Headers or parameters. Repeated names become one value with commas, as in the real host."""
    found: dict[str, str] = {}
    for name, value in items:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _to_response(result: Any, name: str) -> Response:
    if result is None:
        return Response(status_code=204)
    if isinstance(result, str):
        return PlainTextResponse(result)
    if not isinstance(result, func.HttpResponse):
        _log.error("function %s returned %s, not an HttpResponse", name, type(result).__name__)
        return Response(status_code=500)
    response = Response(result.get_body(), status_code=result.status_code)
    for header, value in result.headers.items():
        if header.lower() not in _OWN_HEADERS:
            response.headers.append(header, value)
    if "content-type" not in response.headers:
        kind = result.mimetype
        text = kind.startswith("text/")
        response.headers["content-type"] = f"{kind}; charset={result.charset}" if text else kind
    return response
