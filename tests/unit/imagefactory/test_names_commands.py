"""`imagefactory names` and `imagefactory versions list`: whose a deleted image's name is, and what it left."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

DELETED = "2026-11-21T12:00:00Z"
NAME = {"name": "pay-tmp", "team": "payments", "is_base": False, "deleted_at": DELETED, "unseen_since": None}
LINE = {
    "version": "1.20261121.1",
    "gallery": "live",
    "state": "ready",
    "in_latest": True,
    "standing": "live",
    "reason": "",
    "build": "b",
    "provenance": "ab",
    "end_of_life": None,
}
VERSIONS = {
    "image": "pay-tmp",
    "team": "payments",
    "is_deleted": True,
    "deleted_at": DELETED,
    "current": None,
    "versions": [LINE],
}


def _words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "payments and SecOps"),
        ({"is_base": True}, "SecOps (a base of payments)"),
        ({"team": None, "deleted_at": None}, "SecOps alone: no record shows its team"),
    ],
)
def test_the_list_says_for_whom_each_name_is_reserved(
    run: Run, factory: FakeFactory, changes: dict[str, Any], words: str
) -> None:
    factory.shown["/api/names"] = {"names": [NAME | changes], "next": None}
    assert words in _words(run("names", "list").stdout)
    assert json.loads(run("names", "list", "-o", "json").stdout) == [NAME | changes]


def test_a_name_is_handed_over_with_a_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(NAME | {"team": "ml"}).encode()))
    done = run("names", "handover", "pay-tmp", "--to", "ml", "--reason", "it is theirs")
    assert done.exit_code == 0, done.output
    assert "the name pay-tmp is reserved for team ml" in done.stdout
    assert factory.asked[-1][:2] == ("POST", "/api/names/pay-tmp/handover")
    factory.answers.append((200, {}, json.dumps(NAME).encode()))
    shown = run("names", "handover", "pay-tmp", "--to", "ml", "--reason", "x", "-o", "json")
    assert json.loads(shown.stdout) == NAME


@pytest.mark.parametrize(
    "words",
    [
        ("pay-tmp", "--to", "ml"),
        ("pay-tmp", "--to", "No Team", "--reason", "x"),
        ("Pay", "--to", "ml", "--reason", "x"),
    ],
)
def test_what_cannot_be_handed_over_is_refused_before_any_request(
    run: Run, factory: FakeFactory, words: tuple[str, ...]
) -> None:
    assert run("names", "handover", *words).exit_code == 2
    assert factory.asked == []


def test_versions_of_a_deleted_image_are_listed(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/images/pay-tmp/versions"] = VERSIONS
    shown = run("versions", "list", "pay-tmp")
    assert "1.20261121.1" in shown.stdout
    assert "its name is reserved for payments" in _words(shown.output)
    factory.shown["/api/images/pay-tmp/versions"] = VERSIONS | {"team": None}
    assert "SecOps alone, since no record shows its team" in _words(run("versions", "list", "pay-tmp").output)
    assert json.loads(run("versions", "list", "pay-tmp", "-o", "json").stdout)["team"] is None


def test_the_current_version_of_a_registered_image_is_marked(run: Run, factory: FakeFactory) -> None:
    shown = VERSIONS | {"is_deleted": False, "current": "1.20261121.1"}
    factory.shown["/api/images/pay-tmp/versions"] = shown
    output = run("versions", "list", "pay-tmp").output
    assert "current" in output
    assert "reserved" not in output


def test_a_bundle_is_shared_with_a_reason(run: Run, factory: FakeFactory) -> None:
    digest = "ab" * 32
    answer = {"bundle": digest, "owners": ["ml", "payments"]}
    for output in ("table", "json"):
        factory.answers.append((200, {}, json.dumps(answer).encode()))
        done = run("bundles", "share", digest, "--to", "ml", "--reason", "they need it", "-o", output)
        assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == answer
    assert factory.asked[-1][:2] == ("POST", f"/api/bundles/{digest}/share")
    for wrong in ([digest], ["latest", "--reason", "x"]):
        assert run("bundles", "share", *wrong, "--to", "ml").exit_code == 2
