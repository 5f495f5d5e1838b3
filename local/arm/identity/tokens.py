"""Tokens as Entra ID issues them: RS256, with Azure's claims. This module issues and verifies them.

The key lives as long as the process. The endpoints decide who gets a token, not this module.
"""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

LOGIN: Final = "https://login.microsoftonline.com"
LIFE_SECONDS: Final = 24 * 3600  # managed identities get tokens for a day
WORKLOAD_SECONDS: Final = 600
EXCHANGE_AUDIENCE: Final = "api://AzureADTokenExchange"
ARM_AUDIENCES: Final = frozenset({"https://management.azure.com", "https://management.core.windows.net"})
STORAGE_AUDIENCES: Final = frozenset({"https://storage.azure.com"})
VAULT_AUDIENCES: Final = frozenset({"https://vault.azure.net"})
_KEY_NAMES: Final = uuid.UUID("6f2f2b0c-6d2c-4d0c-9d52-0c6a3f8b1d11")


class InvalidToken(Exception):
    """A token is not valid. The text gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller, from a verified token."""

    client_id: str
    object_id: str


class TokenIssuer:
    """Issues and verifies tokens of one tenant."""

    def __init__(self, *, tenant: str, authority: str) -> None:
        self.tenant = tenant
        self.authority = authority
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex

    def keys(self) -> dict[str, Any]:
        """The JSON Web Key Set with which others verify tokens."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "use": "sig", "kid": self._key_id, "alg": "RS256"}]}

    @property
    def issuer(self) -> str:
        """The issuer of tokens for our own API (version 2.0)."""
        return f"{self.authority}/{self.tenant}/v2.0"

    def mint_resource(self, client_id: str, audience: str) -> str:
        """An application's token for an Azure resource, version 1.0. Storage, vault and ARM accept it."""
        subject = object_id(client_id)
        issuer = f"https://sts.windows.net/{self.tenant}/"
        claims = {
            "iss": issuer,
            "appid": client_id,
            "sub": subject,
            "oid": subject,
            "ver": "1.0",
            "idtyp": "app",
        }
        return self._sign(claims, audience, LIFE_SECONDS)

    @property
    def workload_issuer(self) -> str:
        """The issuer of the tokens that a workload identity trusts. It has the same key here, under another name."""
        return f"{self.authority}/workloads"

    def mint_workload(self, client_id: str, audience: str) -> str:
        """The assertion that its holder runs as `client_id`. It can be exchanged for that application's tokens."""
        claims = {"iss": self.workload_issuer, "sub": client_id, "jti": uuid.uuid4().hex}
        return self._sign(claims, audience, WORKLOAD_SECONDS)

    def verify_workload(self, token: str, client_id: str) -> None:
        """Raise Refused if `token` is not a valid assertion to Entra that its holder runs as `client_id`."""
        try:
            jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=EXCHANGE_AUDIENCE,
                issuer=self.workload_issuer,
                subject=client_id,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(str(error)) from error

    def mint_person(
        self,
        subject: str,
        audience: str,
        roles: Sequence[str],
        groups: Sequence[str],
        life_seconds: int = 3600,
    ) -> str:
        """A person's access token for our API, version 2.0. An ID token would have neither `azp` nor `scp`."""
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "oid": object_id(subject),
            "name": subject,
            "preferred_username": subject,
            "azp": object_id("imagefactory"),
            "azpacr": "0",
            "scp": "access",
            "roles": list(roles),
            "groups": list(groups),
            "ver": "2.0",
        }
        return self._sign(claims, audience, life_seconds)

    def verify(self, token: str, audiences: frozenset[str]) -> Caller:
        """The caller. Raises Refused with the reason."""
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "require": ["exp", "iss", "aud", "oid"]},
                issuer=[f"https://sts.windows.net/{self.tenant}/", self.issuer],
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(str(error)) from error
        if str(claims["aud"]).rstrip("/") not in audiences:
            raise InvalidToken(f"its audience is {claims['aud']}")
        return Caller(client_id=str(claims.get("appid") or claims.get("azp")), object_id=str(claims["oid"]))

    def _sign(self, claims: Mapping[str, Any], audience: str, life_seconds: int) -> str:
        now = int(time.time())
        times = {"iat": now, "nbf": now - 300, "exp": now + life_seconds}
        body = {**claims, **times, "aud": audience, "tid": self.tenant, "uti": uuid.uuid4().hex}
        return jwt.encode(body, self._key, algorithm="RS256", headers={"kid": self._key_id})


def object_id(name: str) -> str:
    """The object id of an application or a person. The same name always gives the same id."""
    return str(uuid.uuid5(_KEY_NAMES, name.lower()))
