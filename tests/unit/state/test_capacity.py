"""Capacity: no order of takes and releases, and no race, ever passes a limit."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import dispatch
from pipeline_core.domain.creations import Budget
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import StaleWrite, TransientError
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state.capacity import CapacityStore, SlotReleased, SlotTaken
from pipeline_core.state.limits.ledger import Ledger
from tests.unit.domain.factories import NOW

SLOTS, TEAM_SLOTS, PER_HOUR, PER_BURST = 4, 2, 6, 5
TEAMS = ("ml", "payments", "pay")


def _store(tables: MemoryTables | None = None) -> CapacityStore:
    return CapacityStore(
        tables or MemoryTables(),
        slots=SLOTS,
        creates_per_hour=PER_HOUR,
        team_slots=TEAM_SLOTS,
        creates_per_burst=PER_BURST,
    )


def _pending(number: int, team: str = "ml") -> PendingBuild:
    build = BuildId(f"image-{number}.000000000000.1")
    return PendingBuild(key=f"1-99-{number}", build=build, team=TeamName(team))


def _is_paid(store: CapacityStore, now: datetime) -> bool:
    """True where the budget has a creation left, which is used: one of a build that holds no slot."""
    return store.buy_creation(_pending(99).build, "verify-1", now) is None


class Dispatching(RuleBasedStateMachine):
    """Two passes that read at different times, releases and creations, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = MemoryTables()
        self.store = _store(self.tables)
        self.now = NOW
        self.ledgers: list[Ledger] = [self.store.read(NOW)] * 2
        self.teams: dict[BuildId, str] = {}
        self.created: list[datetime] = []
        self.bought: set[tuple[BuildId, str]] = set()

    @rule(which=some.integers(0, 1))
    def look(self, which: int) -> None:
        self.ledgers[which] = self.store.read(self.now)

    @rule(which=some.integers(0, 1), number=some.integers(0, 9), team=some.sampled_from(TEAMS))
    def start(self, which: int, number: int, team: str) -> None:
        """What the dispatcher does with a pass's ledger, however old it is."""
        ledger = self.ledgers[which]
        pending = _pending(number, self.teams.get(_pending(number).build, team))
        held = self.store.holds(pending.build)
        for chosen, slot in dispatch.choose([pending], ledger.capacity, TEAM_SLOTS).starts:
            if self.store.take(slot, chosen, ledger) is SlotTaken.TAKEN and not held:
                self.teams[chosen.build] = str(chosen.team)
                self.created.append(ledger.now)
                self.bought.add((chosen.build, "build-1"))
        self.ledgers[which] = self.store.read(self.now)

    @rule()
    def create(self) -> None:
        if _is_paid(self.store, self.now):
            self.created.append(self.now)

    @rule(number=some.integers(0, 9), attempt=some.sampled_from(["verify-1", "verify-2"]))
    def buy(self, number: int, attempt: str) -> None:
        build = _pending(number).build
        if not self.store.holds(build):
            return
        wait = self.store.buy_creation(build, attempt, self.now)
        if wait is None and (build, attempt) not in self.bought:
            self.created.append(self.now)
            self.bought = {each for each in self.bought if each[0] != build} | {(build, attempt)}

    @rule(number=some.integers(0, 9))
    def release(self, number: int) -> None:
        build = _pending(number).build
        expected = SlotReleased.FREED if self.store.holds(build) else SlotReleased.NOT_HELD
        assert self.store.release(build) is expected
        assert not self.store.holds(build)
        self.teams.pop(build, None)
        self.bought = {each for each in self.bought if each[0] != build}

    @rule(minutes=some.integers(0, 40))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def no_limit_is_passed(self) -> None:
        holders = self.store.holders()
        assert set(holders) == set(self.teams)
        assert len(holders) <= SLOTS
        by_team = Counter(self.teams.values())
        assert max(by_team.values(), default=0) <= TEAM_SLOTS
        assert _most(self.created, timedelta(hours=1)) <= PER_HOUR
        assert _most(self.created, timedelta(minutes=5)) <= PER_BURST
        capacity = self.store.read(self.now).capacity
        assert len(capacity.free_slots) == SLOTS - len(holders)
        assert {str(team): count for team, count in capacity.by_team.items() if count} == dict(by_team)


