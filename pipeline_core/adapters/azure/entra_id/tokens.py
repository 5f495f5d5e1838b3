"""Entra ID access tokens: RS256 signature by the tenant's keys, issuer, audience, times. No header is trusted.

What tells an access token from an ID token is from Entra's own references (MicrosoftDocs/entra-docs,
`docs/identity-platform/`): access-token-claims-reference.md, id-token-claims-reference.md, claims-validation.md and
optional-claims-reference.md. Both have the same issuer and keys, and in version 2.0 the same audience.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

import jwt

from pipeline_core.adapters.azure.entra_id.keys import EntraKeys
from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Clock, Principal, Web

TokenVersions = Literal["1.0", "2.0", "both"]
_LEEWAY = timedelta(seconds=60)
_REQUIRED = ["exp", "nbf", "iss", "aud", "sub"]
_ID_TOKENS_ONLY = ("nonce", "at_hash", "c_hash")
_CLIENT = {"1.0": "appid", "2.0": "azp"}  # which application calls: in access tokens of that version alone


class EntraTokens:
    """Verifies access tokens of one tenant for one audience. `team_groups` are the groups that prove a team."""

    def __init__(
        self,
        web: Web,
        clock: Clock,
        *,
        authority: str,
        tenant: str,
        audience: str,
        team_groups: Mapping[str, TeamName],
        versions: TokenVersions = "both",
        begin: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._keys = EntraKeys(web, clock, f"{authority}/{tenant}/discovery/v2.0/keys", begin)
        self._audience = audience
        self._tenant = tenant
        self._team_groups = team_groups
        issuers = {"1.0": f"https://sts.windows.net/{tenant}/", "2.0": f"{authority}/{tenant}/v2.0"}
        self._versions = {
            issuer: version for version, issuer in issuers.items() if versions in ("both", version)
        }

    def verify(self, token: str) -> Principal:
        """The caller, or PermanentError (PERMISSION) with the reason. TransientError if there are no keys."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _refused("it is not a JSON Web Token") from error
        if header.get("alg") != "RS256":
            raise _refused("it is not signed with RS256")
        key = self._keys.find(str(header.get("kid") or ""))
        if key is None:
            raise _refused("its signing key is not one of this tenant's")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=list(self._versions),
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.InvalidTokenError as error:
            raise _refused(str(error)) from error
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        version = self._versions[claims["iss"]]
        if claims.get("ver", version) != version:
            raise _refused(f"its version is not {version}, as its issuer says")
        tenant = str(claims.get("tid") or self._tenant)  # the issuer names it too
        if tenant.lower() != self._tenant.lower():
            raise _refused("it is of another tenant")
        client = _demand_client(claims, version)
        roles, groups = _words(claims.get("roles")), _words(claims.get("groups"))
        is_application = _is_application(claims, roles)
        subject = str(claims.get("oid") or claims["sub"])
        name = claims.get("name") or claims.get("preferred_username") or claims.get("unique_name") or ""
        if not name:
            name = client if is_application else subject
        return Principal(
            subject=subject,
            name=str(name),
            roles=roles,
            teams=access.teams_of(roles, groups, self._team_groups),
            tenant=self._tenant,
            pairwise=str(claims["sub"]),
            client=client,
            is_application=is_application,
        )


def _demand_client(claims: Mapping[str, Any], version: str) -> str:
    """The application that calls. An ID token names none: it says who has signed in to an application."""
    client = claims.get(_CLIENT[version])
    if not isinstance(client, str) or not client or any(name in claims for name in _ID_TOKENS_ONLY):
        raise _refused("it is an ID token: send an access token for this API")
    return client


def _is_application(claims: Mapping[str, Any], roles: frozenset[str]) -> bool:
    """True for an application that calls as itself, False for a person who has consented by a scope."""
    scope, kind = claims.get("scp"), claims.get("idtyp")
    if isinstance(scope, str) and scope.strip() and kind in (None, "user"):
        return False
    if scope is None and (kind == "app" or (kind is None and roles)):
        return True
    raise _refused("it has neither a scope of a person nor a role of an application for this API")


def _words(claim: object) -> frozenset[str]:
    """The texts of a claim. A claim that is not a list of texts proves nothing."""
    if not isinstance(claim, list):
        return frozenset()
    return frozenset(each for each in claim if isinstance(each, str))


def _refused(reason: str) -> PermanentError:
    return PermanentError(ErrorClass.PERMISSION, f"the access token is refused: {reason}; sign in again")
