"""How many changes a caller may make: a minute's worth at once, then steadily; nobody waits more than a minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.change_rates import ChangeRate, after_change

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NONE = timedelta(0)


def _used(seconds: float) -> ChangeRate:
    return ChangeRate(used_until=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("before", "per_minute", "after", "wait"),
    [
        (None, 60, _used(1), NONE),
        (None, 1, _used(60), NONE),
        (_used(-3600), 60, _used(1), NONE),
        (_used(10), 60, _used(11), NONE),
        (_used(59), 60, _used(60), NONE),
        (_used(59.5), 60, _used(59.5), SECOND / 2),
        (_used(60), 60, _used(60), SECOND),
        (_used(60), 1, _used(60), 60 * SECOND),
        (_used(90), 60, _used(60), SECOND),  # the clock was ahead, or the limit was lower
    ],
)
def test_a_change_moves_the_moment_on_by_its_share_of_a_minute(
    before: ChangeRate | None, per_minute: int, after: ChangeRate, wait: timedelta
) -> None:
    assert after_change(before, NOW, per_minute) == (after, wait)


@given(
    per_minute=st.integers(1, 300),
    gaps=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=400),
)
def test_no_minute_has_more_than_twice_the_limit_and_who_keeps_to_it_is_never_refused(
    per_minute: int, gaps: list[float]
) -> None:
    rate: ChangeRate | None = None
    now, made = NOW, list[datetime]()
    for gap in gaps:
        now += timedelta(seconds=gap)
        asked, rate_before = now, rate
        rate, wait = after_change(rate, now, per_minute)
        assert NONE <= wait <= 60 * SECOND
        if not wait:
            made.append(asked)
        else:  # one who waits as told is let through
            assert after_change(rate_before, now + wait, per_minute)[1] == NONE
        recent = [each for each in made if each > now - 60 * SECOND]
        assert len(recent) <= 2 * per_minute
    assert len(made) >= min(per_minute, len(gaps))
