"""What stands between containers and storage: the roles of their identity, which Azurite does not know.

Azurite takes any Entra token of the right form for everything, so no role can be missed there. It does check a shared
access signature: signature, blob, permission, time. Here a request with a signature passes through, and a request
with a token passes only if a role of its identity covers it, as on Azure ("Assign an Azure role for access to blob
data", learn: a principal without a role is refused with 403). A signature is not held against the rights of the
identity that signed it: the application's identity owns the account. Only containers come this way, by the address
that their environment has.
"""

import asyncio
import contextlib
import http.client
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.arm.identity.tokens import STORAGE_AUDIENCES, InvalidToken, TokenIssuer
from local.arm.storage.roles import StorageRoles

SERVICES: Final = ("blob", "queue")
_SECONDS: Final = 60.0  # for one answer of Azurite
_OURS: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@dataclass(slots=True, kw_only=True)
class StorageFront:
    """One service of the account, `blob` or `queue`. `upstream` is Azurite's address, as soon as it is known."""

    service: str
    tokens: TokenIssuer
    roles: StorageRoles
    ca_file: Path
    upstream: str = ""
    refused: list[str] = field(default_factory=list)  # requests that no role covers, for tests and the runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        answer = self._refusal(request)
        if answer is None:
            answer = await asyncio.to_thread(self._forward, request, body)
        await answer(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        """403 for a token whose identity has no role for this; None for a request that Azurite may judge."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        query = parse_qs(request.url.query)
        if "sig" in query or scheme.lower() != "bearer":
            return None
        try:
            caller = self.tokens.verify(token, STORAGE_AUDIENCES)
        except InvalidToken as error:
            return _error(401, "InvalidAuthenticationInfo", str(error))
        _, _, place = request.url.path.lstrip("/").partition("/")  # without the account
        if self.roles.allow(caller.client_id, self.service, request.method, place):
            return None
        self.refused.append(f"{caller.client_id} {request.method} {self.service}/{place}")
        text = "This request is not authorized to perform this operation using this permission."
        return _error(403, "AuthorizationPermissionMismatch", text)

    def _forward(self, request: Request, body: bytes) -> Response:
        address = urlsplit(self.upstream)
        if not address.hostname:
            return _error(503, "ServerBusy", "no storage is behind the emulator yet")
        target = request.scope["raw_path"].decode("ascii")
        if request.url.query:
            target += f"?{request.url.query}"
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        with self._connected(address.hostname, address.port) as connection:
            connection.request(request.method, target, body, kept)
            found = connection.getresponse()
            content = found.read()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in _OURS}
            if request.method == "HEAD" and found.getheader("content-length"):
                headers["content-length"] = str(found.getheader("content-length"))
        return Response(content, status_code=found.status, headers=headers)

    @contextlib.contextmanager
    def _connected(self, host: str, port: int | None) -> Iterator[http.client.HTTPSConnection]:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=trust)
        try:
            yield connection
        finally:
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFronts:
    """Both services, and the addresses that containers have in place of Azurite's own."""

    blob: StorageFront
    queue: StorageFront
    roles: StorageRoles
    ports: Mapping[str, int]
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def both(self) -> tuple[StorageFront, StorageFront]:
        """The fronts."""
        return self.blob, self.queue

    def put_behind(self, upstreams: Mapping[str, str]) -> Mapping[str, str]:
        """From now on a container that is given one of these addresses (by service) gets ours. Returns ours."""
        ours: dict[str, str] = {}
        for front in self.both:
            front.upstream = upstreams[front.service]
            account = urlsplit(front.upstream).path.strip("/")
            ours[front.service] = f"https://127.0.0.1:{self.ports[front.service]}/{account}"
            self.addresses[front.upstream] = ours[front.service]
        return ours


def fronts(
    tokens: TokenIssuer, roles: StorageRoles, ca_file: Path, ports: Mapping[str, int]
) -> StorageFronts:
    """The two fronts on these ports, without storage behind them yet."""
    blob, queue = (
        StorageFront(service=service, tokens=tokens, roles=roles, ca_file=ca_file) for service in SERVICES
    )
    return StorageFronts(blob=blob, queue=queue, roles=roles, ports=ports)


def _error(status: int, code: str, text: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    )
    headers = {"x-ms-error-code": code, "x-ms-version": "2026-06-06"}
    return Response(body, status_code=status, headers=headers, media_type="application/xml")
