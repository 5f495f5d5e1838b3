"""Timers: the decisions as a truth table with a given clock, then two timers in the real host."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from local.host.timers import timers
from local.host.timers.ncrontab import parse_schedule
from local.host.timers.timers import TimerStatus

HOURLY = parse_schedule("0 0 * * * *")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def ran_at(last: datetime) -> TimerStatus:
    return TimerStatus(last=last, next=HOURLY.next_after(last), updated=last)


START = [
    # name, stored status, now, next due, past due
    ("never seen", None, NOON + MINUTE, NOON + HOUR, False),
    ("on time", ran_at(NOON), NOON + MINUTE, NOON + HOUR, False),
    ("due at this moment", ran_at(NOON), NOON + HOUR, NOON + HOUR, False),
    ("one missed", ran_at(NOON), NOON + HOUR + MINUTE, NOON + HOUR, True),
    ("many missed count once", ran_at(NOON), NOON + 9 * HOUR, NOON + HOUR, True),
    (
        "never ran, and its first was missed",
        TimerStatus(last=None, next=NOON + HOUR, updated=NOON + MINUTE),
        NOON + HOUR + MINUTE,
        NOON + HOUR,
        True,
    ),
    (
        "schedule changed, next in the past",
        TimerStatus(last=NOON, next=NOON + 5 * MINUTE, updated=NOON),
        NOON + 2 * HOUR + MINUTE,
        NOON + 3 * HOUR,
        False,
    ),
    (
        "schedule changed, next to come",
        TimerStatus(last=NOON, next=NOON + 5 * MINUTE, updated=NOON),
        NOON + 10 * MINUTE,
        NOON + HOUR,
        False,
    ),
]


@pytest.mark.parametrize(
    ("stored", "now", "due", "past_due"), [case[1:] for case in START], ids=[c[0] for c in START]
)
def test_status_at_start(stored: TimerStatus | None, now: datetime, due: datetime, past_due: bool) -> None:
    status = timers.status_at_start(HOURLY, stored, now)
    assert (status.next, status.next < now) == (due, past_due)


def test_a_status_that_the_host_wrote_after_a_run_is_not_a_changed_schedule() -> None:
    status = timers.status_after_run(HOURLY, ran_at(NOON), NOON + HOUR + 3 * MINUTE, on_schedule=False)
    assert timers.status_at_start(HOURLY, status, NOON + HOUR + 4 * MINUTE) == status


def test_waking_a_moment_early_does_not_give_the_same_time_twice() -> None:
    early = NOON + HOUR - timedelta(milliseconds=5)
    status = timers.status_after_run(HOURLY, ran_at(NOON), early, on_schedule=True)
    assert status.next == NOON + 2 * HOUR


def test_a_long_run_makes_the_next_due_at_once_and_only_once() -> None:
    begun = NOON + HOUR
    status = timers.status_after_run(HOURLY, ran_at(NOON), begun, on_schedule=True)
    ended = begun + 3 * HOUR + MINUTE
    assert status.next < ended
    assert timers.status_after_run(HOURLY, status, ended, on_schedule=True).next == NOON + 5 * HOUR


def test_a_status_survives_its_file() -> None:
    for status in (ran_at(NOON), timers.first_status(HOURLY, NOON)):
        assert timers.status_from_text(timers.status_to_text(status)) == status


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Last": null, "Next": "soon", "LastUpdated": "x"}'])
def test_a_broken_status_file_is_said_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        timers.status_from_text(text)


def test_a_timer_fires_again_and_again_and_never_twice_at_once(start_host: Callable[..., Any]) -> None:
    host = start_host(TICK="* * * * * *", TICK_SECONDS="1.3")
    host.wait_for(lambda: len(host.records("tick", step="end")) >= 3)
    steps = [record["step"] for record in host.records("tick")]
    assert steps[:6] == ["begin", "end"] * 3
    assert not any(record["past_due"] for record in host.records("tick"))


def test_a_missed_run_is_made_up_once_at_the_start(start_host: Callable[..., Any], tmp_path: Path) -> None:
    status_file = tmp_path / "timers" / "tick.json"
    status_file.parent.mkdir()
    schedule = parse_schedule("0 0 0 1 1 *")
    years_ago = datetime(2020, 5, 5, tzinfo=UTC)
    status_file.write_text(timers.status_to_text(timers.first_status(schedule, years_ago)), "utf-8")
    host = start_host()
    host.wait_for(lambda: host.records("tick", step="end"))
    assert host.records("tick", step="begin")[0]["past_due"] is True
    host.wait_for(lambda: timers.status_from_text(status_file.read_text("utf-8")).next > datetime.now(UTC))
    host.running.stop()
    again = start_host()
    again.running.stop()
    assert len(again.records("tick", step="begin")) == 1


def test_the_admin_api_runs_a_timer_at_once(start_host: Callable[..., Any], http: requests.Session) -> None:
    host = start_host()
    answer = http.post(f"{host.url}/admin/functions/tick", json={"input": ""}, timeout=5)
    assert answer.status_code == 202
    host.wait_for(lambda: host.records("tick", step="end"))
    assert host.records("tick", step="begin")[0]["past_due"] is False
    assert http.post(f"{host.url}/admin/functions/work", json={}, timeout=5).status_code == 400
    assert http.post(f"{host.url}/admin/functions/nothing", json={}, timeout=5).status_code == 404


def test_runs_asked_for_together_come_one_after_the_other(
    start_host: Callable[..., Any], http: requests.Session
) -> None:
    host = start_host(TICK_SECONDS="0.4")
    for _ in range(3):
        http.post(f"{host.url}/admin/functions/tick", json={}, timeout=5)
    host.wait_for(lambda: len(host.records("tick", step="end")) == 3)
    assert [record["step"] for record in host.records("tick")] == ["begin", "end"] * 3
