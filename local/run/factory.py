"""The factory's HTTP API as a user of it sees it: JSON in, JSON out, errors as they are told."""

from dataclasses import dataclass
from typing import Any

import requests

_TIMEOUT = 30  # seconds


class ApiError(Exception):
    """The API refused; the text is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """A client with one token."""

    url: str
    token: str

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return self._ask("GET", path).json()

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
        """The answer of a POST."""
        return self._ask("POST", path, json=body, headers=headers)

    def _ask(
        self, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # the machine's proxy settings are not for loopback
            answer = session.request(
                method,
                f"{self.url}{path}",
                json=json,
                headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
                timeout=_TIMEOUT,
            )
        if not answer.ok:
            raise ApiError(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer
