"""Plain HTTPS by requests, for signing keys and webhooks. Nothing of the environment reaches a request."""

import ipaddress
import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import WebAnswer

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_WHOLE_SECONDS = 20.0  # a server that sends byte by byte never reaches the timeout of one read
_CHUNK = 16 * 1024


class HttpsWeb:
    """`ca_file` names the authority to trust instead of the public ones, or is empty."""

    def __init__(self, ca_file: str = "") -> None:
        self._verify: str | bool = ca_file or True
        self._is_public_only = not ca_file  # with an authority of our own, the network is our own

    def get(self, url: str, *, limit: int) -> WebAnswer:
        """One GET. It refuses other schemes than https, redirects, and bodies over `limit` bytes."""
        return self._ask("GET", url, None, {}, limit)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> WebAnswer:
        """One POST under the same rules, to a public address only, because a team chooses the address.

        The name may resolve differently between the check and the call. The network's egress rules must stop
        that.
        """
        if self._is_public_only:
            _demand_public(url)
        return self._ask("POST", url, body, headers, limit)

    def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> WebAnswer:
        place = _place(url)
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy, no .netrc: an address outside gets nothing of ours
                with session.request(
                    method,
                    url,
                    data=body,
                    headers=dict(headers),
                    timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                    verify=self._verify,
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    return _read(place, answer, limit)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError) as error:
            raise PermanentError(ErrorClass.POLICY, f"{place}: {error}") from error
        except requests.RequestException as error:
            text = f"{method} {place}: no answer ({type(error).__name__})"
            raise TransientError(ErrorClass.NETWORK, text) from error


def _read(place: str, answer: requests.Response, limit: int) -> WebAnswer:
    if 300 <= answer.status_code < 400:
        raise PermanentError(ErrorClass.POLICY, f"{place} redirects: give the final address")
    deadline = time.monotonic() + _WHOLE_SECONDS
    content = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise PermanentError(ErrorClass.POLICY, f"{place} answers with more than {limit} bytes")
        if time.monotonic() > deadline:
            raise TransientError(ErrorClass.NETWORK, f"{place} took longer than {_WHOLE_SECONDS:g} s")
    return WebAnswer(status=answer.status_code, body=bytes(content))


def _demand_public(url: str) -> None:
    """Raise PermanentError if the host is, or resolves to, an address outside the public internet."""
    place = _place(url)
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TransientError(ErrorClass.NETWORK, f"{place} cannot be resolved") from error
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise PermanentError(ErrorClass.POLICY, f"{place} is not a public address: give one")


def _place(url: str) -> str:
    """Scheme and host for messages, because paths and queries of webhooks hold secrets. Raises PermanentError."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise PermanentError(ErrorClass.POLICY, "a web address is malformed") from error
    if parts.scheme != "https" or not host:
        raise PermanentError(
            ErrorClass.POLICY, f"{parts.scheme}://{host} is not https: give an https address"
        )
    if parts.username is not None or parts.password is not None:
        raise PermanentError(ErrorClass.POLICY, f"the address of {host} holds credentials: leave them out")
    return f"https://{host}" if port is None else f"https://{host}:{port}"
