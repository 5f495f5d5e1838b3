"""What waits too long behind others is named: a world is broken by hand, or a rule is taken away."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import lanes
from pipeline_core.ports import WebAnswer, WriteKind
from pipeline_core.wire import messages, resent
from simulation.chapters.waits.fixes import LastingEdits
from simulation.chapters.waits.late import LateBuilds
from simulation.chapters.waits.tables_down import TablesDown
from simulation.chapters.webhooks import SickReceivers
from simulation.world import SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import JAVA, find, write

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

WELL = "https://well-0.factory.corp/"
HOUR = timedelta(hours=1)


def _write_build(made: SimulatedWorld, number: int, phase: str) -> None:
    """The row of a further build of the child, whose image waits since now where it is new."""
    row = find(made, "images", str(JAVA), "build:")
    value = json.loads(str(row.cells["value"]))
    name = f"{value['id']['value'].rpartition('.')[0]}.{number}"
    since = f"{made.ports.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    changed = {"id": {"value": name}, "phase": phase, "result": None, "waits_since": since}
    is_new = name not in made.safety.builds
    text = json.dumps({**value, **changed})
    known = row if is_new else find(made, "images", str(JAVA), f"build:{name}")
    verb = WriteKind.INSERT if is_new else WriteKind.REPLACE
    write(made, "images", replace(known, key=f"build:{name}", cells={**row.cells, "value": text}), verb=verb)


def _overtake(made: SimulatedWorld, waits: timedelta, count: int) -> list[str]:
    """One build waits for so long, then so many others begin. Returns what is said against it."""
    _write_build(made, 50, "pending")
    made.ports.clock.advance(waits)
    for number in range(60, 60 + count):
        _write_build(made, number, "pending")
        _write_build(made, number, "building")
    return [line for line in made.findings if line.startswith("(43)")]


@pytest.mark.parametrize(
    ("waits", "count", "is_named"),
    [(2 * HOUR, 6, True), (2 * HOUR, 5, False), (HOUR, 20, False)],
    ids=["one too many", "as many as may", "not late yet"],
)
def test_a_late_build_that_is_overtaken_again_and_again_is_named(
    waits: timedelta, count: int, is_named: bool
) -> None:
    made, _ = broken.told(LateBuilds, seed=1)
    found = _overtake(made, waits, count)
    assert bool(found) is is_named
    assert all("is overtaken by more than 5 builds, although its team has room" in line for line in found)


def test_a_late_build_whose_team_has_no_room_may_be_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = broken.told(LateBuilds, seed=1)
    monkeypatch.setattr(made.base.records.capacity, "_team_slots", 0)
    assert _overtake(made, 2 * HOUR, 20) == []


@pytest.mark.parametrize("is_missing", [False, True])
def test_a_fix_that_waits_behind_lasting_edits_is_named(
    is_missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, chapter = broken.told(LastingEdits, seed=1)
    if is_missing:
        monkeypatch.setattr(lanes, "is_overdue", lambda *given: False)
    chapter._try_things()
    said = "(41) rhel9-java waits for an ancestor, and the fix in rhel9-base@"
    assert [line.startswith(said) for line in made.findings] == [True] * is_missing


@pytest.mark.parametrize(("again", "is_named"), [(3, False), (4, True)])
def test_a_receiver_that_is_sent_an_event_while_it_asks_to_wait_is_named(again: int, is_named: bool) -> None:
    made, chapter = broken.told(SickReceivers, seed=1)
    made.ports.web.answers[WELL] = WebAnswer(status=429, body=b"", retry_after=HOUR)
    event = {"id": "rhel9-base.entry", "subject": "rhel9-base", "data": {"entry": "entry"}}
    for _ in range(1 + again):
        chapter.watch("web.post", (WELL, json.dumps(event)), {})
        made.ports.clock.advance(timedelta(minutes=5))
    said = f"(44) {WELL} was sent rhel9-base.entry again and again before 21 "
    assert [line.startswith(said) for line in made.findings] == [True] * is_named


def test_an_event_is_sent_again_when_the_wait_of_its_receiver_is_over() -> None:
    made, chapter = broken.told(SickReceivers, seed=1)
    made.ports.web.answers[WELL] = WebAnswer(status=429, body=b"", retry_after=HOUR)
    event = {"id": "rhel9-base.entry", "subject": "rhel9-base", "data": {"entry": "entry"}}
    for _ in range(8):
        chapter.watch("web.post", (WELL, json.dumps(event)), {})
        made.ports.clock.advance(HOUR)
    assert made.findings == []


@pytest.mark.parametrize(
    ("copies", "sent", "is_named"),
    [(1, 12, False), (1, 13, True), (3, 36, False), (3, 37, True)],
    ids=["one copy", "one copy too often", "three copies", "three copies too often"],
)
def test_a_message_that_is_sent_again_and_again_while_the_tables_fail_is_named(
    copies: int, sent: int, is_named: bool
) -> None:
    made, chapter = broken.told(TablesDown, seed=1)
    chapter._fail()
    text = messages.DispatchMessage(reason="swept").to_wire()
    for _ in range(copies + 1):
        made.ports.queues.send(messages.DISPATCH_REQUESTS, text)  # one of them is being handled
    for _ in range(sent):
        text, _ = resent.counted(text)
        chapter.watch("queues.send", (messages.DISPATCH_REQUESTS, text), {})
    found = [line for line in made.findings if line.startswith("(46)")]
    assert len(found) == is_named
    assert all(
        "was sent to dispatch-requests again and again while the tables failed" in line for line in found
    )


def test_what_is_sent_again_when_the_tables_are_well_is_not_counted() -> None:
    made, chapter = broken.told(TablesDown, seed=1)
    chapter._fail()
    chapter.end()
    for _ in range(40):
        chapter.watch("queues.send", (messages.DISPATCH_REQUESTS, "{}"), {})
    assert made.findings == []
