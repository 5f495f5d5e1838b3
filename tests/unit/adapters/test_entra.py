"""Attacks on the verification of tokens, with keys of our own."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline_core.adapters.azure.entra import EntraTokens
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
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


class Door:
    """The tokens of one tenant whose keys are `first`, and later others."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.web = MemoryWeb(answers={KEYS_URL: document(first=FIRST)})
        self.tokens = EntraTokens(
            self.web,
            self.clock,
            authority=AUTHORITY,
            tenant=TENANT,
            audience=AUDIENCE,
            team_groups={GROUP: PAYMENTS},
        )

    def publish(self, **keys: rsa.RSAPrivateKey) -> None:
        self.web.answers[KEYS_URL] = document(**keys)

    def lose_keys(self) -> None:
        self.web.answers[KEYS_URL] = TransientError(ErrorClass.NETWORK, "gone")

    @property
    def fetches(self) -> int:
        return len(self.web.got)


@pytest.fixture
def door() -> Door:
    return Door()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": V2,
        "aud": AUDIENCE,
        "sub": "pairwise",
        "oid": "object",
        "name": "Ada",
        "roles": ["Factory.Reader"],
        "groups": [GROUP],
        "iat": now,
        "nbf": now - 5,
        "exp": now + 600,
    }
    return {name: moment(value, now) for name, value in {**usual, **changed}.items() if value is not ...}


def moment(value: Any, now: int) -> Any:
    """A span means that long after `now`, so that no test's name holds the second it was collected in."""
    return now + int(value.total_seconds()) if isinstance(value, timedelta) else value


def sign(body: dict[str, Any], key: Any = FIRST, *, kid: str | None = "first", alg: str = "RS256") -> str:
    return jwt.encode(body, key, algorithm=alg, headers={"kid": kid} if kid else {})


def test_a_good_token_gives_its_caller(door: Door) -> None:
    caller = door.tokens.verify(sign(claims()))
    assert (caller.subject, caller.name) == ("object", "Ada")
    assert (caller.roles, caller.teams) == (frozenset({"Factory.Reader"}), frozenset())


@pytest.mark.parametrize(
    ("roles", "groups", "teams"),
    [
        ([], [GROUP], {PAYMENTS}),
        (["Team.ml"], [], {TeamName("ml")}),
        (["Factory.Reader"], [GROUP], set()),
        ([], ["Everyone"], set()),
        ([], ["payments"], set()),
        ([], ["b1b2c3d4-1111-4222-8333-444455556666", ""], set()),
        (["Team."], [], set()),
    ],
)
def test_a_token_proves_a_team_by_a_role_or_by_a_mapped_group(
    door: Door, roles: list[str], groups: list[str], teams: set[TeamName]
) -> None:
    assert door.tokens.verify(sign(claims(roles=roles, groups=groups))).teams == teams


def test_a_token_of_version_one_is_good_too(door: Door) -> None:
    assert door.tokens.verify(sign(claims(iss=V1))).subject == "object"


def test_an_application_without_a_name_goes_by_its_id(door: Door) -> None:
    caller = door.tokens.verify(sign(claims(name=..., oid=..., roles=..., groups=..., azp="app")))
    assert (caller.subject, caller.name) == ("pairwise", "app")
    assert (caller.roles, caller.teams) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "api://other"},
        {"aud": ["api://other"]},
        {"aud": ...},
        {"iss": f"{AUTHORITY}/99999999-9999-4999-8999-999999999999/v2.0"},
        {"iss": f"{V2}/"},
        {"iss": V1.rstrip("/")},
        {"iss": "https://login.example.evil/v2.0"},
        {"iss": ...},
        {"exp": timedelta(seconds=-90)},
        {"exp": ...},
        {"exp": "tomorrow"},
        {"nbf": timedelta(minutes=10)},
        {"nbf": ...},
        {"sub": ...},
    ],
    ids=str,
)
def test_a_wrong_or_missing_claim_is_refused(door: Door, changed: dict[str, Any]) -> None:
    with pytest.raises(PermanentError) as refused:
        door.tokens.verify(sign(claims(**changed)))
    assert refused.value.error_class is ErrorClass.PERMISSION


def test_clocks_may_differ_by_a_minute(door: Door) -> None:
    now = int(time.time())
    door.tokens.verify(sign(claims(exp=now - 30)))
    door.tokens.verify(sign(claims(nbf=now + 30)))


@pytest.mark.parametrize("value", ["Factory.Admin", {"Factory.Admin": True}, None, 7, [["Factory.Admin"], 7]])
def test_a_role_claim_in_another_form_proves_nothing(door: Door, value: Any) -> None:
    caller = door.tokens.verify(sign(claims(roles=value, groups=value)))
    assert (caller.roles, caller.teams) == (frozenset(), frozenset())


def test_another_key_under_our_keys_name_is_refused(door: Door) -> None:
    with pytest.raises(PermanentError, match="ignature"):
        door.tokens.verify(sign(claims(), SECOND))


