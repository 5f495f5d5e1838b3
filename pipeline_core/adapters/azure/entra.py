"""Entra ID access tokens: RS256 signature by the tenant's keys, issuer, audience, times. No header is trusted."""

import json
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Clock, Principal, Web

_KEYS_LIMIT = 256 * 1024  # bytes of the key document
_LEEWAY = timedelta(seconds=60)
_REFRESH_AT_MOST = timedelta(minutes=1)  # a caller with unknown key ids must not flood Entra
_FIRST_KEYS_AT_MOST = timedelta(seconds=5)  # without any keys, nobody can sign in
_KEYS_LIFE = timedelta(hours=24)  # a key that Entra withdrew is trusted for this time at most
_REQUIRED = ["exp", "nbf", "iss", "aud", "sub"]


class EntraTokens:
    """Verifies tokens of one tenant for one audience."""

    def __init__(
        self,
        web: Web,
        clock: Clock,
        *,
        authority: str,
        tenant: str,
        audience: str,
        team_groups: Mapping[str, TeamName],
    ) -> None:
        self._web = web
        self._clock = clock
        self._audience = audience
        self._team_groups = team_groups
        self._keys_url = f"{authority}/{tenant}/discovery/v2.0/keys"
        self._issuers = [f"{authority}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = threading.Lock()

    def verify(self, token: str) -> Principal:
        """The caller, or PermanentError (PERMISSION) with the reason. TransientError if there are no keys."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _refused("it is not a JSON Web Token") from error
        if header.get("alg") != "RS256":
            raise _refused("it is not signed with RS256")
        key = self._key(str(header.get("kid") or ""))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuers,
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.InvalidTokenError as error:
            raise _refused(str(error)) from error
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        subject = str(claims.get("oid") or claims["sub"])
        name = claims.get("name") or claims.get("preferred_username") or claims.get("azp") or subject
        roles, groups = _words(claims.get("roles")), _words(claims.get("groups"))
        teams = access.teams_of(roles, groups, self._team_groups)
        return Principal(subject=subject, name=str(name), roles=roles, teams=teams)

    def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys or self._is_old():
            self._refresh()
        found = self._keys.get(kid)
        if found is None:
            raise _refused("its signing key is not one of this tenant's")
        return found

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._clock.now() >= self._fetched_at + _KEYS_LIFE

    def _refresh(self) -> None:
        """Fetch the keys, at most once a minute. Without an answer, the known keys stay in use."""
        with self._lock:
            now = self._clock.now()
            pause = _REFRESH_AT_MOST if self._keys else _FIRST_KEYS_AT_MOST
            if self._tried_at is not None and now < self._tried_at + pause:
                if not self._keys:
                    raise TransientError(ErrorClass.NETWORK, f"{self._keys_url} did not answer a moment ago")
                return
            self._tried_at = now
            try:
                self._keys = self._fetch()
            except TransientError:
                if not self._keys:
                    raise
                return
            self._fetched_at = now

    def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        answer = self._web.get(self._keys_url, limit=_KEYS_LIMIT)
        if answer.status != 200:
            raise TransientError(ErrorClass.NETWORK, f"{self._keys_url} answers {answer.status}")
        try:
            keys = [_signing_key(each) for each in json.loads(answer.body)["keys"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientError(
                ErrorClass.NETWORK, f"{self._keys_url} does not answer with a key set"
            ) from error
        return {str(key.key_id): key for key in keys if key is not None and key.key_id}


def _signing_key(document: Mapping[str, Any]) -> jwt.PyJWK | None:
    """The key, or None for a key that is not for RS256 signatures or that this library cannot read."""
    if document.get("kty") != "RSA" or document.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(dict(document), algorithm="RS256")
    except jwt.PyJWTError:
        return None


def _words(claim: object) -> frozenset[str]:
    """The texts of a claim. A claim that is not a list of texts proves nothing."""
    if not isinstance(claim, list):
        return frozenset()
    return frozenset(each for each in claim if isinstance(each, str))


def _refused(reason: str) -> PermanentError:
    return PermanentError(ErrorClass.PERMISSION, f"the access token is refused: {reason}; sign in again")
