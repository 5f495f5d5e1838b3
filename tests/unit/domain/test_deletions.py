"""When a deletion is asked for again."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain import deletions

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOOK = timedelta(seconds=30)


def _ago(*minutes: float) -> list[datetime]:
    return [NOW - timedelta(minutes=each) for each in minutes]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        pytest.param((), True, id="nobody has asked"),
        pytest.param((0,), False, id="asked just now"),
        pytest.param((5,), False, id="five minutes are not over"),
        pytest.param((5.1,), True, id="still there after five minutes"),
        pytest.param((15, 9), False, id="the second wait is ten minutes"),
        pytest.param((9, 15), False, id="in any order"),
        pytest.param((20, 10.1), True, id="the second wait is over"),
        pytest.param((300, 200, 100, 90, 80, 59), False, id="an hour at most"),
        pytest.param(tuple(range(61, 2000, 60)), True, id="an hour, however often"),
    ],
)
def test_a_deletion_is_asked_for_once_and_again_after_a_long_wait(
    asked: tuple[float, ...], wanted: bool
) -> None:
    assert deletions.is_due(_ago(*asked), NOW, LOOK) is wanted


def test_a_group_that_stays_for_a_day_is_asked_for_about_once_an_hour() -> None:
    asked: list[datetime] = []
    for minute in range(24 * 60):
        now = NOW + timedelta(minutes=minute)
        if deletions.is_due(asked, now, LOOK):
            asked.append(now)
    assert len(asked) in range(24, 30)


def test_where_builds_look_every_second_a_lost_request_costs_ten() -> None:
    """As in the main job on one machine: a host that was killed between its note and its request."""
    asked = [NOW - timedelta(seconds=10)]
    assert not deletions.is_due(asked, NOW, timedelta(seconds=1))
    assert deletions.is_due(asked, NOW + timedelta(seconds=1), timedelta(seconds=1))


def test_where_builds_look_seldom_a_lost_request_costs_no_more() -> None:
    asked = [NOW - timedelta(minutes=5)]
    assert not deletions.is_due(asked, NOW, timedelta(minutes=2))
    assert deletions.is_due(asked, NOW + timedelta(seconds=1), timedelta(minutes=2))
