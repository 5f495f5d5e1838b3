"""A bearer token on a request of the command. It must not decide to whom a token is sent."""

from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(url: str) -> bool:
    """True for an address of this machine, which is reached without a proxy: over http, a proxy would see the token."""
    return urlsplit(url).hostname in _LOOPBACK


class Bearer(AuthBase):
    """The token as an `auth` object, because a .netrc would silently replace a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
