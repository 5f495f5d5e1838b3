"""The public keys that a tenant of Entra signs with. A slow or silent Entra holds up nobody who has a known key."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from pipeline_core.domain.errors import ErrorClass, FactoryError, TransientError
from pipeline_core.ports import Clock, Web

_KEYS_LIMIT = 256 * 1024  # bytes of the key document
_FETCH_AT_MOST = timedelta(minutes=1)  # a caller with unknown key ids must not flood Entra
_FIRST_KEYS_AT_MOST = timedelta(seconds=5)  # without any keys, nobody can sign in
_FRESH = timedelta(hours=1)  # from then on they are fetched anew while the known ones serve
_LIFE = timedelta(hours=24)  # a key that Entra withdrew is trusted for this time at most
_WAIT_SECONDS = 5.0  # how long others wait for the very first keys


class EntraKeys:
    """At most one fetch is in flight. Only its caller waits for it, unless there are no keys at all.

    A key id that the last answer did not have is unknown for a minute, without another fetch. `begin` runs work beside
    the caller.
    """

    def __init__(
        self, web: Web, clock: Clock, url: str, begin: Callable[[Callable[[], None]], None] | None = None
    ) -> None:
        self._web = web
        self._clock = clock
        self._url = url
        self._begin = begin or _beside
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._is_fetching = False
        self._changed = threading.Condition()

    def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of this id; None where the tenant has none. Raises TransientError where nobody knows it yet."""
        now = self._clock.now()
        with self._changed:
            if not self._keys:
                self._changed.wait_for(lambda: not self._is_fetching, _WAIT_SECONDS)
            known = self._keys.get(kid)
            age = None if self._fetched_at is None else now - self._fetched_at
            if known is not None and age is not None and age < _FRESH:
                return known
            if known is None and self._is_fetching:
                raise TransientError(ErrorClass.NETWORK, f"{self._url} has not answered yet")
            if self._is_fetching or not self._is_due(now):
                if not self._keys:
                    raise TransientError(ErrorClass.NETWORK, f"{self._url} did not answer a moment ago")
                return known
            self._is_fetching, self._tried_at = True, now
        if known is not None and age is not None and age < _LIFE:
            self._begin(self._refresh_quietly)
            return known
        self._refresh()
        return self._keys.get(kid)

    def _is_due(self, now: datetime) -> bool:
        pause = _FETCH_AT_MOST if self._keys else _FIRST_KEYS_AT_MOST
        return self._tried_at is None or now >= self._tried_at + pause

    def _refresh_quietly(self) -> None:
        try:
            self._refresh()
        except FactoryError:  # the known keys serve on, and a later caller tries again
            return

    def _refresh(self) -> None:
        """Fetch the keys. Without an answer, the known keys stay in use. Raises TransientError where there are none."""
        found: Mapping[str, jwt.PyJWK] | None = None
        try:
            found = self._fetch()
        except TransientError:
            if not self._keys:
                raise
        finally:
            with self._changed:
                if found is not None:
                    self._keys, self._fetched_at = found, self._clock.now()
                self._is_fetching = False
                self._changed.notify_all()

    def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        answer = self._web.get(self._url, limit=_KEYS_LIMIT)
        if answer.status != 200:
            raise TransientError(ErrorClass.NETWORK, f"{self._url} answers {answer.status}")
        try:
            keys = [_signing_key(each) for each in json.loads(answer.body)["keys"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(ErrorClass.NETWORK, f"{self._url} does not answer with a key set") from error
        return {str(key.key_id): key for key in keys if key is not None and key.key_id}


def _beside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="entra-keys", daemon=True).start()


def _signing_key(document: Mapping[str, Any]) -> jwt.PyJWK | None:
    """The key, or None for a key that is not for RS256 signatures or that this library cannot read."""
    if document.get("kty") != "RSA" or document.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(dict(document), algorithm="RS256")
    except jwt.PyJWTError:
        return None
