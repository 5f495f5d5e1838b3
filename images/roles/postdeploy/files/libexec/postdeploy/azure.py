"""Tokens from the instance metadata service, and secrets from Key Vault. Both may be late at a first boot.

Which answers of the metadata service are worth another try: Microsoft, "Use managed identities on a virtual machine to
acquire an access token", error handling: 404, 410 (at most 70 s), 429 and 5xx. "Identity not found" with 400 or 401 is
added: a machine says so until its identity has arrived. No proxy and no redirect is followed.
"""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from postdeploy import events
from postdeploy.failures import Exit, Failed
from postdeploy.host import Host

_LONGEST_PAUSE = 30.0
_CALL_SECONDS = 20.0
_MOST_BYTES = 256 * 1024  # a secret has at most 25 KB
_AGAIN = frozenset({404, 408, 410, 429})


@dataclass(frozen=True)
class KeptSecret:
    """A version of a secret. Its value does not show in a text of it."""

    version: str
    content_type: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class _Answer:
    """Status 0: there was no answer, and `text` says why."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after: str = ""
    text: str = ""


class Patience:
    """How long a run may wait in all, with pauses that double.

    Each pause is shorter by chance, or longer where the other side asked for one: machines that were started together
    do not come back together.
    """

    def __init__(self, seconds: float, first_pause: float) -> None:
        self._end = time.monotonic() + seconds
        self._first = first_pause
        self.waited = 0.0

    def wait(self, attempt: int, retry_after: str = "") -> bool:
        """Wait before the next attempt (the first is 0). False, at once, if the time is used up."""
        asked = float(retry_after) if retry_after.isdigit() else 0.0
        chance = random.random()  # noqa: S311 - nothing is kept secret by it
        pause = max(
            min(self._first * 2**attempt, _LONGEST_PAUSE) * (1 - chance / 2), asked * (1 + chance / 4)
        )
        if time.monotonic() + pause > self._end:
            return False
        time.sleep(pause)
        self.waited += pause
        return True


class Vault:
    """The secrets of one vault, read with the identity of this machine."""

    def __init__(self, host: Host, address: str, client_id: str, patience: Patience) -> None:
        self._host, self._address, self._client_id = host, address, client_id
        self._patience = patience
        self._token = ""

    def get(self, name: str, version: str = "", *, waits_for_grant: bool) -> KeptSecret:
        """A secret, its newest version where none is given. Raises Failed.

        A refusal is waited for only with `waits_for_grant`: right after a deployment the grant may not be in force.
        """
        path = f"/secrets/{name}/{version}" if version else f"/secrets/{name}"
        attempt = 0
        while True:
            self._token = self._token or self._ask_token()
            headers = {"Authorization": f"Bearer {self._token}"}
            answer = _get(f"{self._host.vault or self._address}{path}?api-version=7.4", headers)
            if answer.status == 200:
                return _secret_of(name, answer.body)
            if answer.status == 401:
                self._token = ""  # it may have run out
            elif answer.status == 404:
                raise Failed(Exit.MISSING, "no-such-secret", f"{self._address}{path} does not exist")
            elif answer.status == 403 and not waits_for_grant:
                raise self._denied(name, answer)
            elif answer.status not in (0, 403, 408, 429) and answer.status < 500:
                raise Failed(Exit.VAULT, "vault-refuses", f"{self._address}{path}: HTTP {answer.status}")
            if attempt == 0:
                events.say(
                    "vault-waits", "warning", secret=name, status=answer.status, cause=answer.text or None
                )
            if not self._patience.wait(attempt, answer.retry_after):
                raise self._late(name, answer)
            attempt += 1

    def _late(self, name: str, answer: _Answer) -> Failed:
        if answer.status in (401, 403):
            return self._denied(name, answer)
        cause = answer.text or f"HTTP {answer.status}"
        return Failed(
            Exit.VAULT, "vault-unreachable", f"{self._address} gave no answer for {name} in time: {cause}"
        )

    def _denied(self, name: str, answer: _Answer) -> Failed:
        codes = " ".join(_codes(answer.body))
        if "SecretDisabled" in codes:
            return Failed(Exit.MISSING, "secret-disabled", f"{name} in {self._address} is disabled")
        return Failed(
            Exit.DENIED,
            "denied",
            f"{self._address} refuses to give {name} to this machine's identity ({codes or answer.status}): "
            "give it the role Key Vault Secrets User on this secret, and let its network in",
        )

    def _ask_token(self) -> str:
        query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
        if self._address.endswith(".vault.azure.cn"):
            query["resource"] = "https://vault.azure.cn"
        elif self._address.endswith(".vault.usgovcloudapi.net"):
            query["resource"] = "https://vault.usgovcloudapi.net"
        if self._client_id:
            query["client_id"] = self._client_id
        address = f"{self._host.imds}/metadata/identity/oauth2/token?{urllib.parse.urlencode(query)}"
        attempt = 0
        while True:
            answer = _get(address, {"Metadata": "true"})
            token = _parsed(answer.body).get("access_token") if answer.status == 200 else None
            if isinstance(token, str) and token:
                return token
            is_absent = answer.status in (400, 401) and b"identity not found" in answer.body.lower()
            if not (
                answer.status in _AGAIN or answer.status in (0, 200) or answer.status >= 500 or is_absent
            ):
                codes = " ".join(_codes(answer.body))
                raise Failed(
                    Exit.IDENTITY, "identity-refused", f"no token: HTTP {answer.status} {codes}".rstrip()
                )
            if attempt == 0:
                events.say("identity-waits", "warning", status=answer.status, cause=answer.text or None)
            if not self._patience.wait(attempt, answer.retry_after):
                cause = answer.text or f"HTTP {answer.status}"
                text = f"the metadata service gave no token in time ({cause}): does this machine have the identity?"
                raise Failed(Exit.IDENTITY, "identity-late", text)
            attempt += 1


def _get(address: str, headers: dict[str, str]) -> _Answer:
    """One request. An opener of these three knows no proxy, no redirect, no password and no error but a lost line."""
    opener = urllib.request.OpenerDirector()
    for each in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(each)
    try:
        asked = urllib.request.Request(address, headers=headers)  # noqa: S310 - these handlers open http(s) alone
        with opener.open(asked, timeout=_CALL_SECONDS) as answer:
            body = answer.read(_MOST_BYTES + 1)
            if len(body) > _MOST_BYTES:
                return _Answer(0, text="the answer is too long")
            return _Answer(answer.status, body, answer.headers.get("Retry-After") or "")
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        return _Answer(0, text=str(reason) or type(error).__name__)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _codes(body: bytes) -> list[str]:
    """The error codes of an answer. Its messages are left out: they are not ours to log."""
    error = _parsed(body).get("error")
    found = []
    while isinstance(error, dict):
        found.append(str(error.get("code", "")))
        error = error.get("innererror")
    if isinstance(error, str):
        found.append(error)
    return [each for each in found if each.replace("_", "").isalnum()]


def _secret_of(name: str, body: bytes) -> KeptSecret:
    content = _parsed(body)
    value, version = content.get("value"), str(content.get("id", "")).rpartition("/")[2]
    if not isinstance(value, str) or not version.isalnum():
        raise Failed(Exit.VAULT, "vault-answer", f"Key Vault's answer for {name} has no value or no version")
    return KeptSecret(version=version, content_type=str(content.get("contentType") or ""), value=value)
