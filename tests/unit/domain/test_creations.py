"""Creations: no hour and no five minutes ever sees more than allowed, and what is used up comes back."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.domain import creations, pauses
from pipeline_core.domain.creations import Budget, Spent
from tests.unit.domain.factories import NOW

HOUR, BURST = timedelta(hours=1), timedelta(minutes=5)


def _most(made: list[datetime], span: timedelta) -> int:
    return max((sum(1 for each in made if first <= each < first + span) for first in made), default=0)


@settings(deadline=None, max_examples=60)
@given(
    steps=some.lists(some.integers(0, 600), max_size=80),
    per_hour=some.integers(1, 9),
    per_burst=some.integers(1, 9),
)
def test_no_hour_and_no_five_minutes_see_more_than_allowed(
    steps: list[int], per_hour: int, per_burst: int
) -> None:
    budget = Budget(per_hour=per_hour, per_burst=per_burst)
    spent, now, made = Spent(), NOW, list[datetime]()
    for seconds in steps:
        now += timedelta(seconds=seconds)
        while creations.left(spent, budget, now):
            spent = creations.spend(spent, now)
            made.append(now)
    assert _most(made, HOUR) <= per_hour
    assert _most(made, BURST) <= per_burst
    assert len(spent.minutes) <= 90


@settings(deadline=None, max_examples=60)
@given(
    steps=some.lists(some.integers(0, 400), min_size=1, max_size=60),
    per_hour=some.integers(1, 9),
    per_burst=some.integers(1, 4),
)
def test_a_wait_is_as_long_as_it_takes_and_no_longer(steps: list[int], per_hour: int, per_burst: int) -> None:
    budget = Budget(per_hour=per_hour, per_burst=per_burst)
    spent, now = Spent(), NOW
    for seconds in steps:
        now += timedelta(seconds=seconds)
        wait = creations.wait(spent, budget, now)
        assert bool(wait) is (creations.left(spent, budget, now) == 0)
        if wait:
            assert wait <= HOUR + timedelta(minutes=1)
            assert not creations.left(spent, budget, now + wait - timedelta(seconds=1))
            assert creations.left(spent, budget, now + wait)
        else:
            spent = creations.spend(spent, now)


def test_creations_come_back_after_an_hour_and_leave_nothing_behind() -> None:
    budget = Budget(per_hour=2, per_burst=2)
    spent = creations.spend(creations.spend(Spent(), NOW, is_start=True), NOW)
    assert (creations.left(spent, budget, NOW), spent.starts) == (0, 1)
    assert creations.left(spent, budget, NOW + HOUR) == 0
    later = NOW + HOUR + timedelta(minutes=1)
    assert creations.left(spent, budget, later) == 2
    assert len(creations.spend(spent, later + HOUR).minutes) == 1


def test_a_clock_that_is_behind_counts_what_others_have_created_already() -> None:
    budget = Budget(per_hour=1, per_burst=1)
    spent = creations.spend(Spent(), NOW + timedelta(minutes=3))
    assert creations.left(spent, budget, NOW) == 0
    assert creations.wait(spent, budget, NOW) > HOUR


def test_a_limit_that_was_lowered_leaves_nothing_until_enough_is_over() -> None:
    spent = Spent(minutes=((_minute(NOW), 9), (_minute(NOW) + 10, 1)))
    now = NOW + timedelta(minutes=20)
    assert creations.left(spent, Budget(per_hour=2, per_burst=2), now) == 0
    assert creations.wait(spent, Budget(per_hour=2, per_burst=2), now) == timedelta(minutes=41)


@pytest.mark.parametrize(
    ("before", "length", "paused"),
    [
        (None, 5, 5),
        (None, 600, 60),
        (4, 10, 10),
        (10, 5, 10),
        (5, 5, 5),
        (-5, 5, 5),
    ],
    ids=["first", "an hour at most", "longer", "shorter", "again", "after another"],
)
def test_a_pause_lets_nothing_be_created_until_it_is_over(
    before: int | None, length: int, paused: int
) -> None:
    budget = Budget(per_hour=10, per_burst=10)
    old = None if before is None else NOW + timedelta(minutes=before)
    spent = creations.pause(Spent(paused_until=old), NOW, timedelta(minutes=length))
    over = timedelta(minutes=paused)
    assert creations.paused_for(spent, NOW) == over
    assert creations.left(spent, budget, NOW) == 0
    assert creations.wait(spent, budget, NOW) == over
    assert creations.left(spent, budget, NOW + over) == 10


def test_a_pause_that_ends_about_then_is_not_written_again() -> None:
    spent = creations.pause(Spent(), NOW, timedelta(minutes=5))
    assert creations.pause(spent, NOW + timedelta(seconds=20), timedelta(minutes=5)) is spent


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def test_while_secops_pause_the_factory_nothing_is_created() -> None:
    spent = Spent(is_halted=True)
    assert creations.left(spent, Budget(per_hour=10, per_burst=10), NOW) == 0
    assert creations.paused_for(spent, NOW) == pauses.UNTIL_RESUMED
