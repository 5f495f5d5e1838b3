"""What a team's builds use, in the rows of slots and teams: given back with the slot, also beside an older release."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.capacity import RunLimits, TeamSlots
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.machine_sizes import ASSUMED_CORES
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.ports import Cell, Row, TableWrite, WriteKind
from pipeline_core.state.capacity import CapacityStore, SlotTaken
from pipeline_core.state.limits import team_slots
from tests.unit.domain.factories import NOW

ML, PAY = TeamName("ml"), TeamName("pay")
TODAY, TOMORROW = f"{NOW:%Y-%m-%d}", NOW + timedelta(days=1)
LIMITS = TeamSlots(revision=2, general=RunLimits(builds_per_day=5), teams={PAY: RunLimits(cores=8)})


def _pending(number: int, cores: int | None = 4, team: TeamName = ML) -> PendingBuild:
    return PendingBuild(
        key=f"1-99-{number}", build=BuildId(f"image-{number}.000000000000.1"), team=team, cores=cores
    )


def _store(tables: MemoryTables) -> CapacityStore:
    store = CapacityStore(tables, slots=9, creates_per_hour=100, team_slots=9)
    store.save_team_slots(LIMITS, is_current=lambda: True)
    return store


def _cells(tables: MemoryTables, key: str) -> Mapping[str, Cell] | None:
    row = tables.find("capacity", "slots", key)
    return None if row is None else row.cells


def _change(tables: MemoryTables, key: str, cells: Mapping[str, Cell]) -> None:
    """Another release writes a row."""
    row = tables.find("capacity", "slots", key)
    assert row is not None
    tables.write("capacity", [TableWrite(verb=WriteKind.REPLACE, row=replace(row, cells=cells))])


def test_cores_are_in_the_row_of_the_slot_and_go_with_it() -> None:
    tables = MemoryTables()
    store = _store(tables)
    ledger = store.read(NOW)
    for number, cores in enumerate((4, None, 8)):
        assert store.take(number, _pending(number, cores), ledger) is SlotTaken.TAKEN
    store.take(3, _pending(3, 16, PAY), ledger)
    expected = {ML: 12 + ASSUMED_CORES, PAY: 16}
    assert ledger.capacity.cores == store.read(NOW).capacity.cores == expected
    store.release(_pending(2).build)
    assert store.read(NOW).capacity.cores == {ML: 4 + ASSUMED_CORES, PAY: 16}
    for number in (0, 1, 3):
        store.release(_pending(number).build)
    assert store.read(NOW).capacity.cores == {ML: 0}


def test_a_slot_of_an_older_release_counts_as_a_stated_number_and_what_it_frees_is_free() -> None:
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, _pending(0, 8), store.read(NOW))
    slot = dict(_cells(tables, "slot:0000") or {})
    del slot["cores"]
    _change(tables, "slot:0000", slot)
    assert store.read(NOW).capacity.cores == {ML: ASSUMED_CORES}
    # The older release frees a slot of this one: it deletes the row, and knows nothing of cores.
    store.take(1, _pending(1, 8), store.read(NOW))
    for key in ("slot:0001", f"build:{_pending(1).build}"):
        row = tables.find("capacity", "slots", key)
        assert row is not None
        tables.write("capacity", [TableWrite(verb=WriteKind.DELETE, row=row)])
    _change(tables, "team:ml", {**(_cells(tables, "team:ml") or {}), "count": 1})
    assert store.read(NOW).capacity.cores == {ML: ASSUMED_CORES}


def test_a_slot_that_is_counted_and_was_not_read_leaves_its_team_no_core() -> None:
    """A read of several pages: another pass took a slot between two of them."""
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, _pending(0, 1, PAY), store.read(NOW))
    _change(tables, "team:pay", {"count": 2})
    capacity = store.read(NOW).capacity
    assert not capacity.fits(PAY, 1)
    assert capacity.fits(ML, 64)


def test_the_builds_of_a_day_are_counted_where_the_policy_limits_them_and_once_each() -> None:
    tables = MemoryTables()
    store = _store(tables)
    ledger = store.read(NOW)
    for number in range(3):
        store.take(number, _pending(number), ledger)
    assert store.take(5, _pending(1), ledger) is SlotTaken.HELD
    store.take(6, _pending(6, team=PAY), ledger)
    assert ledger.capacity.begun == store.read(NOW).capacity.begun == {ML: 3, PAY: 0}
    assert _cells(tables, "team:ml") == {"count": 3, "day": TODAY, "begun": 3}
    assert _cells(tables, "team:pay") == {"count": 1}


def test_another_day_begins_at_zero() -> None:
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, _pending(0), store.read(NOW))
    assert store.read(TOMORROW).capacity.begun == {ML: 0}
    store.take(1, _pending(1), store.read(TOMORROW))
    assert _cells(tables, "team:ml") == {"count": 2, "day": f"{TOMORROW:%Y-%m-%d}", "begun": 1}


def test_a_team_that_holds_no_slot_keeps_the_count_of_the_day_until_a_sweep_of_the_next_one() -> None:
    tables = MemoryTables()
    store = _store(tables)
    for number, team in ((0, ML), (1, PAY)):
        store.take(number, _pending(number, team=team), store.read(NOW))
        store.release(_pending(number).build)
    assert _cells(tables, "team:pay") is None
    assert _cells(tables, "team:ml") == {"count": 0, "day": TODAY, "begun": 1}
    assert store.look(NOW).over == ()
    over = store.look(TOMORROW).over
    assert [row.key for row in over] == ["team:ml"]
    store.forget(over)
    assert _cells(tables, "team:ml") is None


def test_a_team_that_begins_a_build_meanwhile_keeps_its_row() -> None:
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, _pending(0), store.read(NOW))
    assert store.look(TOMORROW).over == ()
    store.release(_pending(0).build)
    over = store.look(TOMORROW).over
    store.take(1, _pending(1), store.read(TOMORROW))
    store.forget(over)
    assert (_cells(tables, "team:ml") or {})["begun"] == 1
    store.forget(over)  # safe to repeat


@pytest.mark.parametrize(
    "slots",
    [
        TeamSlots(),
        LIMITS,
        TeamSlots(revision=7, general=RunLimits(builds=3, cores=9, builds_per_day=0)),
        TeamSlots(revision=8, teams={ML: RunLimits(), PAY: RunLimits(builds=1, builds_per_day=1)}),
    ],
)
def test_the_copy_of_the_limits_says_what_was_written(slots: TeamSlots) -> None:
    row = Row(partition="slots", key=team_slots.KEY, cells=team_slots.cells(slots))
    assert team_slots.read(row) == slots


def test_an_older_release_reads_the_builds_at_the_same_time_and_its_own_policy_has_no_other_limit() -> None:
    """It keeps the cells that it does not know, when it writes the limits of the next policy."""
    newer = TeamSlots(revision=7, general=RunLimits(builds=3, cores=9), teams={ML: RunLimits(cores=2)})
    cells = team_slots.cells(newer)
    assert (cells["general"], cells["teams"], cells["revision"]) == (3, '{"ml":0}', 7)
    older = Row(partition="slots", key="k", cells={"revision": 6, "general": 4, "teams": '{"pay":1}'})
    assert team_slots.read(older) == TeamSlots(
        revision=6, general=RunLimits(builds=4), teams={PAY: RunLimits(builds=1)}
    )
    written = Row(partition="slots", key="k", cells={**cells, "revision": 8, "general": 4, "teams": "{}"})
    assert team_slots.read(written) == TeamSlots(revision=8, general=RunLimits(builds=4))


def test_the_limits_of_the_most_teams_fit_into_one_cell() -> None:
    most = RunLimits(builds=1000, cores=100_000, builds_per_day=10**6)
    teams = {TeamName(f"t{number:03d}-{'t' * 58}"): most for number in range(200)}
    cells = team_slots.cells(TeamSlots(revision=1, teams=teams))
    assert max(len(str(cell)) for cell in cells.values()) < 32_000  # characters of a cell: 32 Ki


def test_numbers_of_a_newer_release_beside_the_limits_are_left_alone() -> None:
    cells = dict(team_slots.cells(LIMITS))
    cells["more"] = str(cells["more"]).replace("[8,null]", "[8,null,7]")
    assert "7" in str(cells["more"])
    row = Row(partition="slots", key=team_slots.KEY, cells=cells)
    assert team_slots.read(row) == LIMITS
