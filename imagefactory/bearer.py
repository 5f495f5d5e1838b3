"""A bearer token on a request of the command. It must not decide to whom a token is sent."""

import requests
from requests.auth import AuthBase


class Bearer(AuthBase):
    """The token as an `auth` object, because a .netrc would silently replace a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
