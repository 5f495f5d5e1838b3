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

from pipeline_core.adapters.azure.entra_id.tokens import TokenVersions
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import TeamName
from tests.unit.adapters.entra_door import (
    AUTHORITY,
    FIRST,
    GROUP,
    KEYS_URL,
    PAYMENTS,
    SECOND,
    TENANT,
    V1,
    V2,
    Door,
    claims,
    sign,
    v1_claims,
)


@pytest.fixture
def door() -> Door:
    return Door()


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
    assert door.tokens.verify(sign(v1_claims())).subject == "object"


def test_an_application_without_a_name_goes_by_its_id(door: Door) -> None:
    caller = door.tokens.verify(
        sign(claims(name=..., oid=..., scp=..., idtyp="app", groups=..., roles=..., azp="app"))
    )
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
        {"tid": "99999999-9999-4999-8999-999999999999"},
        {"ver": "1.0"},
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


def test_a_refusal_does_not_repeat_the_token(door: Door) -> None:
    token = sign(claims(aud="api://other"))
    with pytest.raises(PermanentError) as refused:
        door.tokens.verify(token)
    assert token not in str(refused.value)
    assert token.split(".")[2] not in str(refused.value)


ID_TOKEN = {"azp": ..., "scp": ...}


@pytest.mark.parametrize(
    "changed",
    [
        ID_TOKEN,
        {**ID_TOKEN, "nonce": "n"},
        {**ID_TOKEN, "iss": V1, "ver": "1.0"},
        {**ID_TOKEN, "appid": "tool"},  # that is the claim of the other version
        {"nonce": "n"},
        {"at_hash": "h"},
        {"c_hash": "h"},
        {"azp": ""},
        {"azp": 7},
        {"scp": "", "roles": []},
        {"scp": " "},
        {"scp": ["access"]},
        {"scp": ..., "roles": ...},
        {"scp": ..., "roles": [], "idtyp": "user"},
        {"scp": ..., "idtyp": "user"},
        {"idtyp": "app"},
    ],
    ids=str,
)
def test_what_is_not_an_access_token_is_refused(door: Door, changed: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match=r"ID token|neither a scope") as refused:
        door.tokens.verify(sign(claims(**changed)))
    assert refused.value.error_class is ErrorClass.PERMISSION


def test_a_person_and_an_application_are_told_apart(door: Door) -> None:
    person = door.tokens.verify(sign(claims(idtyp="user")))
    assert (person.subject, person.pairwise, person.client) == ("object", "pairwise", "tool")
    assert (person.tenant, person.actor.identity) == (TENANT, f"user:object@{TENANT}")
    for changed in ({"idtyp": "app"}, {}):
        body = claims(**{"scp": ..., "name": ..., "roles": ["Team.ml"], **changed})
        tool = door.tokens.verify(sign(body))
        assert tool.is_application
        assert (tool.name, tool.actor.identity) == ("tool", f"application:tool@{TENANT}")
    old = door.tokens.verify(sign(v1_claims(scp=..., idtyp="app", name=...)))
    assert old.actor.identity == f"application:tool@{TENANT}"


@pytest.mark.parametrize(
    ("versions", "first", "second"), [("1.0", True, False), ("2.0", False, True), ("both", True, True)]
)
def test_only_the_versions_of_the_settings_are_accepted(
    versions: TokenVersions, first: bool, second: bool
) -> None:
    tokens = Door(versions).tokens
    for body, accepted in ((v1_claims(), first), (claims(), second)):
        if accepted:
            assert tokens.verify(sign(body)).subject == "object"
            continue
        with pytest.raises(PermanentError, match="ssuer"):
            tokens.verify(sign(body))