TestDispatching = pytest.mark.slow(Dispatching.TestCase)
TestDispatching.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(deadline=None)
@given(teams=some.lists(some.sampled_from(TEAMS), max_size=12))
def test_a_pass_never_starts_more_than_slots_teams_and_hours_allow(teams: list[str]) -> None:
    store = _store()
    ledger = store.read(NOW)
    pending = [_pending(number, team) for number, team in enumerate(teams)]
    for candidate, slot in dispatch.choose(pending, ledger.capacity, TEAM_SLOTS).starts:
        assert store.take(slot, candidate, ledger) is SlotTaken.TAKEN
    allowed = sum(min(count, TEAM_SLOTS) for count in Counter(teams).values())
    assert len(store.holders()) == min(SLOTS, PER_BURST, allowed)


def test_two_passes_cannot_take_one_slot() -> None:
    store = _store()
    first, second = store.read(NOW), store.read(NOW)
    assert store.take(0, _pending(1), first) is SlotTaken.TAKEN
    assert store.take(0, _pending(2), second) is SlotTaken.RACED
    assert store.holders() == (_pending(1).build,)


def test_two_passes_cannot_pass_the_limit_of_a_team_with_different_slots() -> None:
    store = _store()
    assert store.take(0, _pending(1), store.read(NOW)) is SlotTaken.TAKEN
    first, second = store.read(NOW), store.read(NOW)
    assert store.take(1, _pending(2), first) is SlotTaken.TAKEN
    assert store.take(2, _pending(3), second) is SlotTaken.RACED
    assert store.read(NOW).capacity.by_team == {TeamName("ml"): 2}


def test_a_build_that_holds_a_slot_keeps_it_and_is_counted_once() -> None:
    store = _store()
    assert store.take(0, _pending(1), store.read(NOW)) is SlotTaken.TAKEN
    assert store.take(1, _pending(1), store.read(NOW)) is SlotTaken.HELD
    capacity = store.read(NOW).capacity
    assert capacity.free_slots == (1, 2, 3)
    assert capacity.by_team == {TeamName("ml"): 1}
    assert capacity.creates_left == PER_BURST - 1


def test_several_builds_start_on_one_reading() -> None:
    store = _store()
    ledger = store.read(NOW)
    assert store.take(0, _pending(1), ledger) is SlotTaken.TAKEN
    assert store.take(1, _pending(2), ledger) is SlotTaken.TAKEN
    assert store.read(NOW).capacity.creates_left == PER_BURST - 2


def test_the_budget_is_that_of_five_minutes_and_of_an_hour_however_they_are_cut() -> None:
    store = _store()
    burst = [_is_paid(store, NOW) for _ in range(PER_BURST + 1)]
    assert burst == [True] * PER_BURST + [False]
    assert store.read(NOW).capacity.creates_left == 0
    assert [_is_paid(store, NOW + timedelta(minutes=6)) for _ in range(2)] == [True, False]
    assert not _is_paid(store, NOW + timedelta(minutes=59))
    assert _is_paid(store, NOW + timedelta(minutes=61))


def test_a_creation_is_paid_once_for_each_attempt_however_often_it_is_refused() -> None:
    store = _store()
    ledger = store.read(NOW)
    store.take(0, _pending(1), ledger)
    build = _pending(1).build
    for attempt in ("build-1", "build-1", "verify-1", "verify-1", "verify-1"):
        assert store.buy_creation(build, attempt, NOW) is None
    assert store.read(NOW).capacity.creates_left == PER_BURST - 2


def test_a_creation_of_a_build_without_a_slot_is_counted_every_time() -> None:
    store = _store()
    for _ in range(2):
        assert store.buy_creation(_pending(1).build, "verify-1", NOW) is None
    assert store.read(NOW).capacity.creates_left == PER_BURST - 2


def test_a_used_up_budget_says_how_long_to_wait() -> None:
    store = _store()
    for _ in range(PER_BURST):
        assert _is_paid(store, NOW)
    wait = store.buy_creation(_pending(1).build, "verify-1", NOW)
    assert wait == timedelta(minutes=6)
    assert store.buy_creation(_pending(1).build, "verify-1", NOW + wait) is None


