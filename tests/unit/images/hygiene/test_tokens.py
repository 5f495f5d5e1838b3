"""A token is known by its form and by its chance: samples, templates and tokens that open nothing are none."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from scanner.secrets import likeness, published, tokens

from tests.unit.images.hygiene import made

NOW = 1_800_000_000.0  # seconds since 1970
_DAY = 24 * 3600


def _found(text: str) -> list[str]:
    return [each.what for each in tokens.find_tokens(text.encode(), now=NOW)]


@pytest.mark.parametrize("owner", sorted(made.tokens()))
@pytest.mark.parametrize(
    "written",
    [
        lambda token: token,
        lambda token: f"export TOKEN={token}\n",
        lambda token: json.dumps({"note": f"first line\n{token}\nlast"}),
        lambda token: json.dumps({"x": json.dumps({"note": f"a\t{token}"})}),
        lambda token: f"# Example\n\nFor example, use `{token}` in the README.\n",
        lambda token: f"https://host/?token=x%3D{token}",
    ],
    ids=["alone", "variable", "JSON", "JSON in JSON", "readme", "address"],
)
def test_a_token_of_each_form_is_found_wherever_it_stands(owner: str, written: Callable[[str], str]) -> None:
    assert len(_found(written(made.tokens()[owner]))) == 1


@pytest.mark.parametrize("name", ["Storage", "Cosmos", "primary", "EndpointName=x;Primary"])
@pytest.mark.parametrize("owner", ["storage", "Service Bus"])
def test_a_key_of_a_longer_name_is_found(name: str, owner: str) -> None:
    assert len(_found(f"{name}{made.tokens()[owner]}")) == 1


@pytest.mark.parametrize("owner", ["Slack", "Vault", "npm", "PyPI", "Stripe", "JWT", "Entra", "signature"])
def test_a_token_whose_mark_is_long_enough_is_found_inside_a_word(owner: str) -> None:
    assert len(_found(f"x{made.tokens()[owner]}")) == 1


@pytest.mark.parametrize("owner", ["AWS", "GitHub", "GitHub, with rights", "GitLab"])
def test_a_token_whose_mark_ends_other_words_is_none_inside_a_word(owner: str) -> None:
    assert _found(f"x{made.tokens()[owner]}") == []


def test_a_token_beside_its_sample_is_found() -> None:
    for owner, token in made.tokens().items():
        if owner not in ("JWT", "signature", "storage", "Service Bus", "Entra"):
            sample = token[:10] + "EXAMPLE" + token[17:]
            assert len(_found(f"{sample}\n{token}\n{sample}")) == 1, owner


SAMPLES = {
    "AWS's manual": "AKIAIOSFODNN7EXAMPLE",
    "AWS's other manual": "AKIA111111111EXAMPLE",
    "one letter": f"ghp_{'x' * 36}",
    "two letters": f"AKIA{'Q7' * 8}",
    "a word again and again": f"ghp_{'token' * 8}",
    "the alphabet": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "counted": f"AccountKey={'1234567890' * 5}",
    "zeros": f"SharedAccessKey={'A' * 43}=",
    "says so": f"hvs.{made.chance(12)}PLACEHOLDER{made.chance(8)}",
    "inside a word": f"x{made.token()}",
    "too short": made.token()[:-1],
    "a template": "https://x.net/b?sig=${SIGNATURE}",
}


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_is_none(text: str) -> None:
    assert _found(text) == []


def test_a_random_value_is_never_taken_for_a_made_up_one() -> None:
    for seed in range(3000):
        for size, alphabet in (
            (16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
            (20, "0123456789abcdef"),
            (36, "0123456789abcdef"),
        ):
            value = made.chance(size, seed=seed, alphabet=alphabet).encode()
            assert not likeness.is_made_up(value), value


def test_the_list_of_published_samples_holds_digests_alone() -> None:
    assert published.KEYS
    assert all(len(each) == 64 and int(each, 16) for each in (*published.KEYS, *published.TOKENS))


# The keys of emulators, in hex: this text would be a finding of other scanners.
EMULATORS = {
    "Azurite": "11bcbcbdd334db134e72a165a94c093cb96612d9420d7275394cc54f9d2e4916"
    "7a205b2e16ad94544ac2cf823ab6afcad526453d33adaff2811c17a4b2818c1b",
    "Cosmos": "0b6cbac838dfe7f47ea1bd0df00ec282fdf45510c92161072ccfb84035390c4d"
    "a743d9c3b954eaa1b0f86fc9861b23cc6c8667ab232c11c686432ebb5c8c3f27",
}


@pytest.mark.parametrize("key", EMULATORS.values(), ids=EMULATORS.keys())
@pytest.mark.parametrize("end", ["==", "", "%3D%3D"])
def test_the_key_of_an_emulator_is_no_secret_and_another_is(key: str, end: str) -> None:
    raw = bytes.fromhex(key)
    assert _found(f"AccountKey={base64.b64encode(raw).decode().rstrip('=')}{end};") == []
    assert len(_found(f"AccountKey={base64.b64encode(raw[::-1]).decode().rstrip('=')}{end};")) == 1


USELESS = {
    "names nobody": {"hello": "reader"},
    "the first of the manual": {"some": "payload"},
    "jwt.io's": {"sub": "1234567890", "name": "John Doe", "iat": 1516239022},
    "names of documentation": {"iss": "https://idp.example.com/", "aud": "api.example.org", "sub": "alice"},
    "ended long ago": {"iss": "https://login.corp.net/", "sub": "svc", "exp": NOW - 40 * _DAY},
}


@pytest.mark.parametrize("claims", USELESS.values(), ids=USELESS.keys())
def test_a_signed_token_that_opens_nothing_is_none(claims: dict[str, Any]) -> None:
    assert _found(made.jwt(claims)) == []


USEFUL = {
    "without an end": {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:app:default"},
    "ends later": {"iss": "https://login.corp.net/", "sub": "svc", "exp": NOW + _DAY},
    "ended just now": {"iss": "https://login.corp.net/", "sub": "svc", "exp": NOW - _DAY},
    "an end that is none": {"iss": "https://login.corp.net/", "sub": "svc", "exp": 0},
    "an end that is a text": {"iss": "https://login.corp.net/", "sub": "svc", "exp": "2001-01-01"},
    "one real name is enough": {"iss": "https://idp.example.com/", "aud": "https://api.corp.net"},
    "a role": {"role": "writer"},
    "claims in capitals": {"SUB": "svc-batch"},
}


@pytest.mark.parametrize("claims", USEFUL.values(), ids=USEFUL.keys())
def test_a_signed_token_that_may_open_something_is_found(claims: dict[str, Any]) -> None:
    assert _found(made.jwt(claims)) == ["a signed token (JWT)"]


@pytest.mark.parametrize("secret", ["secret", "your-256-bit-secret", ""])
def test_a_token_that_everybody_can_sign_is_no_secret(secret: str) -> None:
    assert _found(made.jwt({"iss": "https://login.corp.net/", "sub": "svc"}, secret=secret)) == []


def test_a_token_without_a_signature_is_no_secret() -> None:
    assert _found(made.jwt({"iss": "https://login.corp.net/", "sub": "svc"}, algorithm="none")) == []


def test_what_only_looks_like_a_signed_token_is_none() -> None:
    assert _found(f"eyJ{'a1' * 10}.eyJ{'b2' * 10}.{'c3' * 15}") == []
    no_algorithm = base64.urlsafe_b64encode(b'{"typ":"JWT"}').decode().rstrip("=")
    assert _found(f"{no_algorithm}.{made.jwt({'sub': 'svc'}).split('.', 1)[1]}") == []
