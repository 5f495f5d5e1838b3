"""Rounds over the fleet: a slice goes on where the last one ended, and a round begins when it is due."""

from datetime import UTC, datetime, timedelta

from pipeline_core.domain import rounds
from pipeline_core.domain.rounds import Round

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_first_slice_begins_a_round() -> None:
    assert rounds.resume(None, NOW, DAY) == Round(began_at=NOW)


def test_a_slice_goes_on_where_the_last_one_ended_however_late() -> None:
    half = rounds.advance(Round(began_at=NOW - 3 * DAY), "m", is_over=False)
    assert rounds.resume(half, NOW, DAY) == Round(began_at=NOW - 3 * DAY, after="m")


def test_the_next_round_begins_when_it_is_due_and_not_before() -> None:
    over = rounds.advance(Round(began_at=NOW - DAY), "z", is_over=True)
    assert rounds.resume(over, NOW - timedelta(seconds=1), DAY) is None
    assert rounds.resume(over, NOW, DAY) == Round(began_at=NOW)
