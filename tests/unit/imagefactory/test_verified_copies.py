"""`imagefactory verify`: a statement is about what was asked for, and a version is the copy that was published."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_core.wire import es256
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import TOKEN
from tests.unit.imagefactory.signed_versions import (
    AZURE,
    FACTS,
    KEY,
    NAME,
    SOURCE,
    STRANGER,
    Signed,
    refused,
    report,
)

pytestmark = pytest.mark.process


def test_the_true_statement_of_another_image_is_refused_by_its_name(signed: Signed, run: Run) -> None:
    """A server that answers every question with one genuine, signed answer, about an image of its own."""
    signed.factory.shown["/api/images/other/versions/1.20261121.9/provenance"] = signed.shown
    found = report(run, "other@1.20261121.9", "--key", signed.pem)
    assert refused(found) == ["image"]
    (detail,) = (each["detail"] for each in found["checks"] if not each["holds"])
    assert detail == f'the statement is about "{NAME}", not about other@1.20261121.9'


def test_a_version_is_verified_with_the_record_of_its_publication(signed: Signed, run: Run) -> None:
    signed.publish()
    for given in (("--key", signed.pem), signed.show_in_azure()):
        found = report(run, NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)
        assert (found["verified"], found["not_proven"]) == (True, [])
        assert {"image", "source", "publication"} <= {each["check"] for each in found["checks"]}


def test_a_statement_of_an_older_release_is_verified_and_says_what_it_does_not_prove(
    signed: Signed, run: Run
) -> None:
    found = report(run, NAME, "--key", signed.pem)
    assert (found["verified"], found["not_proven"]) == (True, ["source", "publication"])
    done = run("verify", NAME, "--key", signed.pem)
    assert "NOT PROVEN, and nothing speaks against it: source, publication" in done.stderr
    assert "not proven" in done.stdout


EVIL = {"source": {"id": SOURCE.replace("payments-api", "pay-tmp")}, "osDiskImage": {"sizeInGB": 64}}
ANEW = {"publishingProfile": {"publishedDate": "2026-11-29T08:00:00.0000001+00:00"}}


@pytest.mark.parametrize(
    ("properties", "wanted"),
    [
        ({**AZURE["properties"], **ANEW}, ["publication"]),  # type: ignore[dict-item]
        ({**AZURE["properties"], "storageProfile": EVIL}, ["source"]),  # type: ignore[dict-item]
        ({**ANEW, "storageProfile": EVIL}, ["source", "publication"]),
        ({}, ["source", "publication"]),
    ],
)
def test_a_version_that_was_made_anew_in_azure_is_refused(
    properties: dict[str, Any], wanted: list[str], signed: Signed, run: Run
) -> None:
    """The factory shows what it has published, all of it genuine, and the tags in Azure are the right ones."""
    signed.publish()
    given = signed.show_in_azure(properties=properties)
    assert refused(report(run, NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)) == wanted


def _no_record(signed: Signed) -> None:
    signed.shown["publication"] = None


def _older_release(signed: Signed) -> None:
    del signed.shown["publication"]


def _record_by_stranger(signed: Signed) -> None:
    signed.publish(key=STRANGER)


def _record_of_another_version(signed: Signed) -> None:
    signed.publish(statement="b" * 64)


def _record_of_another_day(signed: Signed) -> None:
    signed.publish(facts=replace(FACTS, published_at=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=1)))


def _statement_for_a_record(signed: Signed) -> None:
    signed.shown["publication"] = signed.shown["envelope"]


@pytest.mark.parametrize(
    "forge",
    [
        _no_record,
        _older_release,
        _record_by_stranger,
        _record_of_another_version,
        _record_of_another_day,
        _statement_for_a_record,
    ],
)
def test_a_statement_that_names_its_source_needs_its_record(
    forge: Callable[[Signed], None], signed: Signed, run: Run
) -> None:
    signed.publish()
    forge(signed)
    found = report(run, NAME, "--key", signed.pem)
    assert refused(found) == ["publication"]
    assert [each["check"] for each in found["checks"][-2:]] == ["source", "publication"]


def test_a_bad_record_hides_no_other_source(signed: Signed, run: Run) -> None:
    signed.publish(key=STRANGER)
    given = signed.show_in_azure(properties={**AZURE["properties"], "storageProfile": EVIL})  # type: ignore[dict-item]
    assert refused(report(run, NAME, *given, IMAGEFACTORY_AZURE_TOKEN=TOKEN)) == ["source", "publication"]


def test_after_a_rotation_a_version_is_verified_with_the_key_that_signed_it(signed: Signed, run: Run) -> None:
    """The factory gives out both keys. A consumer who pins one of them believes that one alone."""
    new = es256.public_of(STRANGER)
    signed.publish()
    signed.factory.shown["/api/provenance/keys"] = {"keys": [new.to_jwk(), es256.public_of(KEY).to_jwk()]}
    assert report(run, NAME)["key"] == es256.public_of(KEY).id
    signed.factory.shown["/api/provenance/keys"] = {"keys": [new.to_jwk()]}  # the old version was disabled
    assert refused(report(run, NAME)) == ["signature"]
    pinned = signed.pem.with_name("new.pem")
    pinned.write_bytes(es256.public_pem(new))
    assert refused(report(run, NAME, "--key", pinned)) == ["signature"]
    assert report(run, NAME, "--key", signed.pem)["verified"]
