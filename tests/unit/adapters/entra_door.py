"""Tokens with keys of our own, and the door that verifies them."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline_core.adapters.azure.entra_id.tokens import EntraTokens, TokenVersions
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import WebAnswer

AUTHORITY, TENANT, AUDIENCE = "https://login.example", "11111111-1111-4111-8111-111111111111", "api://factory"
KEYS_URL = f"{AUTHORITY}/{TENANT}/discovery/v2.0/keys"
V2, V1 = f"{AUTHORITY}/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"
PAYMENTS, GROUP = TeamName("payments"), "a1b2c3d4-1111-4222-8333-444455556666"
FIRST, SECOND = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def document(**keys: rsa.RSAPrivateKey) -> WebAnswer:
    shown = []
    for kid, key in keys.items():
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        shown.append({**public, "kid": kid, "use": "sig"})
    return WebAnswer(status=200, body=json.dumps({"keys": shown}).encode())


Begin = Callable[[Callable[[], None]], None]


class Door:
    """The tokens of one tenant whose keys are `first`, and later others."""

    def __init__(self, versions: TokenVersions = "both", begin: Begin = lambda work: work()) -> None:
        self.clock = ManualClock()
        self.web = MemoryWeb(answers={KEYS_URL: document(first=FIRST)})
        self.tokens = EntraTokens(
            self.web,
            self.clock,
            authority=AUTHORITY,
            tenant=TENANT,
            audience=AUDIENCE,
            team_groups={GROUP: PAYMENTS},
            versions=versions,
            begin=begin,
        )

    def publish(self, **keys: rsa.RSAPrivateKey) -> None:
        self.web.answers[KEYS_URL] = document(**keys)

    def lose_keys(self) -> None:
        self.web.answers[KEYS_URL] = TransientError(ErrorClass.NETWORK, "gone")

    @property
    def fetches(self) -> int:
        return len(self.web.got)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": V2,
        "aud": AUDIENCE,
        "sub": "pairwise",
        "oid": "object",
        "tid": TENANT,
        "ver": "2.0",
        "azp": "tool",
        "scp": "access",
        "name": "Ada",
        "roles": ["Factory.Reader"],
        "groups": [GROUP],
        "iat": now,
        "nbf": now - 5,
        "exp": now + 600,
    }
    return {name: moment(value, now) for name, value in {**usual, **changed}.items() if value is not ...}


def v1_claims(**changed: Any) -> dict[str, Any]:
    return claims(**{"iss": V1, "ver": "1.0", "azp": ..., "appid": "tool", **changed})


def moment(value: Any, now: int) -> Any:
    """A span means that long after `now`, so that no test's name holds the second it was collected in."""
    return now + int(value.total_seconds()) if isinstance(value, timedelta) else value


def sign(body: dict[str, Any], key: Any = FIRST, *, kid: str | None = "first", alg: str = "RS256") -> str:
    return jwt.encode(body, key, algorithm=alg, headers={"kid": kid} if kid else {})
