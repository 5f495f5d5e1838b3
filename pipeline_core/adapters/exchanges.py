"""One HTTPS exchange with an end: from the look-up of the name to the last byte, whatever the server sends or not.

A timeout of a socket is about one read. A server that sends a byte now and then never reaches it. So each read and
write gets the time that is left of the whole.
"""

import contextlib
import email.utils
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline_core.domain import cloud_errors
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import WebAnswer

_CONNECT_SECONDS = 5.0  # for the name, and for each address
_ADDRESSES = 4  # tried in turn
_SAFE = "/%:@!$&'()*+,;=~-._?"


class Deadline:
    """The end of an exchange, by the clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds that are left, at most `most`. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it took longer than {self._seconds:g} s")
        return left if most is None else min(left, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to. `place` is scheme and host, for messages: a path may hold a token."""

    place: str
    host: str
    port: int
    path: str


class _BoundedSocket(ssl.SSLSocket):
    """Every read and write has the time that is left."""

    deadline: Deadline | None = None

    def recv_into(self, *given: Any, **named: Any) -> int:
        self._limit()
        return super().recv_into(*given, **named)

    def send(self, *given: Any, **named: Any) -> int:
        self._limit()
        return super().send(*given, **named)

    def _limit(self) -> None:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())


def context_of(ca_file: str) -> ssl.SSLContext:
    """The trust in `ca_file` alone."""
    made = ssl.create_default_context(cafile=ca_file)
    made.sslsocket_class = _BoundedSocket
    return made


def target_of(url: str) -> Target:
    """Raises PermanentError for an address that is not https, is malformed, or holds credentials."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise PermanentError(ErrorClass.POLICY, "a web address is malformed") from error
    if parts.scheme != "https" or not host:
        raise PermanentError(
            ErrorClass.POLICY, f"{parts.scheme}://{host} is not https: give an https address"
        )
    if parts.username is not None or parts.password is not None:
        raise PermanentError(ErrorClass.POLICY, f"the address of {host} holds credentials: leave them out")
    place = f"https://{host}" if port is None else f"https://{host}:{port}"
    path = quote(parts.path or "/", safe=_SAFE) + (
        f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    )
    return Target(place=place, host=host, port=port or 443, path=path)


def ask(
    method: str,
    target: Target,
    *,
    context: ssl.SSLContext,
    seconds: float,
    limit: int,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    is_allowed: Callable[[str], bool] = lambda address: True,
) -> WebAnswer:
    """One exchange within `seconds`, over one of the addresses to which the name resolves now.

    The connection is made to an address that was checked. A name that resolves to another one later changes nothing.
    Raises PermanentError (POLICY) where an address is not allowed, for a redirect, a body over `limit` bytes and a
    header with control characters; else TransientError (NETWORK).
    """
    given = dict(headers or {})
    if any(not value.isprintable() for value in given.values()):
        raise PermanentError(ErrorClass.POLICY, f"a header for {target.place} has control characters")
    deadline = Deadline(seconds)
    try:
        addresses = _resolve(target, deadline)
        if not all(is_allowed(address) for address in addresses):
            raise PermanentError(ErrorClass.POLICY, f"{target.place} is not a public address: give one")
        with _connected(target, addresses, context, deadline) as secured:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.default_port = 443
            connection.sock = secured
            connection.request(method, target.path, body=body, headers=given)
            with contextlib.closing(connection.getresponse()) as answer:
                return _read(target, answer, limit)
    except TimeoutError as error:
        text = f"{method} {target.place} took longer than {seconds:g} s, or {_CONNECT_SECONDS:g} s to connect"
        raise TransientError(ErrorClass.NETWORK, text) from error
    except (OSError, http.client.HTTPException) as error:
        text = f"{method} {target.place}: no answer ({type(error).__name__})"
        raise TransientError(ErrorClass.NETWORK, text) from error
    except ValueError as error:
        raise PermanentError(ErrorClass.POLICY, f"{target.place}: {error}") from error


def _read(target: Target, answer: http.client.HTTPResponse, limit: int) -> WebAnswer:
    if 300 <= answer.status < 400:
        raise PermanentError(ErrorClass.POLICY, f"{target.place} redirects: give the final address")
    content = answer.read(limit + 1)
    if len(content) > limit:
        raise PermanentError(ErrorClass.POLICY, f"{target.place} answers with more than {limit} bytes")
    headers = {name.lower(): value for name, value in answer.getheaders()}
    headers.setdefault(
        "date", email.utils.formatdate(usegmt=True)
    )  # a date is compared with the answer's own
    return WebAnswer(status=answer.status, body=content, retry_after=cloud_errors.retry_after(headers))


def _resolve(target: Target, deadline: Deadline) -> Sequence[str]:
    """The addresses of the name. The look-up itself has no timeout, so a thread does it that nobody waits for."""
    found: list[Sequence[str] | OSError | UnicodeError] = []

    def look() -> None:
        try:
            rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            found.append([str(row[4][0]) for row in rows])
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look, name="look-up", daemon=True)
    thread.start()
    thread.join(deadline.left(_CONNECT_SECONDS))
    if not found or isinstance(found[0], OSError):
        raise TransientError(ErrorClass.NETWORK, f"{target.place} cannot be resolved")
    if isinstance(found[0], UnicodeError):
        raise PermanentError(ErrorClass.POLICY, f"{target.place} is not a name: {found[0]}")
    return found[0]


def _connected(
    target: Target, addresses: Sequence[str], context: ssl.SSLContext, deadline: Deadline
) -> _BoundedSocket:
    failure: OSError = OSError("no address")
    for address in addresses[:_ADDRESSES]:
        try:
            plain = socket.create_connection((address, target.port), timeout=deadline.left(_CONNECT_SECONDS))
        except OSError as error:
            failure = error
            continue
        try:
            plain.settimeout(deadline.left())
            secured = context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
        if not isinstance(secured, _BoundedSocket):  # `context_of` makes no other
            secured.close()
            raise TypeError("the TLS context makes sockets without a deadline")
        secured.deadline = deadline
        return secured
    raise failure