def test_a_refused_creation_pauses_everybody_and_eats_no_budget() -> None:
    store = _store()
    ledger = store.read(NOW)
    store.take(0, _pending(1), ledger)
    store.pause_creations(NOW)
    later = NOW + timedelta(minutes=2)
    assert store.buy_creation(_pending(1).build, "build-1", later) == timedelta(minutes=3)
    assert store.buy_creation(_pending(1).build, "verify-1", later) == timedelta(minutes=3)
    assert not _is_paid(store, later)
    assert store.read(later).capacity.can_start == 0
    over = NOW + timedelta(minutes=5)
    assert store.buy_creation(_pending(1).build, "build-1", over) is None
    assert store.read(over).capacity.creates_left == PER_BURST - 1


def test_a_pause_is_as_long_as_the_platform_asks_for_and_an_hour_at_most() -> None:
    store = _store()
    store.pause_creations(NOW, timedelta(minutes=20))
    assert store.buy_creation(_pending(1).build, "x", NOW) == timedelta(minutes=20)
    store.pause_creations(NOW, timedelta(minutes=1))
    assert store.buy_creation(_pending(1).build, "x", NOW) == timedelta(minutes=20)
    store.pause_creations(NOW, timedelta(days=1))
    assert store.buy_creation(_pending(1).build, "x", NOW) == timedelta(hours=1)


def test_hours_and_idle_teams_leave_no_row_behind() -> None:
    tables = MemoryTables()
    store = _store(tables)
    for hours in range(50):
        now = NOW + timedelta(hours=hours)
        store.take(0, _pending(hours, f"team-{hours}"), store.read(now))
        store.release(_pending(hours, f"team-{hours}").build)
    (row,) = tables.rows("capacity")
    assert row.key == "spent"
    assert len(str(row.cells["minutes"])) < 40
    assert store.read(NOW).capacity.starts == 50


def test_more_rows_than_one_answer_holds_are_all_counted() -> None:
    tables = MemoryTables()
    store = CapacityStore(
        tables, slots=1200, creates_per_hour=10_000, team_slots=1200, creates_per_burst=10_000
    )
    ledger = store.read(NOW)
    for number in range(1100):
        assert store.take(number, _pending(number, f"team-{number % 7}"), ledger) is SlotTaken.TAKEN
    capacity = store.read(NOW).capacity
    assert len(capacity.free_slots) == 100
    assert sum(capacity.by_team.values()) == len(store.holders()) == 1100


def test_a_release_says_whether_platform_breakers_have_rows() -> None:
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, _pending(1), store.read(NOW))
    row = Row(partition="slots", key="stop:0123456789abcdef", cells={})
    tables.write("capacity", [TableWrite(verb=WriteKind.INSERT, row=row)])
    released = store.release(_pending(1).build)
    assert (released, released.is_freed) == (SlotReleased.FREED_BESIDE_BREAKERS, True)
    assert not store.release(_pending(1).build).is_freed


def test_a_release_is_safe_to_repeat_and_frees_no_other_slot() -> None:
    store = _store()
    ledger = store.read(NOW)
    store.take(0, _pending(1), ledger)
    assert store.release(_pending(1).build) is SlotReleased.FREED
    assert store.take(0, _pending(2, "pay"), store.read(NOW)) is SlotTaken.TAKEN
    assert store.release(_pending(1).build) is SlotReleased.NOT_HELD
    assert store.holders() == (_pending(2).build,)
    assert store.read(NOW).capacity.by_team == {TeamName("pay"): 1}


def test_teams_whose_names_begin_alike_are_counted_apart() -> None:
    store = _store()
    for number, team in enumerate(("pay", "payments", "pay-x")):
        assert store.take(number, _pending(number, team), store.read(NOW)) is SlotTaken.TAKEN
    assert set(store.read(NOW).capacity.by_team.values()) == {1}


class _Raced(MemoryTables):
    """Tables on which every write comes a moment too late."""

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        raise StaleWrite("raced")


