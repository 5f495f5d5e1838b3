"""The counts of one day: another day begins at zero, and each count knows its limit."""

from datetime import UTC, date, datetime

import pytest

from pipeline_core.domain.day_use import DayCount, DayUse, end_of_day, of_today
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.team_limits import DEFAULTS, PerTeamLimits, PolicyLimits

LATE = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
TODAY = DayUse(day=date(2026, 12, 31), requests=3, bundles=5)


@pytest.mark.parametrize(
    ("stored", "use"),
    [
        (None, DayUse(day=date(2026, 12, 31))),
        (TODAY, TODAY),
        (DayUse(day=date(2026, 12, 30), requests=9), DayUse(day=date(2026, 12, 31))),
        (DayUse(day=date(2027, 1, 1), requests=9), DayUse(day=date(2026, 12, 31))),  # another clock
    ],
)
def test_the_counts_are_those_of_today(stored: DayUse | None, use: DayUse) -> None:
    assert of_today(stored, LATE) == use
    assert end_of_day(LATE) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("what", "count", "after", "limit", "deed"),
    [
        (DayCount.REQUESTS, 3, DayUse(day=TODAY.day, requests=4, bundles=5), 7, "asked for 3 builds"),
        (DayCount.BUNDLES, 5, DayUse(day=TODAY.day, requests=3, bundles=6), 8, "stored 5 bundles"),
    ],
)
def test_each_count_has_its_limit_and_its_words(
    what: DayCount, count: int, after: DayUse, limit: int, deed: str
) -> None:
    limits = PerTeamLimits(requests_per_day=7, bundles_per_day=8)
    assert (TODAY.count(what), TODAY.after(what), limits.a_day(what)) == (count, after, limit)
    assert what.deed.format(count) == deed


def test_a_team_without_limits_of_its_own_has_those_of_all() -> None:
    mine = PerTeamLimits(images=1)
    limits = PolicyLimits(teams={TeamName("payments"): mine})
    assert limits.of(TeamName("payments")) == mine
    assert limits.of(TeamName("data")) == DEFAULTS.general == PerTeamLimits()


def test_sizes_are_compared_without_case_and_none_means_any() -> None:
    assert PerTeamLimits().allow_size("Standard_M416ms_v2")
    some = PerTeamLimits(machine_sizes=frozenset({"standard_b2s"}))
    assert some.allow_size("Standard_B2S")
    assert not some.allow_size("Standard_B2ms")
