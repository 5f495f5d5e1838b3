"""A pass where the policy limits a team's cores, or the builds of its day: in order, in few reads, nobody is stuck."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import dispatch
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.services.upkeep import builds as upkeep
from pipeline_core.state import images as records
from simulation.world import SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.services.builds.test_dispatch_lines import CountedTables, _counted

PAY = TeamName("payments")
SIZES = {2: "Standard_D2s_v5", 4: "Standard_D4s_v5", 8: "Standard_D8s_v5"}
NINE = [2] * 9


def _queued(sizes: Sequence[int], *, others: int = 0, **limits: Any) -> SimulatedWorld:
    """Images of team payments on machines with so many cores wait, and behind them some of another team."""
    made = scenes.settled({"rhel9-base": None})
    policies.put(made, limits={"teams": {"payments": limits}})
    names = [f"pay-{number:02d}" for number in range(len(sizes))]
    for name, cores in zip(names, sizes, strict=True):
        made.register(name, "rhel9-base", team="payments", size=SIZES[cores])
    for number in range(others):
        made.register(f"z-{number:02d}", "rhel9-base", team="data")
    scenes.lose(made)
    for name in [*names, *(f"z-{number:02d}" for number in range(others))]:
        scenes.look(made, ImageName(name))
        made.ports.clock.advance(timedelta(seconds=1))
    scenes.lose(made)
    return made


def _running(made: SimulatedWorld) -> list[str]:
    return sorted(str(build.image) for build in scenes.capacity(made).holders())


def _end(made: SimulatedWorld, name: str) -> None:
    """The build gives its slot back, and its message is lost."""
    assert scenes.capacity(made).release(scenes.active(made, ImageName(name)).value.id).is_freed


def _dispatch(made: SimulatedWorld) -> CountedTables:
    tables = _counted(made, slots=40)
    made.factory.dispatcher.dispatch()
    return tables


def _parked(made: SimulatedWorld) -> list[str]:
    return [str(row.value.build.image) for row in scenes.index(made).parked(PAY, limit=100)]


def test_the_builds_of_a_team_use_no_more_cores_than_the_policy_allows_and_no_other_team_waits() -> None:
    made = _queued([4, 2, 2, 4], others=2, cores=8)
    _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01", "pay-02", "z-00", "z-01"]
    assert _parked(made) == ["pay-03"]
    _end(made, "pay-01")
    _dispatch(made)
    assert "pay-03" not in _running(made)
    _end(made, "pay-02")
    _dispatch(made)
    assert _running(made) == ["pay-00", "pay-03", "z-00", "z-01"]
    assert _parked(made) == []


def test_the_first_build_without_enough_cores_holds_back_those_behind_it() -> None:
    made = _queued([2, 8, 2, 2], cores=8)
    _dispatch(made)
    assert _running(made) == ["pay-00"]
    _end(made, "pay-00")
    _dispatch(made)
    assert _running(made) == ["pay-01"]
    _end(made, "pay-01")
    _dispatch(made)
    assert _running(made) == ["pay-02", "pay-03"]


@pytest.mark.parametrize("sizes", [[2, *[8] * 60], [2, 8, *[2] * 60], [8, *[2] * 60]])
def test_a_long_line_of_a_team_without_cores_is_read_in_few_reads_and_parked_once(sizes: list[int]) -> None:
    made = _queued(sizes, others=1, cores=8)
    tables = _dispatch(made)
    assert _running(made) == ["pay-00", "z-00"]
    assert len(_parked(made)) == len(sizes) - 1
    assert scenes.index(made).pending(limit=100) == []
    assert tables.reads <= 12
    assert scenes.texts(made, "dispatch-requests") == []  # the pass did not end at its bound of reads
    again = _dispatch(made)
    assert again.reads <= 12


def test_a_build_that_needs_more_than_the_limit_runs_when_its_team_has_nothing_else() -> None:
    """The limit was lowered below what is registered: nothing that exists stops."""
    made = _queued([2, 8], cores=8)
    policies.put(made, limits={"cores": 4})
    _dispatch(made)
    assert _running(made) == ["pay-00"]
    _end(made, "pay-00")
    _dispatch(made)
    assert _running(made) == ["pay-01"]


def test_a_limit_that_is_raised_or_taken_away_starts_what_waits() -> None:
    made = _queued([4, 4, 4], cores=4)
    _dispatch(made)
    assert _running(made) == ["pay-00"]
    policies.put(made, limits={"cores": 8})
    _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01"]
    policies.put(made, limits={})
    _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01", "pay-02"]


def test_a_limit_that_comes_later_counts_what_runs_already() -> None:
    made = _queued([4, 4])
    first = scenes.index(made).pending(limit=1)[0]
    capacity = scenes.capacity(made)
    capacity.take(0, first.value, capacity.read(made.ports.clock.now()))
    policies.put(made, limits={"cores": 4})
    made.ports.clock.advance(timedelta(minutes=1))
    _dispatch(made)
    assert _running(made) == ["pay-00"]


def test_a_pass_that_dies_behind_the_slot_has_used_the_cores_and_the_day_once() -> None:
    made = _queued([4, 4], cores=4, buildsPerDay=1)

    class KilledError(BaseException):
        """The process ends here."""

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images":
            raise KilledError

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(KilledError):
        made.factory.dispatcher.dispatch()
    scenes.rewired(made, tables=made.ports.tables)
    for _ in range(2):
        made.factory.dispatcher.dispatch()
    now = made.ports.clock.now()
    capacity = scenes.capacity(made).read(now).capacity
    assert (capacity.cores[PAY], capacity.begun[PAY], _running(made)) == (4, 1, ["pay-00"])


def test_a_team_that_gets_cores_while_its_builds_are_parked_is_looked_at_again() -> None:
    made = _queued([4, 4], cores=4)
    end = scenes.once(lambda: _end(made, "pay-00"))

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.key.startswith("team:payments:"):
            end()

    _counted(made, slots=40, before=before)
    made.factory.dispatcher.dispatch()
    assert _running(made) == ["pay-01"]


def test_a_day_that_is_used_up_holds_back_all_but_the_security_lane_and_another_day_starts_the_rest() -> None:
    made = _queued(NINE, others=1, buildsPerDay=3)
    tables = _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01", "pay-02", "z-00"]
    assert len(_parked(made)) == 6
    assert tables.reads <= 8
    for name in ("pay-00", "pay-01"):
        _end(made, name)
    _dispatch(made)
    assert _running(made) == ["pay-02", "z-00"]  # it holds no slot meanwhile
    made.ports.clock.advance(timedelta(days=1))
    made.factory.sweeper.sweep()
    assert len(scenes.texts(made, "dispatch-requests")) == 1
    _dispatch(made)
    assert _running(made) == ["pay-02", "pay-03", "pay-04", "pay-05", "z-00"]


def _make_urgent(made: SimulatedWorld, name: str) -> None:
    """As if the build were of the security lane: its rows say so."""
    build = scenes.active(made, ImageName(name)).value
    index = scenes.index(made)
    index.withdraw(build)
    key = dispatch.priority_key(Lane.SECURITY, 0, build.created_at, build.id)
    row = dispatch.first_row_of(build, key)
    index.add_pending(replace(row, lane=Lane.SECURITY))


def test_a_build_of_the_security_lane_begins_over_the_limit_of_the_day_also_from_its_teams_line() -> None:
    made = _queued(NINE, buildsPerDay=2)
    _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01"]
    _make_urgent(made, "pay-07")
    _make_urgent(made, "pay-08")
    row = scenes.index(made).pending(limit=1)[0]
    scenes.index(made).park([row])
    tables = _dispatch(made)
    assert _running(made) == ["pay-00", "pay-01", "pay-07", "pay-08"]
    assert tables.reads <= 8
    assert scenes.capacity(made).read(made.ports.clock.now()).capacity.begun[PAY] == 4


def test_a_late_row_of_an_older_release_does_not_pass_the_limit_of_the_day() -> None:
    """It does not say its lane. A build of the security lane has a row by priority besides."""
    made = _queued([2, 2], buildsPerDay=0)
    build = scenes.active(made, ImageName("pay-00")).value
    late = replace(dispatch.first_row_of(build), key=dispatch.late_key(build.queued_at, build.id), lane=None)
    scenes.index(made).add_pending(late)
    _dispatch(made)
    assert _running(made) == []


def test_a_late_large_build_in_its_teams_line_keeps_the_cores_from_younger_ones() -> None:
    made = _queued([4, 8], cores=8)
    _dispatch(made)
    large = scenes.active(made, ImageName("pay-01")).value
    late = dispatch.row_of(large, large.created_at + dispatch.LATE_AFTER)
    scenes.index(made).add_pending(late.parked())
    # A younger build that goes before it by priority, and would fit.
    made.register("pay-09", "rhel9-base", team="payments", size=SIZES[2])
    scenes.look(made, ImageName("pay-09"))
    young = scenes.active(made, ImageName("pay-09")).value
    scenes.index(made).withdraw(young)
    scenes.index(made).add_pending(
        dispatch.first_row_of(young, f"1-000000-20261121T120000-{young.id}").parked()
    )
    made.register("a-full-page", "rhel9-base", team="data")
    tables = _counted(made, slots=2)  # so that not every row of all lines is read at once
    made.factory.dispatcher.dispatch()
    assert tables.reads > 1
    assert _running(made) == ["pay-00"]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_build_carries_the_cores_of_its_size_also_where_the_registration_does_not_keep_it(
    *, keeps: bool
) -> None:
    made = scenes.registered({"rhel9-base": None})
    made.register("pay-00", "rhel9-base", team="payments", size=SIZES[8])
    if not keeps:
        stored = scenes.images(made).get_head(ImageName("pay-00"))
        older = replace(stored.value, registration=replace(stored.value.registration, promises=None))
        scenes.images(made).commit([records.put_head(older, etag=stored.etag)])
    made.settle()
    builds = made.base.records.images.builds(ImageName("pay-00"))
    assert {build.cores for build in builds} == {8}


def test_a_waiting_build_says_which_limit_it_waits_for_and_a_late_one_in_the_log_and_the_journal() -> None:
    made = _queued([4, 4, 4], cores=8, buildsPerDay=2)
    _dispatch(made)
    build = scenes.active(made, ImageName("pay-02")).value
    (shown,) = made.factory.queries.build(build.id).conditions
    assert (shown.type, shown.reason, shown.since) == (
        ConditionType.TEAM_LIMIT,
        "BuildsPerDay",
        build.queued_at,
    )
    assert shown.message.startswith(
        "team payments has begun 2 builds today, and the limit of team payments in policy 1 allows 2"
    )
    assert made.factory.queries.image(ImageName("pay-02")).builds[0].conditions == (shown,)
    policies.put(made, limits={"cores": 8})
    (shown,) = made.factory.queries.build(build.id).conditions
    assert shown.reason == "Cores"
    made.ports.clock.advance(upkeep.EXPECTED[Phase.PENDING])
    made.factory.sweeper.sweep()
    entries = scenes.images(made).list_journal(ImageName("pay-02"), limit=100)
    (late,) = [entry for entry in entries if entry.event is Event.LATE]
    assert "the builds of team payments use 8 cores, this one needs 4" in late.detail
    (line,) = [line for line in made.ports.logs.lines if line.event == "build-late"]
    assert str(line.fields["why"]).startswith("the builds of team payments use 8 cores")


def test_a_running_build_and_one_that_waits_for_a_slot_alone_wait_for_no_limit() -> None:
    made = _queued([4, 4], cores=8)
    _counted(made, slots=1)
    made.factory.dispatcher.dispatch()
    for name in ("pay-00", "pay-01"):
        assert made.factory.queries.build(scenes.active(made, ImageName(name)).value.id).conditions == ()


def test_tables_that_are_lost_begin_the_day_anew_and_the_copy_of_the_limits_comes_back() -> None:
    made = _queued([4, 4, 4], cores=4, buildsPerDay=1)
    _dispatch(made)
    for row in made.ports.tables.rows("capacity"):
        made.ports.tables.write("capacity", [TableWrite(verb=WriteKind.DELETE, row=row)])
    made.factory.recovery.step(scenes.ADMIN, "", force=True)
    capacity = scenes.capacity(made).read(made.ports.clock.now()).capacity
    assert capacity.team_slots.of(PAY).cores == 4
    assert (capacity.begun, capacity.cores) == ({}, {})


def test_a_build_of_the_security_lane_keeps_its_place_by_priority_when_its_row_is_made_again_late() -> None:
    """With a late row alone nobody would read it while the day of its team is spent."""
    made = _queued(NINE, buildsPerDay=0)
    build = replace(scenes.active(made, ImageName("pay-00")).value, lane=Lane.SECURITY)
    index = scenes.index(made)
    index.withdraw(build)
    index.park(index.pending(limit=100))  # the others of the team wait in its line, before every late one
    index.add_pending(dispatch.row_of(build, build.queued_at + 2 * dispatch.LATE_AFTER).parked())
    tables = _counted(made, slots=1)  # so that not every row of all lines is read at once
    made.factory.dispatcher.dispatch()
    assert tables.reads > 1
    assert _running(made) == ["pay-00"]


def test_cores_are_those_of_the_build_where_an_older_release_wrote_its_row_again() -> None:
    made = _queued([8], cores=8)
    row = scenes.index(made).pending(limit=1)[0]
    scenes.index(made).remove_pending(row.value.key)
    scenes.index(made).add_pending(replace(row.value, cores=None, lane=None))
    _dispatch(made)
    assert scenes.capacity(made).read(made.ports.clock.now()).capacity.cores[PAY] == 8
