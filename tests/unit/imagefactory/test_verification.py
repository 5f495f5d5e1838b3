"""`imagefactory verify`: what a consumer believes, from whom, and what makes it say no."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from imagefactory.failures import Exit
from pipeline_core.wire import es256, provenance
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import TOKEN
from tests.unit.imagefactory.signed_versions import (
    ID,
    KEY,
    NAME,
    STRANGER,
    VERSION,
    Signed,
    refused,
    report,
    statement,
)

pytestmark = pytest.mark.process


def test_a_version_is_verified_with_the_key_that_was_pinned(signed: Signed, run: Run) -> None:
    del signed.factory.shown["/api/provenance/keys"]  # nobody needs it then
    found = report(run, NAME, "--key", signed.pem)
    assert (found["verified"], refused(found)) == (True, [])
    assert (found["key_from"], found["tags_from"]) == ("pinned", "factory")
    assert found["key"] == es256.public_of(KEY).id
    assert found["simulated"] == ["hygiene"]
    assert {each["gate"] for each in found["gates"]} == {"boot", "hygiene"}


def test_for_people_it_says_what_was_taken_on_trust_and_what_was_simulated(signed: Signed, run: Run) -> None:
    done = run("verify", NAME)
    assert done.exit_code == Exit.DONE
    assert f"{NAME} is verified" in done.stdout
    assert "the factory itself was trusted for its public keys" in done.stderr
    assert "tags, source and date are as the factory sent them" in done.stderr
    assert "SIMULATED: no machine was tested for hygiene" in done.stderr
    pinned = run("verify", NAME, "--key", signed.pem)
    assert "trusted for its public keys" not in pinned.stderr


def test_without_a_version_the_current_one_is_verified(signed: Signed, run: Run) -> None:
    signed.factory.shown["/api/images/payments-api"] = {"version": VERSION}
    assert report(run, "payments-api")["version"] == VERSION
    signed.factory.shown["/api/images/payments-api"] = {"version": None}
    done = run("verify", "payments-api")
    assert done.exit_code == Exit.REFUSED
    assert "has no current version" in done.stderr


def _other_payload(signed: Signed) -> None:
    signed.shown["envelope"]["payload"] = base64.b64encode(
        provenance.canonical(statement(goss=True))
    ).decode()


def _another_type(signed: Signed) -> None:
    signed.shown["envelope"]["payloadType"] = "application/json"


def _another_key(signed: Signed) -> None:
    signed.show(key=STRANGER)


def _under_our_name(signed: Signed) -> None:
    signed.show(key=STRANGER)
    signed.shown["envelope"]["signatures"][0]["keyid"] = es256.public_of(KEY).id


def _no_envelope(signed: Signed) -> None:
    signed.shown["envelope"] = None


def _no_json(signed: Signed) -> None:
    signed.shown["envelope"] = "an envelope"


def _huge(signed: Signed) -> None:
    signed.shown["envelope"]["padding"] = "x" * provenance.ENVELOPE_LIMIT


def _tag_edited(signed: Signed) -> None:
    signed.shown["tags"]["imagefactory-token"] = "by-hand"


def _another_build(signed: Signed) -> None:
    signed.shown["tags"]["imagefactory-build"] = "payments-api.0123456789ab.2"


def _another_version(signed: Signed) -> None:
    signed.shown["subject"] = ID.replace(VERSION, "1.20261121.2")


def _another_statement(signed: Signed) -> None:
    signed.show(statement(goss=True), tags=signed.shown["tags"])


def _gate_refused(signed: Signed) -> None:
    signed.show(statement(goss=False))


@pytest.mark.parametrize(
    ("forge", "wanted"),
    [
        (_other_payload, ["signature"]),
        (_another_type, ["signature"]),
        (_another_key, ["signature"]),
        (_under_our_name, ["signature"]),
        (_no_envelope, ["signature"]),
        (_no_json, ["signature"]),
        (_huge, ["signature"]),
        (_tag_edited, ["tags"]),
        (_another_build, ["tags", "build"]),
        (_another_version, ["subject"]),
        (_another_statement, ["statement"]),
        (_gate_refused, ["gates"]),
    ],
)
def test_what_does_not_hold_is_named_and_ends_with_1(
    forge: Callable[[Signed], None], wanted: list[str], signed: Signed, run: Run
) -> None:
    forge(signed)
    found = report(run, NAME, "--key", signed.pem)
    assert refused(found) == wanted
    assert run("verify", NAME, "--key", signed.pem).stdout.rstrip().endswith(f"{NAME} is NOT verified")


def test_what_is_not_signed_is_not_read(signed: Signed, run: Run) -> None:
    _another_key(signed)
    found = report(run, NAME, "--key", signed.pem)
    assert (found["gates"], found["build"], len(found["checks"])) == ([], None, 1)


def test_a_pinned_key_is_believed_over_the_factory(signed: Signed, run: Run) -> None:
    signed.show(key=STRANGER)
    signed.factory.shown["/api/provenance/keys"] = {"keys": [es256.public_of(STRANGER).to_jwk()]}
    assert report(run, NAME)["verified"]
    assert not report(run, NAME, "--key", signed.pem)["verified"]


def test_one_good_signature_beside_bad_ones_is_enough(signed: Signed, run: Run) -> None:
    bad = {"keyid": es256.public_of(KEY).id, "sig": base64.b64encode(b"x" * 70).decode()}
    signed.shown["envelope"]["signatures"].insert(0, bad)
    assert report(run, NAME, "--key", signed.pem)["verified"]


def test_tags_are_read_from_azure_with_ones_own_sign_in(signed: Signed, run: Run) -> None:
    signed.factory.shown[ID] = {"tags": signed.shown["tags"]}
    signed.shown["tags"] = {"the factory": "lies"}
    given = ("--gallery-version-id", ID, "--key", signed.pem, "--arm-endpoint", signed.factory.url)
    found = report(run, NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)
    assert (found["verified"], found["tags_from"], found["key_from"]) == (True, "azure", "pinned")
    signed.factory.shown[ID] = {"tags": {**signed.factory.shown[ID]["tags"], "imagefactory-token": "x"}}
    assert refused(report(run, NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)) == ["tags"]
    (asked,) = {path for _, path, _ in signed.factory.asked if path.startswith("/subscriptions/")}
    assert asked.startswith(f"{ID}?api-version=")


def test_a_version_that_azure_does_not_show_is_refused(signed: Signed, run: Run) -> None:
    given = ("--gallery-version-id", ID, "--key", signed.pem, "--arm-endpoint", signed.factory.url)
    done = run("verify", NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)
    assert done.exit_code == Exit.REFUSED
    assert "Azure does not show" in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--gallery-version-id", "latest"), "not an id of a version"),
        (("--gallery-version-id", ID.replace("payments-api", "other")), "names other@"),
        (("--gallery-version-id", ID.replace(VERSION, "1.20261121.2")), "names payments-api@1.20261121.2"),
        (("--gallery-version-id", f"{ID}?x=1"), "not an id of a version"),
    ],
)
def test_an_id_of_something_else_is_wrong_usage(
    words: tuple[str, ...], text: str, signed: Signed, run: Run
) -> None:
    done = run("verify", NAME, *words)
    assert done.exit_code == Exit.USAGE
    assert text in done.stderr


def test_a_file_that_is_not_a_key_is_wrong_usage(signed: Signed, run: Run) -> None:
    signed.pem.write_text("no key")
    done = run("verify", NAME, "--key", signed.pem)
    assert done.exit_code == Exit.USAGE
    assert "cannot be used" in done.stderr


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}])
def test_a_factory_that_publishes_no_key_verifies_nothing(
    keys: dict[str, Any], signed: Signed, run: Run
) -> None:
    signed.factory.shown["/api/provenance/keys"] = keys
    assert refused(report(run, NAME)) == ["signature"]


@pytest.mark.parametrize("keys", [{"keys": [7]}, {"keys": [{"kty": "EC", "crv": "P-256"}]}])
def test_keys_that_are_none_are_no_answer(keys: dict[str, Any], signed: Signed, run: Run) -> None:
    signed.factory.shown["/api/provenance/keys"] = keys
    assert run("verify", NAME).exit_code == Exit.UNREACHABLE


def test_a_version_that_is_not_there_is_refused(signed: Signed, run: Run) -> None:
    done = run("verify", "payments-api@1.20261121.9")
    assert done.exit_code == Exit.REFUSED