@pytest.mark.parametrize("holds", [True, False])
def test_a_release_that_raced_is_to_be_asked_again_unless_it_has_happened(*, holds: bool) -> None:
    tables = _Raced()
    MemoryTables.write(
        tables, "capacity", _store_writes(_pending(1)) if holds else _store_writes(_pending(2))
    )
    assert _store(tables).release(_pending(1).build) is (
        SlotReleased.RACED if holds else SlotReleased.NOT_HELD
    )


def test_a_creation_that_races_again_and_again_is_to_be_asked_again_and_is_not_counted() -> None:
    tables = _Raced()
    with pytest.raises(TransientError):
        _is_paid(_store(tables), NOW)
    assert tables.rows("capacity") == []


def test_a_pause_that_races_again_and_again_is_given_up() -> None:
    tables = _Raced()
    _store(tables).pause_creations(NOW)
    assert tables.rows("capacity") == []


def _store_writes(pending: PendingBuild) -> list[TableWrite]:
    """The rows of one slot that is held, written as the store writes them."""
    tables = MemoryTables()
    store = _store(tables)
    store.take(0, pending, store.read(NOW))
    return [_insert(row) for row in tables.rows("capacity")]


def _most(made: Sequence[datetime], span: timedelta) -> int:
    return max((sum(1 for each in made if first <= each < first + span) for first in made), default=0)


def _insert(row: Row) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=row)


def _deleting(tables: MemoryTables | None = None) -> CapacityStore:
    return CapacityStore(
        tables or MemoryTables(),
        slots=SLOTS,
        creates_per_hour=PER_HOUR,
        team_slots=TEAM_SLOTS,
        deletions=Budget(per_hour=3, per_burst=2),
    )


def test_deletions_have_a_budget_of_their_own() -> None:
    store = _deleting()
    assert [store.buy_deletion(NOW) is None for _ in range(3)] == [True, True, False]
    assert all(_is_paid(store, NOW) for _ in range(PER_HOUR))
    assert store.buy_deletion(NOW) == timedelta(minutes=6) - (NOW - NOW.replace(second=0, microsecond=0))
    assert store.buy_deletion(NOW + timedelta(minutes=6)) is None
    wait = store.buy_deletion(NOW + timedelta(minutes=12))
    assert wait is not None
    assert wait > timedelta(minutes=45)


def test_a_creation_and_a_deletion_are_paid_by_one_read_and_one_write() -> None:
    store = _deleting(tables := MemoryTables())
    build = _pending(1).build
    assert store.take(0, _pending(1), store.read(NOW)) is SlotTaken.TAKEN
    before = tables.operations
    assert store.buy_exchange(build, "verify-1", NOW) == (None, True)
    assert tables.operations - before == 2
    # A second call pays for no second creation, and for the second of the two deletions in five minutes.
    assert store.buy_exchange(build, "verify-1", NOW) == (None, True)
    assert store.buy_exchange(build, "verify-1", NOW) == (None, False)
    assert store.buy_deletion(NOW) is not None
    assert store.read(NOW).capacity.creates_left == PER_HOUR - 2


def test_one_budget_that_is_used_up_does_not_hold_up_the_other() -> None:
    store = _deleting()
    store.pause_deletions(NOW, timedelta(minutes=9))
    assert store.buy_exchange(_pending(1).build, "verify-1", NOW) == (None, False)
    store = _deleting()
    store.pause_creations(NOW, timedelta(minutes=20))
    assert store.buy_exchange(_pending(1).build, "verify-1", NOW) == (timedelta(minutes=20), True)
    later = NOW + timedelta(minutes=20)
    assert store.buy_exchange(_pending(1).build, "verify-1", later) == (None, True)


def test_a_refused_deletion_pauses_deletions_and_no_creation() -> None:
    store = _deleting()
    store.pause_deletions(NOW, timedelta(minutes=9))
    assert store.buy_deletion(NOW) == timedelta(minutes=9)
    assert _is_paid(store, NOW)
    store.pause_creations(NOW, timedelta(minutes=20))
    assert store.buy_deletion(NOW + timedelta(minutes=9)) is None


def test_the_count_of_deletions_is_not_read_with_the_slots() -> None:
    store = _deleting(tables := MemoryTables())
    store.buy_deletion(NOW)
    assert [row.key for row in tables.rows("capacity")] == ["deleted"]
    assert store.read(NOW).spent is None
