"""A request over HTTP becomes a `Call`, an `ArmAnswer` becomes a response; and the listeners that serve both.

The module knows no service.
"""

import asyncio
import contextlib
import json
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Self

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local import ca
from local.arm.wire import MAX_BODY, ArmAnswer, ArmError, Call

_STARTED_SECONDS = 10.0

Answering = Callable[[Call], Awaitable[ArmAnswer]]


def as_app(answering: Answering, fallback: ASGIApp | None = None, prefix: str = "") -> ASGIApp:
    """An ASGI application; requests whose path begins with `prefix` (if given) go to `fallback`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if fallback is not None and prefix and scope["path"].startswith(prefix):
            await fallback(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await answering(await _read(request))
        except ArmError as error:
            answer = error.answer()
        except asyncio.CancelledError:
            # The emulator ends while the request waits. Uvicorn would log the cancellation as an error.
            answer = ArmError(503, "ServiceUnavailable", "the emulator ends").answer()
        except Exception as error:
            print(
                f"arm emulator: {request.method} {request.url.path} broke: {error!r}",
                file=sys.stderr,
                flush=True,
            )
            answer = ArmError(500, "InternalServerError", f"the emulator broke: {error!r}").answer()
        if answer.status == 501:
            print(f"arm emulator: not emulated: {request.method} {request.url}", file=sys.stderr, flush=True)
        await _respond(request, answer)(scope, receive, send)

    return app


async def _read(request: Request) -> Call:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise ArmError(413, "RequestContentTooLarge", "The request content is larger than 4 MB.")
    path = request.url.path
    while "//" in path:  # SDKs join an address that ends in a slash with a path that begins with one
        path = path.replace("//", "/")
    return Call(
        method=request.method,
        path=path,
        base=f"{request.url.scheme}://{request.headers.get('host', '')}",
        query={name.lower(): value for name, value in request.query_params.items()},
        headers={name.lower(): value for name, value in request.headers.items()},
        content=bytes(content),
        names={},
    )


def _respond(request: Request, answer: ArmAnswer) -> Response:
    identifier = str(uuid.uuid4())
    headers = {
        "x-ms-request-id": identifier,
        "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id", identifier),
        "Cache-Control": "no-cache",
        **answer.headers,
    }
    if answer.body is None or request.method == "HEAD":
        return Response(status_code=answer.status, headers=headers)
    text = json.dumps(answer.body)
    return Response(text, status_code=answer.status, headers=headers, media_type="application/json")


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers. Several servers share the process, and the process decides when they end."""

    @classmethod
    def of(cls, app: ASGIApp, files: ca.CertificateFiles | None = None) -> Self:
        """One listener's server, with TLS if a certificate is given."""
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
            ssl_certfile=str(files.certificate) if files else None,
            ssl_keyfile=str(files.key) if files else None,
        )
        return cls(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def bind(port: int) -> socket.socket:
    """A listening socket on loopback. It names its protocol, because asyncio switches Nagle's delay (40 ms an
    answer) off only for such a socket. socket.create_server does not name it."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(256)
    return made


async def wait_started(servers: Sequence[Server]) -> None:
    """Return when every server answers."""
    async with asyncio.timeout(_STARTED_SECONDS):
        while not all(server.started for server in servers):
            await asyncio.sleep(0.005)
