"""The choice of builds: within every limit, in order, and nobody waits for ever."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.domain import dispatch
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.capacity import LATE_EVERY, Capacity, RunLimits, TeamSlots
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.ports import NewContainerGroup
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW, TEAM

TEAMS = ("ml", "pay", "payments")


def _build(number: int) -> BuildId:
    return BuildId(f"image-{number}.aaaaaaaaaaaa.1")


def _row(number: int, lane: Lane = Lane.HUMAN, chain: int = 0, team: str = "ml") -> PendingBuild:
    key = dispatch.priority_key(lane, chain, NOW + timedelta(seconds=number), _build(number))
    return PendingBuild(key=key, build=_build(number), team=TeamName(team))


def _late(row: PendingBuild, number: int) -> PendingBuild:
    return replace(row, key=dispatch.late_key(NOW + timedelta(seconds=number), row.build))


def _free(slots: int, *, starts: int = 0, creates: int = 1000, **used: int) -> Capacity:
    return Capacity(
        free_slots=tuple(range(slots)),
        by_team={TeamName(team): count for team, count in used.items()},
        creates_left=creates,
        starts=starts,
    )


rows = some.lists(
    some.tuples(
        some.sampled_from(list(Lane)), some.integers(0, 2_000_000), some.sampled_from(TEAMS), some.booleans()
    ),
    max_size=15,
)


@settings(deadline=None)
@given(
    waiting=rows,
    slots=some.integers(0, 8),
    creates=some.integers(-2, 8),
    starts=some.integers(0, 30),
    limit=some.integers(0, 4),
    used=some.dictionaries(some.sampled_from(TEAMS), some.integers(0, 5)),
)
def test_a_choice_stays_within_slots_budget_and_teams_and_leaves_nobody_out_who_could_start(
    waiting: list[tuple[Lane, int, str, bool]],
    slots: int,
    creates: int,
    starts: int,
    limit: int,
    used: dict[str, int],
) -> None:
    line = [_row(number, lane, chain, team) for number, (lane, chain, team, _) in enumerate(waiting)]
    late = [_late(row, number) for number, row in enumerate(line) if waiting[number][3]]
    capacity = _free(slots, creates=creates, starts=starts, **used)
    chosen = dispatch.choose(line, capacity, limit, late=late).starts
    by_team = Counter({TeamName(team): count for team, count in used.items()})
    assert len(chosen) <= min(slots, max(0, creates))
    assert len({row.build for row, _ in chosen}) == len(chosen)
    assert [slot for _, slot in chosen] == list(range(len(chosen)))
    left = sorted(line, key=lambda row: row.key)
    for number, (row, _) in enumerate(chosen, start=starts + 1):
        able = [each for each in left if by_team[each.team] < limit]
        overdue = sorted(each.key for each in late if each.build in {one.build for one in able})
        if number % LATE_EVERY == 0 and overdue:
            assert row.key == overdue[0]
        else:
            assert row.build == able[0].build
        by_team[row.team] += 1
        left = [each for each in left if each.build != row.build]
    if len(chosen) < capacity.can_start:
        assert not [each for each in left if by_team[each.team] < limit]


@pytest.mark.parametrize(
    ("team", "settings_limit", "slots"),
    [("ml", 10, 2), ("ml", 1, 1), ("pay", 10, 5), ("pay", 3, 3), ("payments", 10, 10)],
)
def test_the_policy_takes_slots_from_a_team_and_never_gives_more_than_the_settings(
    team: str, settings_limit: int, slots: int
) -> None:
    limits = TeamSlots(
        general=RunLimits(builds=5),
        teams={TeamName("ml"): RunLimits(builds=2), TeamName("payments"): RunLimits()},
    )
    assert limits.within(TeamName(team), settings_limit) == slots


@pytest.mark.parametrize(
    ("limits", "has"),
    [
        (TeamSlots(), False),
        (TeamSlots(teams={TeamName("ml"): RunLimits()}), False),
        (TeamSlots(teams={TeamName("ml"): RunLimits(builds=1)}), True),
        (TeamSlots(teams={TeamName("ml"): RunLimits(cores=1)}), True),
        (TeamSlots(general=RunLimits(builds_per_day=0)), True),
        (TeamSlots(general=RunLimits(builds=1)), True),
    ],
)
def test_it_is_known_whether_the_policy_limits_any_team(limits: TeamSlots, has: bool) -> None:
    assert limits.has_limits is has


@settings(deadline=None)
@given(
    waiting=rows,
    slots=some.integers(0, 8),
    starts=some.integers(0, 30),
    used=some.dictionaries(some.sampled_from(TEAMS), some.integers(0, 5)),
    own=some.dictionaries(some.sampled_from(TEAMS), some.integers(1, 4)),
)
def test_a_team_over_its_limit_never_delays_another_team(
    waiting: list[tuple[Lane, int, str, bool]],
    slots: int,
    starts: int,
    used: dict[str, int],
    own: dict[str, int],
) -> None:
    """Whatever a team has in the lines that it may not start, the others start as if it were not there."""
    line = [_row(number, lane, chain, team) for number, (lane, chain, team, _) in enumerate(waiting)]
    late = [_late(row, number) for number, row in enumerate(line) if waiting[number][3]]
    limits = TeamSlots(teams={TeamName(team): RunLimits(builds=most) for team, most in own.items()})
    capacity = replace(_free(slots, starts=starts, **used), team_slots=limits)
    chosen = dispatch.choose(line, capacity, 4, late=late).starts
    full = {team for team in map(TeamName, TEAMS) if capacity.is_full(team, 4)}
    assert all(capacity.room_of(team, 4) == 0 for team in full)
    others = [row for row in line if row.team not in full]
    assert (
        chosen
        == dispatch.choose(others, capacity, 4, late=[row for row in late if row.team not in full]).starts
    )
    running = Counter({TeamName(team): count for team, count in used.items()})
    for row, _ in chosen:
        running[row.team] += 1
        assert running[row.team] <= min(4, own.get(str(row.team), 4))


@settings(deadline=None, max_examples=60)
@given(
    older=some.integers(0, 6),
    slots=some.lists(some.integers(1, 7), min_size=60, max_size=60),
    starts=some.integers(0, 9),
    lanes=some.lists(some.sampled_from([Lane.SECURITY, Lane.HUMAN]), min_size=10, max_size=10),
)
def test_a_background_build_starts_after_a_stated_number_of_others(
    older: int, slots: list[int], starts: int, lanes: list[Lane]
) -> None:
    """However many urgent builds keep coming: the bound is LATE_EVERY times its place among the late ones."""
    waiting = {number: _row(number, Lane.BACKGROUND) for number in range(older + 1)}
    late = {number: _late(row, number) for number, row in waiting.items()}
    begun = starts
    number = 100
    for free in slots:
        for _ in range(free + 1):  # there is always one more that is more urgent
            waiting[number] = _row(number, lanes[number % len(lanes)], chain=number)
            number += 1
        capacity = _free(free, starts=begun)
        # What the dispatcher reads: of each line as many rows as it can start.
        line = sorted(waiting.values(), key=lambda row: row.rank)[: capacity.can_start]
        overdue = sorted(late.values(), key=lambda row: row.rank)[: capacity.late_turns]
        for row, _ in dispatch.choose(line, capacity, 1000, late=overdue).starts:
            begun += 1
            place = int(str(row.build).split(".", maxsplit=1)[0].removeprefix("image-"))
            del waiting[place]
            late.pop(place, None)
            if place == older:
                assert begun - starts <= LATE_EVERY * (older + 1)
                return
    raise AssertionError(f"not started after {begun - starts} others")


def test_the_keys_of_all_lines_sort_apart_and_by_rank() -> None:
    security = _row(1, Lane.SECURITY, chain=10)
    longer = _row(2, Lane.SECURITY, chain=11)
    endless = _row(3, Lane.SECURITY, chain=10**9)
    background = _row(4, Lane.BACKGROUND, chain=10**9)
    late = _late(_row(0), 0)
    order = [endless.key, longer.key, security.key, background.key, late.key, endless.parked().key]
    assert order == sorted(order)
    assert late.key.startswith(dispatch.LATE)
    assert late.key < dispatch.PARKED < security.parked().key


def test_a_parked_build_keeps_its_rank_and_is_parked_once() -> None:
    row = _row(1, Lane.SECURITY)
    assert row.parked().key == f"team:ml:{row.key}"
    assert row.parked().rank == row.rank == row.key
    assert row.parked().parked() == row.parked()
    assert _late(row, 1).parked().rank == _late(row, 1).key


def test_a_build_is_late_after_an_hour_of_waiting() -> None:
    build = make.build(Phase.PENDING)
    early = dispatch.row_of(build, NOW + dispatch.LATE_AFTER - timedelta(seconds=1))
    late = dispatch.row_of(build, NOW + dispatch.LATE_AFTER)
    assert early == PendingBuild(
        key=build.priority,
        build=build.id,
        team=TEAM,
        campaign=build.campaign,
        cores=build.cores,
        lane=build.lane,
    )
    assert late == replace(early, key=dispatch.late_key(NOW, build.id))


def test_the_turn_of_a_late_build_counts_all_starts_so_far() -> None:
    line = [_row(number) for number in range(3)]
    late = [_late(_row(9), 9)]
    for starts, place in ((4, 0), (3, 1), (2, 2), (1, None)):
        chosen = dispatch.choose(line, _free(3, starts=starts), 10, late=late).starts
        found = [number for number, (row, _) in enumerate(chosen) if row.build == _build(9)]
        assert found == ([] if place is None else [place])
        assert _free(3, starts=starts).late_turns == len(found)


@pytest.mark.parametrize(
    ("creates", "used", "room"),
    [(10, 0, 3), (10, 1, 2), (10, 3, 0), (10, 9, 0), (1, 0, 1), (0, 0, 0), (-1, 0, 0)],
)
def test_the_room_of_a_team_is_what_slots_budget_and_its_limit_leave(
    creates: int, used: int, room: int
) -> None:
    assert _free(8, creates=creates, ml=used).room_of(TeamName("ml"), 3) == room


@pytest.mark.parametrize(
    ("wanted", "groups", "cores", "slots"),
    [(20, 100, 100, 20), (100, 100, 100, 50), (100, 300, 100, 50), (100, 60, 1000, 30), (5, 2, 2, 1)],
)
def test_slots_never_pass_the_quota_although_one_build_may_have_two_groups(
    wanted: int, groups: int, cores: int, slots: int
) -> None:
    assert dispatch.slots_within(wanted, groups=groups, cores=cores) == slots


def test_the_cores_of_a_group_are_those_it_asks_for() -> None:
    assert NewContainerGroup(name="n", environment={}, tags={}).cpu == dispatch.CORES_PER_GROUP


def test_a_row_says_since_when_its_build_waits_whatever_line_it_is_in() -> None:
    row = _row(1)
    late = _late(row, 1)
    since = [each.since for each in (row, late, row.parked(), late.parked())]
    assert since == [NOW.replace(microsecond=0) + timedelta(seconds=1)] * 4
    assert [each.is_late for each in (row, late, row.parked(), late.parked())] == [False, True, False, True]
    assert replace(row, key="x").since is None


def test_a_team_that_holds_no_slot_has_room_for_its_whole_limit() -> None:
    assert _free(8).room_of(TeamName("ml"), 3) == 3
    assert _free(8, pay=3).room_of(TeamName("ml"), 3) == 3


def test_the_documented_hour_is_what_makes_a_build_late() -> None:
    assert timedelta(hours=1) == dispatch.LATE_AFTER


@pytest.mark.parametrize(
    ("starts", "slots", "turns"),
    [
        (0, LATE_EVERY - 1, 0),
        (0, LATE_EVERY, 1),
        (LATE_EVERY - 1, 1, 1),
        (LATE_EVERY, LATE_EVERY - 1, 0),
        (2 * LATE_EVERY - 1, LATE_EVERY + 1, 2),
    ],
)
def test_each_so_many_th_start_is_a_turn_of_the_late(starts: int, slots: int, turns: int) -> None:
    assert _free(slots, starts=starts).late_turns == turns


def test_a_capacity_counts_its_starts_from_zero() -> None:
    assert Capacity(free_slots=(1,), by_team={}, creates_left=1).starts == 0
