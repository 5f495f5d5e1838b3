"""`imagefactory sources`: whose turn it is, the decision of SecOps, and that no text of others moves a terminal."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

SOURCE = "redhat:rhel:9-lvm-gen2:westeurope"
SINCE = "2026-11-21T12:00:00Z"
GONE = {"version": "9.8.2026062323", "since": SINCE, "reason": "absent", "message": "is no longer offered"}
ACCEPTED = {"version": "9.6.2025112113", "actor": "Admin", "at": SINCE, "reason": ""}


def _source(**changes: Any) -> dict[str, Any]:
    return {
        "key": "redhat:rhel:9-lvm-gen2:westeurope",
        "urn": "RedHat:RHEL:9-lvm-gen2",
        "location": "westeurope",
        "newest": "9.6.2025112113",
        "revision": 2,
        "looked_at": SINCE,
        "ends_at": None,
        "images": ["rhel9-base"],
        "withdrawn": [],
        "accepted": None,
        "silence": None,
    } | changes


TURNS: dict[str, tuple[dict[str, Any], str]] = {
    "rests": ({}, "nothing"),
    "unfollowed": ({"images": []}, "not polled"),
    "silent": ({"silence": {"since": SINCE, "why": "lists no version"}}, "lists no version"),
    "withdrawn": ({"withdrawn": [GONE]}, "SecOps may accept 9.6.2025112113"),
    "accepted": ({"withdrawn": [GONE], "accepted": ACCEPTED}, "Admin accepted"),
    "nothing is left": ({"withdrawn": [GONE], "newest": None}, "nothing is offered"),
    "ends": ({"ends_at": "2026-12-24T00:00:00Z"}, "ends on 2026-12-24"),
}


@pytest.mark.parametrize("case", TURNS)
def test_the_table_says_whose_turn_it_is(run: Run, factory: FakeFactory, case: str) -> None:
    changes, words = TURNS[case]
    factory.shown["/api/sources"] = {"sources": [_source(**changes)]}
    shown = run("sources")
    assert shown.exit_code == 0
    assert words in " ".join(shown.stdout.split())


def test_a_source_stays_on_one_line_to_be_copied(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/sources"] = {"sources": [_source(withdrawn=[GONE])]}
    shown = run("sources").stdout
    assert _source()["key"] in shown
    assert "2026-11-21 12:00" in " ".join(shown.split())
    assert SINCE not in shown


def test_json_is_what_the_factory_says(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/sources"] = {"sources": [_source(withdrawn=[GONE])]}
    assert json.loads(run("sources", "-o", "json").stdout) == [_source(withdrawn=[GONE])]


def test_accept_sends_the_release_and_the_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(_source(accepted=ACCEPTED)).encode()))
    done = run("sources", "accept", SOURCE, "--release", "9.6.2025112113", "--reason", "9.8 is broken")
    assert done.exit_code == 0
    assert factory.bodies == [{"release": "9.6.2025112113", "reason": "9.8 is broken"}]
    assert "take 9.6.2025112113" in done.stdout
    assert factory.asked[-1][:2] == ("POST", "/api/sources/redhat%3Arhel%3A9-lvm-gen2%3Awesteurope/accept")


def test_accept_needs_a_release_and_a_reason(run: Run, factory: FakeFactory) -> None:
    done = run("sources", "accept", SOURCE)
    assert done.exit_code == 2
    assert "imagefactory sources" in done.stderr
    done = run("sources", "accept", SOURCE, "--release", "9.6.2025112113", "--reason", " ")
    assert (done.exit_code, "--reason is missing" in done.stderr) == (2, True)
    assert factory.asked == []


def test_hostile_texts_move_no_terminal(run: Run, factory: FakeFactory) -> None:
    attack = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\u202e"
    silence = {"since": SINCE, "why": attack}
    factory.shown["/api/sources"] = {"sources": [_source(silence=silence, images=[attack])]}
    assert not set(run("sources").stdout) & {"\x1b", "\x07", "\u202e"}
