"""Slots as rows that are inserted if absent: their holders, the number per team, the creations.

One partition holds `slot:N`, `build:ID`, `team:T`, `spent`, `deleted`, `slots-of-teams` and `stop:KEY` rows. Each
change of them is one transaction on the ETags that the decision read. So two dispatchers can never exceed a limit
together.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique
from functools import partial

from pipeline_core.domain import creations
from pipeline_core.domain.capacity import TeamSlots
from pipeline_core.domain.creations import Budget, Spent
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import AlreadyExists, Contended, StaleWrite
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.ports import Cell, Row, Tables, TableWrite, WriteKind
from pipeline_core.state import creations as spending
from pipeline_core.state import rows
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.limits import ledger as counts
from pipeline_core.state.limits import team_slots
from pipeline_core.state.limits.ledger import Ledger

TABLE = "capacity"
PARTITION = "slots"
BREAKER = (
    "stop:"  # begins the key of a platform breaker's row: one read gives slots, teams, budgets and these
)
_SOON = timedelta(seconds=1)
_BUDGET = "the budget of creations"
_DELETIONS = "the budget of deletions"
_PAUSE = timedelta(minutes=5)  # after a refusal without a time to wait

_ANY = Budget(per_hour=creations.UNLIMITED, per_burst=creations.UNLIMITED)


@unique
class SlotTaken(Enum):
    """The result of taking a slot."""

    TAKEN = "taken"  # by this call
    HELD = "held"  # the build has a slot already, which is counted once
    RACED = "raced"  # another pass took the slot, or the last of a budget


@unique
class SlotReleased(Enum):
    """The result of giving a slot back."""

    FREED = "freed"  # another build may have it now
    FREED_BESIDE_BREAKERS = "freed-beside-breakers"  # the same, and platform breakers have rows
    NOT_HELD = "not-held"  # the build has none
    RACED = "raced"  # other writers were changing the rows: ask again

    @property
    def is_freed(self) -> bool:
        """True where another build may have the slot now."""
        return self in (SlotReleased.FREED, SlotReleased.FREED_BESIDE_BREAKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """The builds that have a slot, and whether these are all slots; whether breakers have rows, and SecOps pause.

    `over` are rows of teams that hold no slot, and only counted a day that has ended.
    """

    builds: tuple[BuildId, ...]
    over: tuple[Row, ...]
    are_all: bool
    has_breakers: bool
    is_halted: bool


def _never() -> bool:
    return False


class CapacityStore:
    """The capacity that builds may use at once, and its users.

    `was_halted` is asked where the row that counts creations is absent: in a new factory, or where it was lost.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        slots: int,
        creates_per_hour: int,
        team_slots: int,
        creates_per_burst: int = creations.UNLIMITED,
        deletions: Budget = _ANY,
        was_halted: Callable[[], bool] = _never,
    ) -> None:
        self._tables = tables
        self._slots = slots
        self._budget = Budget(per_hour=creates_per_hour, per_burst=creates_per_burst)
        self._deletions = deletions
        self._team_slots = team_slots
        self._was_halted = was_halted
        self._refused_until: datetime | None = None  # as far as this process knows

    @property
    def team_slots(self) -> int:
        """The number of slots that one team may hold at once, by the settings."""
        return self._team_slots

    def save_team_slots(self, slots: TeamSlots, *, is_current: Callable[[], bool]) -> None:
        """Keep what the policy says beside the slots, so that no pass reads the policy.

        `is_current` is asked after the row is read: where another policy is in force by then, its own writer keeps it.
        Raises TransientError where others keep writing it.
        """

        def save(row: Row | None) -> None:
            # Without a row, a later version is written even without limits: the writer of an earlier one, which still
            # takes it for the one in force, then loses its race.
            is_needed = (
                slots.has_limits or slots.revision > 1 if row is None else team_slots.read(row) != slots
            )
            if is_needed and is_current():
                self._tables.write(TABLE, [_put(team_slots.KEY, row, team_slots.cells(slots))])

        changing(lambda: self._find(team_slots.KEY), save, subject="the slots of teams", lost=RACED)

    def read(self, now: datetime) -> Ledger:
        """The free capacity, with the rows that a slot is taken on. One read."""
        ledger = Ledger(now=now, slots=self._slots, budget=self._budget)
        for row in self._scan("slot:", "team;"):
            kind, _, name = row.key.partition(":")
            if kind == "slot":
                ledger.add_slot(row)
            elif kind == "team":
                ledger.teams[TeamName(name)] = row
            elif row.key == spending.KEY:
                ledger.spent = row
            elif row.key == team_slots.KEY:
                ledger.team_slots = team_slots.read(row)
            elif row.key.startswith(BREAKER):
                ledger.has_breakers = True
        ledger.is_halted = ledger.spent is None and self._was_halted()
        return ledger

    def take(self, slot: int, pending: PendingBuild, ledger: Ledger) -> SlotTaken:
        """Take a slot for a build, with the creation of its first container group.

        The ledger is updated, so that the next build can start on it.
        """
        team = str(pending.team)
        cells: dict[str, Cell] = {
            "build": str(pending.build),
            "team": team,
            counts.CORES: pending.machine_cores,
        }
        holder: dict[str, Cell] = {"slot": slot, "team": team, "bought": "build-1"}
        spent = creations.spend(spending.read(ledger.spent), ledger.now, is_start=True)
        writes = [
            _insert(f"slot:{slot:04d}", cells),
            _insert(f"build:{pending.build}", holder),
            _put(spending.KEY, ledger.spent, spending.cells(spent)),
            _put(f"team:{team}", ledger.teams.get(pending.team), ledger.row_after_start(pending)),
        ]
        try:
            etags = self._tables.write(TABLE, writes)
        except (AlreadyExists, StaleWrite):
            return SlotTaken.HELD if self.holds(pending.build) else SlotTaken.RACED
        ledger.add_slot(writes[0].row)
        ledger.spent = replace(writes[2].row, etag=etags[2])
        ledger.teams[pending.team] = replace(writes[3].row, etag=etags[3])
        return SlotTaken.TAKEN

    def holds(self, build: BuildId) -> bool:
        """True if the build has a slot."""
        return self._find(f"build:{build}") is not None

    def holders(self) -> tuple[BuildId, ...]:
        """Every build that has a slot."""
        return tuple(BuildId(row.key.removeprefix("build:")) for row in self._scan("build:", "build;"))

    def look(self, now: datetime) -> Holders:
        """The holders with all that a sweep asks about. One read, of the slots' and teams' rows too."""
        rows = {row.key: row for row in self._scan("build:", "team;")}
        teams = (row for key, row in rows.items() if key.startswith("team:"))
        builds = tuple(BuildId(key.removeprefix("build:")) for key in rows if key.startswith("build:"))
        return Holders(
            builds=builds,
            are_all=len(builds) >= self._slots,
            has_breakers=any(key.startswith(BREAKER) for key in rows),
            is_halted=self._spent(rows.get(spending.KEY)).is_halted,
            over=tuple(row for row in teams if counts.is_over(row, now.date())),
        )

    def forget(self, over: Sequence[Row]) -> None:
        """Remove rows of days that have ended. A team that has begun a build since then keeps its row."""
        for row in over:
            with contextlib.suppress(StaleWrite):
                self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])

    def buy_creation(self, build: BuildId, attempt: str, now: datetime) -> timedelta | None:
        """Pay for the container group of one attempt (`verify-1`). Repeated calls pay once.

        None if the creation is paid and may begin now, else the time to wait before the next call. Raises
        TransientError if other writers keep changing the budget at the same moment.
        """
        return self._spend(build, attempt, now, with_deletion=False)[0]

    def buy_exchange(self, build: BuildId, attempt: str, now: datetime) -> tuple[timedelta | None, bool]:
        """As `buy_creation`, and one request to delete a container group, by the same transaction.

        The second part is true if that request is paid. It is false where the budget of deletions is used up, and
        each call that gives true has paid for a request of its own.
        """
        return self._spend(build, attempt, now, with_deletion=True)

    def buy_deletion(self, now: datetime) -> timedelta | None:
        """Pay for one request to delete a container group.

        None if it is paid, else the time to wait before the next call. Raises TransientError if other writers keep
        changing the budget at the same moment.
        """

        def spend(row: Row | None) -> timedelta | None:
            paid = self._deletion(row, now)
            if paid is None:
                return creations.wait(spending.read(row), self._deletions, now)
            self._tables.write(TABLE, [paid])
            return None

        return changing(
            lambda: self._find(spending.DELETIONS),
            spend,
            subject=_DELETIONS,
            lost=RACED,
            retry_after=_SOON,
        )

    def must_ask(self, now: datetime) -> bool:
        """True where this process knows of a refusal that lasts: then also a creation that is paid for may not begin.

        Many builds may have paid with their slots at the same moment, and the first of them is refused.
        """
        return self._refused_until is not None and now < self._refused_until

    def pause_creations(self, now: datetime, length: timedelta | None = None) -> None:
        """The platform has refused a creation. Nothing asks for another creation for a while, at most an hour."""
        self._refused_until = now + min(_PAUSE if length is None else length, creations.LONGEST_PAUSE)
        self._pause(spending.KEY, now, length)

    def pause_deletions(self, now: datetime, length: timedelta | None = None) -> None:
        """The platform has refused a deletion. Nothing asks for another deletion for a while, at most an hour."""
        self._pause(spending.DELETIONS, now, length)

    def release(self, build: BuildId) -> SlotReleased:
        """Give the build's slot back. Safe to repeat. RACED only after many tries: the sweep frees such a slot."""
        with contextlib.suppress(Contended):
            return changing(
                lambda: {row.key: row for row in self._scan(f"build:{build}", "team;")},
                partial(self._release, build),
                subject="the list of slots",
            )
        return SlotReleased.RACED

    def stages(self) -> dict[BuildId, str]:
        """The stage, `build` or `verify`, of each build that has a slot. One read."""
        return {build: stage for build, (stage, _) in self.paid_attempts().items()}

    def paid_attempts(self) -> dict[BuildId, tuple[str, int]]:
        """Stage and number of the attempt that was paid for last, of each build that has a slot. One read."""
        found = {}
        for row in self._scan("build:", "build;"):
            stage, _, number = str(row.cells["bought"]).partition("-")
            found[BuildId(row.key.removeprefix("build:"))] = (stage, int(number))
        return found

    def _release(self, build: BuildId, held: Mapping[str, Row]) -> SlotReleased:
        """Raises StaleWrite. `held` are all rows from the build's own one on: one read for three rows."""
        by_build = held.get(f"build:{build}")
        if by_build is None:
            return SlotReleased.NOT_HELD
        slot = held.get(f"slot:{int(by_build.cells['slot']):04d}")
        team = held.get(f"team:{by_build.cells['team']}")
        writes = [TableWrite(verb=WriteKind.DELETE, row=by_build)]
        if slot is not None and slot.cells.get("build") == str(build):
            writes.append(TableWrite(verb=WriteKind.DELETE, row=slot))
        if team is not None:
            writes.append(_one_less(team))
        self._tables.write(TABLE, writes)
        has_breakers = any(key.startswith(BREAKER) for key in held)
        return SlotReleased.FREED_BESIDE_BREAKERS if has_breakers else SlotReleased.FREED

    def _pause(self, key: str, now: datetime, length: timedelta | None) -> None:
        def pause(row: Row | None) -> None:
            before = spending.read(row)
            after = creations.pause(before, now, _PAUSE if length is None else length)
            if after != before:
                self._tables.write(TABLE, [_put(key, row, spending.cells(after))])

        with contextlib.suppress(Contended):  # the faster writers are also refused, and pause as well
            changing(lambda: self._find(key), pause, subject=_BUDGET, lost=RACED)

    def _spend(
        self, build: BuildId, attempt: str, now: datetime, *, with_deletion: bool
    ) -> tuple[timedelta | None, bool]:
        def spend(rows: Mapping[str, Row]) -> tuple[timedelta | None, bool]:
            holder, row = rows.get(f"build:{build}"), rows.get(spending.KEY)
            spent = self._spent(row)
            is_paid = holder is not None and holder.cells.get("bought") == attempt
            wait = creations.paused_for(spent, now) if is_paid else creations.wait(spent, self._budget, now)
            deletion = self._deletion(rows.get(spending.DELETIONS), now) if with_deletion else None
            writes = [] if deletion is None else [deletion]
            if not wait and not is_paid:
                writes.append(_put(spending.KEY, row, spending.cells(creations.spend(spent, now))))
                if holder is not None:
                    writes.append(_put(holder.key, holder, {**holder.cells, "bought": attempt}))
            if writes:
                self._tables.write(TABLE, writes)
            return wait or None, deletion is not None

        return changing(
            lambda: {row.key: row for row in self._scan(f"build:{build}", f"{spending.KEY}!")},
            spend,
            subject=_BUDGET,
            lost=RACED,
            retry_after=_SOON,
        )

    def _deletion(self, row: Row | None, now: datetime) -> TableWrite | None:
        """The write that pays for a deletion; None where it must wait. Its row is among those that `_spend` reads."""
        spent = spending.read(row)
        if creations.wait(spent, self._deletions, now):
            return None
        return _put(spending.DELETIONS, row, spending.cells(creations.spend(spent, now)))

    def _spent(self, row: Row | None) -> Spent:
        """The creations so far. Where the row was lost, the copy of a pause of SecOps decides."""
        return (
            replace(spending.read(row), is_halted=True)
            if row is None and self._was_halted()
            else spending.read(row)
        )

    def _find(self, key: str) -> Row | None:
        return self._tables.find(TABLE, PARTITION, key)

    def _scan(self, first: str, last: str) -> Iterator[Row]:
        return rows.scan(self._tables, TABLE, PARTITION, first=first, last=last)


def _one_less(team: Row) -> TableWrite:
    """The team's row with one slot less. A team without a slot has no row, unless it counts the builds of a day."""
    count = counts.count_of(team) - 1
    if count > 0 or counts.counts_a_day(team):
        return _put(team.key, team, {"count": count})
    return TableWrite(verb=WriteKind.DELETE, row=team)


def _insert(key: str, cells: dict[str, Cell]) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=Row(partition=PARTITION, key=key, cells=cells))


def _put(key: str, row: Row | None, cells: dict[str, Cell]) -> TableWrite:
    kept = {} if row is None else row.cells  # a newer release may count more than this one knows
    new = Row(partition=PARTITION, key=key, cells={**kept, **cells}, etag="" if row is None else row.etag)
    return TableWrite(verb=WriteKind.INSERT if row is None else WriteKind.REPLACE, row=new)