def test_a_token_without_a_signature_is_refused(door: Door) -> None:
    for algorithm in ("none", "None", "nOnE"):
        head = {"alg": algorithm, "typ": "JWT", "kid": "first"}
        parts = [
            base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (head, claims())
        ]
        with pytest.raises(PermanentError):
            door.tokens.verify(b".".join([*parts, b""]).decode())


def test_the_public_key_is_not_a_shared_secret(door: Door) -> None:
    """The classic confusion: HS256 over the public key, which everybody has."""
    public = FIRST.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"alg": "HS256", "typ": "JWT", "kid": "first"}
    body = claims(roles=["Factory.Admin"])
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (head, body)]
    digest = hmac.new(public, b".".join(parts), hashlib.sha256).digest()
    with pytest.raises(PermanentError, match="RS256"):
        door.tokens.verify(b".".join([*parts, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode())


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_other_algorithms_of_the_right_key_are_refused(door: Door, algorithm: str) -> None:
    with pytest.raises(PermanentError, match="RS256"):
        door.tokens.verify(sign(claims(), alg=algorithm))


def test_a_key_that_comes_with_the_token_is_not_looked_at(door: Door) -> None:
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(SECOND.public_key()))
    headers = {"kid": "evil", "jwk": own, "jku": "https://evil.example/keys", "x5u": "https://evil.example/c"}
    with pytest.raises(PermanentError):
        door.tokens.verify(jwt.encode(claims(), SECOND, algorithm="RS256", headers=headers))
    assert set(door.web.got) == {KEYS_URL}


@pytest.mark.parametrize("kid", [None, "", "../first", "x" * 10_000])
def test_an_odd_key_id_is_refused(door: Door, kid: str | None) -> None:
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims(), kid=kid))


def test_keys_are_fetched_once_for_many_tokens(door: Door) -> None:
    for _ in range(20):
        door.tokens.verify(sign(claims()))
    assert door.fetches == 1


def test_an_unknown_key_is_looked_for_at_most_once_a_minute(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.clock.advance(timedelta(minutes=2))
    for _ in range(50):
        with pytest.raises(PermanentError):
            door.tokens.verify(sign(claims(), SECOND, kid="unknown"))
    assert door.fetches == 2
    door.tokens.verify(sign(claims()))  # who has a known key does not suffer from it


def test_a_new_key_is_found_after_at_most_a_minute(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.publish(first=FIRST, second=SECOND)
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims(), SECOND, kid="second"))
    door.clock.advance(timedelta(minutes=1))
    door.tokens.verify(sign(claims(), SECOND, kid="second"))


def test_a_withdrawn_key_is_trusted_no_longer_than_a_day(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.publish(second=SECOND)
    door.clock.advance(timedelta(hours=23))
    door.tokens.verify(sign(claims()))
    door.clock.advance(timedelta(hours=1))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims()))


def test_known_keys_serve_on_while_entra_is_away(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.lose_keys()
    door.clock.advance(timedelta(hours=25))
    door.tokens.verify(sign(claims()))
    door.publish(second=SECOND)
    door.clock.advance(timedelta(minutes=1))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims()))


def test_without_any_key_it_is_tried_again_after_some_seconds(door: Door) -> None:
    door.lose_keys()
    for _ in range(5):
        with pytest.raises(TransientError):
            door.tokens.verify(sign(claims()))
    assert door.fetches == 1
    door.publish(first=FIRST)
    door.clock.advance(timedelta(seconds=5))
    door.tokens.verify(sign(claims()))


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=500, body=b"{}"),
        WebAnswer(status=200, body=b"not json"),
        WebAnswer(status=200, body=b"[]"),
        WebAnswer(status=200, body=b'{"keys": 7}'),
        WebAnswer(status=200, body=b'{"keys": ["x"]}'),
        WebAnswer(status=200, body=b"\xff\xfe"),
    ],
    ids=str,
)
def test_a_broken_key_document_is_transient(door: Door, answer: WebAnswer) -> None:
    door.web.answers[KEYS_URL] = answer
    with pytest.raises(TransientError):
        door.tokens.verify(sign(claims()))


def test_keys_for_other_uses_are_passed_over(door: Door) -> None:
    good = json.loads(document(first=FIRST).body)["keys"][0]
    others = [
        {**good, "kid": "encrypts", "use": "enc"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "x", "y": "y"},
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "RSA", "kid": "broken", "n": "!!"},
    ]
    body = json.dumps({"keys": [*others, good]}).encode()
    door.web.answers[KEYS_URL] = WebAnswer(status=200, body=body)
    door.tokens.verify(sign(claims()))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims(), kid="encrypts"))


def test_a_refusal_does_not_repeat_the_token(door: Door) -> None:
    token = sign(claims(aud="api://other"))
    with pytest.raises(PermanentError) as refused:
        door.tokens.verify(token)
    assert token not in str(refused.value)
    assert token.split(".")[2] not in str(refused.value)
