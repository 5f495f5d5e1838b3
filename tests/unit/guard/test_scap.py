"""The former pin of the guide is refused where steps are registered, and let pass where they are in force."""

import json

import pytest

from pipeline_core.guard import bundles, scap
from pipeline_core.guard.rules import GuardRule
from tests.unit.builder import samples
from tests.unit.images.places import IMAGES

CATALOG = {"hosts": ["example.com"], "entries": []}
ARCHIVE = {"url": "https://github.com/guide.zip", "sha512": "ab" * 64}


def with_settings(document: object) -> bytes:
    """Platform steps with these settings of the guide."""
    return samples.pack({**samples.PLATFORM, scap.SETTINGS: json.dumps(document)})


@pytest.mark.parametrize("archive", [ARCHIVE, None], ids=["pinned", "null"])
def test_an_archive_is_refused_with_the_way_that_pins_it(archive: object) -> None:
    (finding,) = bundles.check_platform(with_settings({"harden": "cis", "archive": archive}), CATALOG)
    assert (finding.rule, finding.place) == (GuardRule.SCAP_ARCHIVE, "scap.archive")
    assert "take it out of platform/scap/settings.json" in finding.remedy
    assert "catalog.json as scap-security-guide" in finding.remedy


def test_steps_of_an_older_release_that_are_in_force_may_have_it() -> None:
    """They bring the script that reads it. The builder must not refuse what goes on with them."""
    content = with_settings({"harden": "cis", "archive": ARCHIVE})
    assert bundles.check_settings(content, is_in_force=True) == ()


@pytest.mark.parametrize(
    "document", [{"harden": None, "sha256": None}, {}, []], ids=["shipped", "empty", "list"]
)
def test_other_settings_are_left_to_the_steps(document: object) -> None:
    assert bundles.check_platform(with_settings(document), CATALOG) == ()


def test_the_settings_that_ship_have_none() -> None:
    shipped = json.loads((IMAGES / scap.SETTINGS).read_text("utf-8"))
    assert list(scap.check_scap(shipped)) == []


def test_both_settings_are_judged_at_once() -> None:
    files = {**samples.PLATFORM, scap.SETTINGS: '{"archive": null}', "platform/sources/settings.json": "[]"}
    rules = [finding.rule for finding in bundles.check_settings(samples.pack(files))]
    assert rules == [GuardRule.SOURCES_SHAPE, GuardRule.SCAP_ARCHIVE]
