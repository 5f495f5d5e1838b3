"""Cores and builds of a day of a team: what may start, what it waits for, and that no build waits for ever."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.domain import dispatch
from pipeline_core.domain.capacity import LATE_EVERY, Admitted, Capacity, CoreHold, RunLimits, TeamSlots
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.machine_sizes import ASSUMED_CORES
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.team_limits import PerTeamLimits
from tests.unit.domain.factories import NOW

ML, PAY = TeamName("ml"), TeamName("pay")
SLOTS = 100  # of a team, by the settings
SECURITY, HUMAN, BACKGROUND = Lane.SECURITY, Lane.HUMAN, Lane.BACKGROUND


def _row(number: int, cores: int | None = 2, lane: Lane = HUMAN, team: TeamName = ML) -> PendingBuild:
    build = BuildId(f"image-{number}.aaaaaaaaaaaa.1")
    key = dispatch.priority_key(lane, 0, NOW + timedelta(seconds=number), build)
    return PendingBuild(key=key, build=build, team=team, cores=cores, lane=lane)


def _late(row: PendingBuild) -> PendingBuild:
    number = int(str(row.build.image).removeprefix("image-"))
    return replace(row, key=dispatch.late_key(NOW + timedelta(seconds=number), row.build))


def _capacity(
    limits: RunLimits, *, running: int = 0, cores: int = 0, begun: int = 0, free: int = 9, starts: int = 0
) -> Capacity:
    """What team `ml` uses, and its limits. No other team has any."""
    return Capacity(
        free_slots=tuple(range(free)),
        by_team={ML: running},
        creates_left=1000,
        starts=starts,
        team_slots=TeamSlots(revision=3, teams={ML: limits}),
        cores={ML: cores},
        begun={ML: begun},
    )


def _started(rows: list[PendingBuild], capacity: Capacity, *late: PendingBuild) -> list[int]:
    chosen = dispatch.choose(rows, capacity, SLOTS, late=late).starts
    return [int(str(row.build.image).removeprefix("image-")) for row, _ in chosen]


@pytest.mark.parametrize(
    ("running", "used", "limit", "needs", "fits"),
    [
        (3, 100, None, 64, True),  # no limit
        (1, 4, 8, 4, True),  # exactly
        (1, 4, 8, 5, False),  # one too many
        (0, 0, 8, 64, True),  # more than the limit, and nothing runs: else it would wait for ever
        (1, 64, 8, 1, False),  # while that build runs
    ],
)
def test_a_build_fits_within_the_cores_of_its_team_or_runs_alone(
    running: int, used: int, limit: int | None, needs: int, *, fits: bool
) -> None:
    assert _capacity(RunLimits(cores=limit), running=running, cores=used).fits(ML, needs) is fits


CORES, DAY = RunLimits(cores=8), RunLimits(builds_per_day=2)


@pytest.mark.parametrize(
    ("capacity", "hold", "admitted"),
    [
        (_capacity(RunLimits(), running=5, cores=99, begun=99), None, Admitted.ALL),
        (_capacity(RunLimits(builds=2), running=2), None, Admitted.NONE),
        (_capacity(CORES, running=1, cores=7), None, Admitted.ALL),
        (_capacity(CORES, running=1, cores=8), None, Admitted.NONE),  # not one core is left
        (_capacity(CORES, running=1, cores=6), CoreHold(cores=4, is_urgent=False), Admitted.SECURITY),
        (_capacity(CORES, running=1, cores=6), CoreHold(cores=4, is_urgent=True), Admitted.NONE),
        (
            _capacity(CORES, running=1, cores=4),
            CoreHold(cores=4, is_urgent=True),
            Admitted.ALL,
        ),  # it has room by now
        (_capacity(CORES, running=0, cores=0), CoreHold(cores=64, is_urgent=True), Admitted.ALL),
        (_capacity(DAY, begun=1), None, Admitted.ALL),
        (_capacity(DAY, begun=2), None, Admitted.SECURITY),
        (_capacity(RunLimits(builds_per_day=0)), None, Admitted.SECURITY),
        (_capacity(RunLimits(builds_per_day=0, builds=1), running=1), None, Admitted.NONE),
    ],
)
def test_what_a_team_may_start(capacity: Capacity, hold: CoreHold | None, admitted: Admitted) -> None:
    held = capacity if hold is None else replace(capacity, holds={ML: hold})
    assert held.admits(ML, SLOTS) is admitted
    assert (held.room_of(ML, SLOTS) == 0) is (admitted is Admitted.NONE)
    assert held.admits(PAY, SLOTS) is Admitted.ALL


@pytest.mark.parametrize(
    ("admitted", "urgent", "other"),
    [(Admitted.NONE, False, False), (Admitted.SECURITY, True, False), (Admitted.ALL, True, True)],
)
def test_what_is_admitted_takes_builds_by_their_lane(
    admitted: Admitted, *, urgent: bool, other: bool
) -> None:
    assert (admitted.takes(is_urgent=True), admitted.takes(is_urgent=False)) == (urgent, other)


def test_an_urgent_build_that_waits_is_not_forgotten_for_another_while_it_has_no_cores() -> None:
    urgent, other = CoreHold(cores=4, is_urgent=True), CoreHold(cores=8, is_urgent=False)
    held = _capacity(CORES, running=1, cores=6).holding(ML, urgent)
    assert held.holding(ML, other).holds == {ML: urgent}
    assert replace(held, cores={ML: 2}).holding(ML, other).holds == {ML: other}
    assert _capacity(CORES, running=1, cores=6).holding(ML, other).holding(ML, urgent).holds == {ML: urgent}


@pytest.mark.parametrize(
    ("late", "lane", "is_urgent"),
    [
        (False, None, True),  # the key says it
        (True, None, False),  # a row of an older release: the build has another one, by priority
        (True, SECURITY, True),
        (True, HUMAN, False),
        (False, SECURITY, True),
    ],
)
def test_a_row_says_whether_its_build_is_urgent(late: bool, lane: Lane | None, is_urgent: bool) -> None:
    row = replace(_row(1, lane=SECURITY if lane is None else lane), lane=lane)
    shown = _late(row) if late else row
    assert (shown.is_urgent, shown.parked().is_urgent) == (is_urgent, is_urgent)
    assert not replace(_row(1, lane=HUMAN), lane=None).is_urgent


def test_a_build_whose_cores_are_not_known_counts_as_a_stated_number() -> None:
    assert _row(1, cores=None).machine_cores == ASSUMED_CORES


CHOICES: dict[str, tuple[list[PendingBuild], Capacity, list[int]]] = {
    "as many as have cores": ([_row(n, 4) for n in range(5)], _capacity(CORES), [0, 1]),
    "a large one holds back those behind it": (
        [_row(0, 2), _row(1, 8), _row(2, 2)],
        _capacity(CORES, running=1, cores=2),
        [0],
    ),
    "an urgent one does not wait for it": (
        [_row(0, 2, SECURITY), _row(1, 8), _row(2, 2)],
        _capacity(CORES, running=1, cores=2),
        [0],
    ),
    "it waits for an urgent one": (
        [_row(0, 8, SECURITY), _row(1, 2, SECURITY), _row(2, 2)],
        _capacity(CORES, running=1, cores=2),
        [],
    ),
    "another team goes on": (
        [_row(0, 8), _row(1, 2), _row(2, 64, team=PAY)],
        _capacity(CORES, running=1, cores=2),
        [2],
    ),
    "more than the limit, alone": ([_row(0, 64), _row(1, 2)], _capacity(CORES), [0]),
    "not beside another": ([_row(0, 2), _row(1, 64)], _capacity(CORES), [0]),
    "the rest of the day": ([_row(n) for n in range(5)], _capacity(DAY, begun=1), [0]),
    "a day that is used up": ([_row(0), _row(1, 2, BACKGROUND)], _capacity(DAY, begun=7), []),
    "urgent ones count and go on": (
        [_row(0, 2, SECURITY), _row(1, 2, SECURITY), _row(2, 2, SECURITY), _row(3)],
        _capacity(DAY),
        [0, 1, 2],
    ),
    "no cores are known": ([_row(n, None) for n in range(9)], _capacity(CORES), [0, 1, 2, 3]),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_choice_within_a_team(case: str) -> None:
    rows, capacity, expected = CHOICES[case]
    assert _started(rows, capacity) == expected


def test_a_late_build_keeps_cores_from_younger_ones_also_where_it_is_not_its_turn() -> None:
    rows = [_row(0, 8, BACKGROUND), _row(1, 2), _row(2, 2, SECURITY)]
    capacity = _capacity(CORES, running=1, cores=4)
    assert _started(rows, capacity) == [2, 1]
    assert _started(rows, capacity, _late(rows[0])) == [2]
    assert _started(rows, replace(capacity, by_team={}, cores={}), _late(rows[0])) == [2, 1]


def test_the_builds_that_wait_for_cores_are_named() -> None:
    choice = dispatch.choose([_row(0, 8), _row(1, 2)], _capacity(CORES, running=1, cores=4), SLOTS)
    assert (choice.starts, choice.holds) == ((), {ML: CoreHold(cores=8, is_urgent=False)})


def test_why_a_build_waits_names_the_limit_its_value_and_the_use() -> None:
    day = _capacity(DAY, begun=2).why_waits(ML, 2, NOW, is_urgent=False)
    assert day is not None
    assert day.reason == "BuildsPerDay"
    assert day.message == (
        "team ml has begun 2 builds today, and the limit of team ml in policy 3 allows 2 (`limits.buildsPerDay`);"
        f" the day ends at {NOW + timedelta(days=1):%Y-%m-%d} 00:00 UTC"
    )
    assert _capacity(DAY, begun=2).why_waits(ML, 2, NOW, is_urgent=True) is None
    general = TeamSlots(revision=3, general=RunLimits(cores=8))
    cores = replace(_capacity(CORES, running=2, cores=6), team_slots=general).why_waits(
        ML, 4, NOW, is_urgent=True
    )
    assert cores is not None
    assert cores.reason == "Cores"
    assert cores.message == (
        "the builds of team ml use 6 cores, this one needs 4, and the limit in policy 3 allows 8 (`limits.cores`);"
        " it starts when enough of them have ended"
    )
    assert _capacity(CORES, running=2, cores=4).why_waits(ML, 4, NOW, is_urgent=False) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_row(1, None), None),
        (_row(1, 3), "Cores"),
        (_row(1, 2, SECURITY), None),
        (_row(1, 64, team=PAY), None),
    ],
)
def test_a_row_waits_for_the_limits_of_its_own_team_with_its_own_cores(
    row: PendingBuild, reason: str | None
) -> None:
    wait = dispatch.why_waits(row, _capacity(CORES, running=2, cores=6), NOW)
    assert (None if wait is None else wait.reason) == reason


waiting = some.lists(
    some.tuples(
        some.integers(1, 9), some.sampled_from(list(Lane)), some.sampled_from([ML, PAY]), some.booleans()
    ),
    max_size=12,
)
limits = some.builds(
    RunLimits,
    builds=some.none() | some.integers(1, 4),
    cores=some.none() | some.integers(1, 12),
    builds_per_day=some.none() | some.integers(0, 6),
)


@settings(deadline=None)
@given(
    waiting=waiting,
    limits=limits,
    running=some.lists(some.integers(1, 6), max_size=3),
    begun=some.integers(0, 5),
    starts=some.integers(0, 9),
)
def test_no_limit_is_passed_but_by_a_single_build_and_by_urgent_ones_and_no_other_team_waits(
    waiting: list[tuple[int, Lane, TeamName, bool]],
    limits: RunLimits,
    running: list[int],
    begun: int,
    starts: int,
) -> None:
    rows = [_row(number, cores, lane, team) for number, (cores, lane, team, _) in enumerate(waiting)]
    late = [_late(row) for row, (*_, is_late) in zip(rows, waiting, strict=True) if is_late]
    capacity = _capacity(
        limits, running=len(running), cores=sum(running), begun=begun, free=20, starts=starts
    )
    choice = dispatch.choose(rows, capacity, SLOTS, late=late)
    used, count, day = sum(running), len(running), begun
    for row, _ in choice.starts:
        if row.team == PAY:
            continue
        assert limits.cores is None or not count or used + row.machine_cores <= limits.cores
        assert limits.builds_per_day is None or row.is_urgent or day < limits.builds_per_day
        used, count, day = used + row.machine_cores, count + 1, day + 1
    assert count <= max(len(running), limits.builds or count)
    begun_builds = {row.build for row, _ in choice.starts}
    assert [row for row in rows if row.team == PAY and row.build not in begun_builds] == []
    # What is left of the team is held back by a limit, as the capacity behind this choice says.
    after = replace(
        capacity,
        by_team={ML: count},
        cores={ML: used},
        begun={ML: day},
        free_slots=(1,),
        holds=choice.holds,
    )
    left = [row for row in rows if row.team == ML and row.build not in begun_builds]
    assert [row for row in left if dispatch.may_start(row, after, SLOTS)] == []


@settings(deadline=None, max_examples=60)
@given(
    size=some.integers(1, 12),
    small=some.lists(some.integers(1, 4), min_size=80, max_size=80),
    lengths=some.lists(some.integers(1, 5), min_size=80, max_size=80),
    is_late=some.booleans(),
    lane=some.sampled_from([HUMAN, BACKGROUND]),
)
def test_a_large_build_starts_although_smaller_ones_of_its_team_keep_coming(
    size: int, small: list[int], lengths: list[int], *, is_late: bool, lane: Lane
) -> None:
    """In its own lane where it is the oldest, and behind another lane as soon as it has waited long."""
    large = _row(0, size, lane)
    late = [_late(large)] if is_late or lane is BACKGROUND else []
    running: list[tuple[int, int]] = [(small[0], lengths[0])]  # cores, and rounds that are left
    starts = 0
    for number in range(1, 80):
        capacity = _capacity(
            RunLimits(cores=8), running=len(running), cores=sum(each for each, _ in running), starts=starts
        )
        rows = [large, _row(number, small[number]), _row(100 + number, small[-number])]
        chosen = dispatch.choose(rows, capacity, SLOTS, late=late).starts
        starts += len(chosen)
        if large.build in {row.build for row, _ in chosen}:
            return
        running = [(cores, left - 1) for cores, left in running if left > 1]
        running += [(row.machine_cores, lengths[number]) for row, _ in chosen]
    raise AssertionError(f"not started in 80 rounds, {starts} starts of others")


@settings(deadline=None)
@given(waiting=waiting, limits=limits)
def test_whatever_waits_begins_in_the_end_where_days_pass(
    waiting: list[tuple[int, Lane, TeamName, bool]], limits: RunLimits
) -> None:
    """Each round ends all that runs, and a day: no build of a team waits for ever, but at a limit of none a day."""
    left = [_row(number, cores, lane, ML) for number, (cores, lane, _, _) in enumerate(waiting)]
    for _ in range(len(waiting)):
        chosen = dispatch.choose(left, _capacity(limits), SLOTS).starts
        begun = Counter(row.build for row, _ in chosen)
        left = [row for row in left if row.build not in begun]
    assert not [row for row in left if row.is_urgent or limits.builds_per_day != 0]


def test_a_late_build_that_needs_more_than_is_left_has_its_turn_before_those_that_are_not_late() -> None:
    rows = [_row(0, 4, BACKGROUND), _row(1, 2), _row(2, 2)]
    capacity = _capacity(CORES, running=1, cores=4, starts=LATE_EVERY - 1)
    assert _started(rows, capacity, _late(rows[0])) == [0]


def test_the_dispatcher_holds_the_limits_of_runs_of_the_policy() -> None:
    own = PerTeamLimits(images=7, builds=2, cores=8, builds_per_day=0, requests_per_day=9)
    assert own.of_runs == RunLimits(builds=2, cores=8, builds_per_day=0)
    assert PerTeamLimits().of_runs == RunLimits()
