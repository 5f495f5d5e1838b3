"""The only way out of a container: a forward proxy. It connects Azure's names to the emulator and refuses all others.

TLS passes through unchanged, because the emulator itself shows a certificate for the name. The proxy connects only to
loopback addresses that it gets at the start.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

AZURE_NAMES: Final = ("management.azure.com", "login.microsoftonline.com", "*.vault.azure.net")
_METADATA: Final = "169.254.169.254"
_HEAD_LIMIT: Final = 32 * 1024
_HEAD_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTarget:
    """A port on 127.0.0.1."""

    port: int


class Proxy:
    """CONNECT to Azure's names goes to `tls`, plain requests to the metadata address go to `plain`."""

    def __init__(self, *, tls: ProxyTarget, plain: ProxyTarget, refused: Callable[[str], None]) -> None:
        self._tls, self._plain, self._refused = tls, plain, refused

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
            await self._answer(head, reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone or uses another protocol, so no client can read an answer
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, rest = head.partition(b"\r\n")
        parts = line.decode("latin-1").split(" ")
        if len(parts) != 3:
            await _say(writer, 400, "this is not a proxy request")
            return
        method, target, version = parts
        if method == "CONNECT" and _is_azure(target):
            upstream = await asyncio.open_connection("127.0.0.1", self._tls.port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _pipe(reader, writer, *upstream)
            return
        address = urlsplit(target)
        if (
            method != "CONNECT"
            and address.scheme == "http"
            and address.netloc in (_METADATA, f"{_METADATA}:80")
        ):
            path = f"{address.path}?{address.query}" if address.query else address.path
            upstream = await asyncio.open_connection("127.0.0.1", self._plain.port)
            # One request per connection: the next one may be for another destination.
            upstream[1].write(
                f"{method} {path} {version}\r\nConnection: close\r\n".encode("latin-1") + _kept(rest)
            )
            await _pipe(reader, writer, *upstream)
            return
        self._refused(target if method == "CONNECT" else f"{address.scheme}://{address.netloc}")
        await _say(writer, 403, f"{target} is not reachable from here; only Azure's own names are")


async def listen(proxy: Proxy) -> asyncio.Server:
    """Serve on a free loopback port."""
    return await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_HEAD_LIMIT)


def _is_azure(target: str) -> bool:
    host, _, port = target.lower().rpartition(":")
    if port != "443":
        return False
    return any(host == name or (name[0] == "*" and _is_below(host, name[1:])) for name in AZURE_NAMES)


def _is_below(host: str, suffix: str) -> bool:
    return host.endswith(suffix) and host.count(".") == suffix.count(".")


def _kept(headers: bytes) -> bytes:
    lines = headers.split(b"\r\n")
    dropped = (b"connection:", b"proxy-connection:", b"proxy-authorization:")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(dropped))


async def _say(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    body = text.encode("utf-8", "replace")
    reason = {400: "Bad Request", 403: "Forbidden"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await writer.drain()


async def _pipe(
    client_reader: asyncio.StreamReader,
    client_writer: asyncio.StreamWriter,
    server_reader: asyncio.StreamReader,
    server_writer: asyncio.StreamWriter,
) -> None:
    try:
        await asyncio.gather(_copy(client_reader, server_writer), _copy(server_reader, client_writer))
    finally:
        server_writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass  # the other side has closed; the close below ends the pair
    target.close()
