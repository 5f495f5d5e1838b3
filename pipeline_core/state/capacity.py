"""Slots as rows that are inserted if absent: who holds one, how many a team holds, creations per hour.

One partition holds `slot:N`, `build:ID`, `team:T` and `hour:H` rows, and each change of them is one
transaction on the ETags it was decided on: two dispatchers can never pass a limit together.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.dispatch import Capacity, PendingBuild
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.ports import Cell, Row, Tables, TableWrite, Verb

TABLE = "capacity"
_PARTITION = "slots"
_ROUNDS = 8  # tries on a counter that others change
_SOON = timedelta(seconds=1)
_LIMIT = 1000  # slots and teams, or holders, that one read covers: more slots than a subscription has groups


@unique
class Take(Enum):
    """What came of taking a slot."""

    TAKEN = "taken"  # by this call
    HELD = "held"  # the build has one already, which nothing counts twice
    RACED = "raced"  # another pass took the slot, or the last of a budget


@unique
class Release(Enum):
    """What came of giving a slot back."""

    FREED = "freed"  # somebody else may have it now
    NOT_HELD = "not-held"  # the build has none
    RACED = "raced"  # the rows were being changed by others: ask again


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What was read of the capacity, and the rows whose ETags a slot is taken on."""

    capacity: Capacity
    hour_key: str
    hour: Row | None
    teams: dict[str, Row]


class CapacityStore:
    """What builds may use at once, and who uses it."""

    def __init__(self, tables: Tables, *, slots: int, creates_per_hour: int, team_slots: int) -> None:
        self._tables = tables
        self._slots = slots
        self._creates_per_hour = creates_per_hour
        self._team_slots = team_slots

    @property
    def team_slots(self) -> int:
        """How many slots one team may hold at once."""
        return self._team_slots

    def read(self, now: datetime) -> Ledger:
        """What is free now, with the rows that a slot is taken on: two reads."""
        rows = self._tables.scan(TABLE, _PARTITION, first="slot:", last="team;", limit=_LIMIT)
        taken = {int(row.key.removeprefix("slot:")) for row in rows if row.key.startswith("slot:")}
        teams = {row.key.removeprefix("team:"): row for row in rows if row.key.startswith("team:")}
        hour = self._find(_hour(now))
        capacity = Capacity(
            free_slots=tuple(number for number in range(self._slots) if number not in taken),
            by_team={TeamName(team): _count_of(row) for team, row in teams.items()},
            creates_left=self._creates_per_hour - _count_of(hour),
        )
        return Ledger(capacity=capacity, hour_key=_hour(now), hour=hour, teams=teams)

    def take(self, slot: int, pending: PendingBuild, ledger: Ledger) -> Take:
        """Take a slot for a build, with one creation of this hour's budget.

        The ledger is brought up to date, so that the next build can be started on it.
        """
        team = str(pending.team)
        cells: dict[str, Cell] = {"build": str(pending.build), "team": team}
        hour, team_row = ledger.hour, ledger.teams.get(team)
        writes = [
            _insert(f"slot:{slot:04d}", cells),
            _insert(f"build:{pending.build}", {"slot": slot, "team": team}),
            _set_count(ledger.hour_key, hour, _count_of(hour) + 1),
            _set_count(f"team:{team}", team_row, _count_of(team_row) + 1),
        ]
        try:
            etags = self._tables.write(TABLE, writes)
        except (AlreadyExists, StaleWrite):
            return Take.HELD if self.holds(pending.build) else Take.RACED
        ledger.hour = replace(writes[2].row, etag=etags[2])
        ledger.teams[team] = replace(writes[3].row, etag=etags[3])
        return Take.TAKEN

    def holds(self, build: BuildId) -> bool:
        """True where the build has a slot."""
        return self._find(f"build:{build}") is not None

    def holders(self) -> tuple[BuildId, ...]:
        """Every build that has a slot."""
        rows = self._tables.scan(TABLE, _PARTITION, first="build:", last="build;", limit=_LIMIT)
        return tuple(BuildId(row.key.removeprefix("build:")) for row in rows)

    def count_create(self, now: datetime) -> bool:
        """Use one more creation of this hour's budget, for a later stage or attempt; False if it is used up.

        Raises TransientError where others keep using it at the same moment.
        """
        for _ in range(_ROUNDS):
            hour = self._find(_hour(now))
            if _count_of(hour) >= self._creates_per_hour:
                return False
            try:
                self._tables.write(TABLE, [_set_count(_hour(now), hour, _count_of(hour) + 1)])
            except (AlreadyExists, StaleWrite):
                continue
            return True
        raise TransientError(
            ErrorClass.CONFLICT, "the budget of creations is in use by others", retry_after=_SOON
        )

    def release(self, build: BuildId) -> Release:
        """Give the build's slot back; safe to repeat."""
        by_build = self._find(f"build:{build}")
        if by_build is None:
            return Release.NOT_HELD
        slot = self._find(f"slot:{int(by_build.cells['slot']):04d}")
        team = self._find(f"team:{by_build.cells['team']}")
        writes = [TableWrite(verb=Verb.DELETE, row=by_build)]
        if slot is not None and slot.cells.get("build") == str(build):
            writes.append(TableWrite(verb=Verb.DELETE, row=slot))
        if team is not None:
            writes.append(_set_count(team.key, team, max(0, _count_of(team) - 1)))
        try:
            self._tables.write(TABLE, writes)
        except StaleWrite:
            return Release.RACED
        return Release.FREED

    def _find(self, key: str) -> Row | None:
        return self._tables.find(TABLE, _PARTITION, key)


def _hour(now: datetime) -> str:
    return f"hour:{now:%Y%m%d%H}"


def _count_of(row: Row | None) -> int:
    return 0 if row is None else int(row.cells["count"])


def _insert(key: str, cells: dict[str, Cell]) -> TableWrite:
    return TableWrite(verb=Verb.INSERT, row=Row(partition=_PARTITION, key=key, cells=cells))


def _set_count(key: str, row: Row | None, count: int) -> TableWrite:
    etag = "" if row is None else row.etag
    new = Row(partition=_PARTITION, key=key, cells={"count": count}, etag=etag)
    return TableWrite(verb=Verb.INSERT if row is None else Verb.REPLACE, row=new)
