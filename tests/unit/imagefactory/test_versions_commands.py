"""`imagefactory versions` and `imagefactory galleries`: a version comes back, and SecOps believe what they see."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

SINCE = "2026-11-21T12:00:00Z"
RECORD = {
    "image": "rhel9-base",
    "version": "9.20261121.2",
    "standing": "live",
    "at": SINCE,
    "actor": "Admin",
    "reason": "not the cause",
}


def _galleries(**changes: Any) -> dict[str, Any]:
    suspect = {
        "image": "rhel9-base",
        "kind": "gone",
        "version": "9.20261121.2",
        "since": SINCE,
        "is_moved": False,
    }
    shown = {"suspects": [suspect], "alarmed_at": None, "accepted_until": None, "accepted_by": ""}
    return shown | changes


def test_a_version_is_included_with_a_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(RECORD).encode()))
    done = run("versions", "include", "rhel9-base", "9.20261121.2", "--reason", "not the cause")
    assert done.exit_code == 0
    assert "rhel9-base@9.20261121.2 may be used again" in done.stdout
    assert factory.asked[-1][:2] == ("POST", "/api/images/rhel9-base/versions/9.20261121.2/include")


def test_json_of_an_included_version_is_its_record(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(RECORD).encode()))
    assert json.loads(run("versions", "include", "rhel9-base", "9.20261121.2", "-o", "json").stdout) == RECORD


@pytest.mark.parametrize(
    ("kind", "words"),
    [("gone", "no longer holds it"), ("excluded", "took it out of latest"), ("new-kind", "new-kind")],
)
def test_galleries_lists_the_images_that_differ(
    run: Run, factory: FakeFactory, kind: str, words: str
) -> None:
    shown = _galleries()
    shown["suspects"][0]["kind"] = kind
    factory.shown["/api/galleries"] = shown
    text = " ".join(run("galleries").stdout.split())
    assert words in text
    assert "2026-11-21 12:00" in text


def test_too_many_at_once_say_what_to_do(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/galleries"] = _galleries(alarmed_at=SINCE)
    shown = run("galleries")
    assert "nothing is moved" in shown.stdout + shown.stderr


def test_json_of_galleries_is_what_the_factory_says(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/galleries"] = _galleries()
    assert json.loads(run("galleries", "-o", "json").stdout) == _galleries()


def test_accept_says_until_when(run: Run, factory: FakeFactory) -> None:
    accepted = _galleries(accepted_until="2026-11-21T13:00:00Z", accepted_by="Admin")
    for _ in range(2):
        factory.answers.append((200, {}, json.dumps(accepted).encode()))
    done = run("galleries", "accept", "--reason", "it was deleted")
    assert done.exit_code == 0
    assert "believed until 2026-11-21 13:00" in done.stdout
    assert factory.asked[-1][:2] == ("POST", "/api/galleries/accept")
    shown = run("galleries", "accept", "--reason", "it was deleted", "-o", "json").stdout
    assert json.loads(shown) == accepted
    assert factory.bodies == [{"reason": "it was deleted"}] * 2


def test_accept_needs_a_reason(run: Run, factory: FakeFactory) -> None:
    done = run("galleries", "accept")
    assert (done.exit_code, "--reason is missing" in done.stderr) == (2, True)
    assert factory.asked == []


def test_galleries_says_until_when_they_are_believed(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/galleries"] = _galleries(accepted_until="2026-11-21T13:00:00Z", accepted_by="Admin")
    shown = run("galleries")
    assert "believed until 2026-11-21 13:00 UTC" in shown.stdout + shown.stderr
