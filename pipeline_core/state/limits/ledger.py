"""The capacity as one read of its partition gives it, and what the rows of slots and teams say in it."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime

from pipeline_core.domain import creations
from pipeline_core.domain.capacity import NO_TEAM_SLOTS, Capacity, TeamSlots
from pipeline_core.domain.creations import Budget
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.machine_sizes import ASSUMED_CORES
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Cell, Row
from pipeline_core.state import creations as spending

CORES = "cores"  # the cell of a slot's row; rows of older releases have none
_DAY = "day"
_BEGUN = "begun"
_UNSEEN = 1_000_000  # cores of a slot that is counted and was not read: then none are left in this pass


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The capacity as it was read, and the rows whose ETags a slot is taken on. Each take updates it.

    `cores` are those of the slots that were read. `has_breakers` is true where platform breakers have rows, which only
    then are worth a read. `is_halted` is true where no row says anything about a pause of SecOps, and the copy of it
    does.
    """

    now: datetime
    slots: int
    budget: Budget
    taken: set[int] = field(default_factory=set)
    teams: dict[TeamName, Row] = field(default_factory=dict)
    cores: dict[TeamName, list[int]] = field(default_factory=dict)
    spent: Row | None = None
    team_slots: TeamSlots = NO_TEAM_SLOTS
    has_breakers: bool = False
    is_halted: bool = False

    def add_slot(self, row: Row) -> None:
        """Take the row of a slot in use."""
        self.taken.add(int(row.key.partition(":")[2]))
        cores = int(row.cells.get(CORES, ASSUMED_CORES))
        self.cores.setdefault(TeamName(str(row.cells["team"])), []).append(cores)

    def row_after_start(self, pending: PendingBuild) -> dict[str, Cell]:
        """The cells of the team's row with one more slot. The day is counted where the policy limits it."""
        row = self.teams.get(pending.team)
        cells: dict[str, Cell] = {"count": count_of(row) + 1}
        if self.team_slots.of(pending.team).builds_per_day is not None:
            cells |= {_DAY: self.now.date().isoformat(), _BEGUN: begun_on(row, self.now.date()) + 1}
        return cells

    @property
    def capacity(self) -> Capacity:
        """The free capacity."""
        spent = spending.read(self.spent)
        if self.is_halted:
            spent = replace(spent, is_halted=True)
        today = self.now.date()
        return Capacity(
            free_slots=tuple(number for number in range(self.slots) if number not in self.taken),
            by_team={team: count_of(row) for team, row in self.teams.items()},
            creates_left=creations.left(spent, self.budget, self.now),
            starts=spent.starts,
            team_slots=self.team_slots,
            cores={team: self._cores_of(team) for team in self.teams},
            begun={team: begun_on(row, today) for team, row in self.teams.items()},
        )

    def _cores_of(self, team: TeamName) -> int:
        """Another pass may take a slot between two pages of the read: its team is counted, and its cores are not."""
        seen = self.cores.get(team, [])
        return sum(seen) + _UNSEEN * max(0, count_of(self.teams[team]) - len(seen))


def count_of(row: Row | None) -> int:
    """The slots that a team holds, as its row says."""
    return 0 if row is None else int(row.cells["count"])


def begun_on(row: Row | None, day: date) -> int:
    """How many builds of a team have begun on a day, as its row says; zero for another day than the row's."""
    return int(row.cells[_BEGUN]) if row is not None and row.cells.get(_DAY) == day.isoformat() else 0


def counts_a_day(row: Row) -> bool:
    """True for a team's row that must stay although the team holds no slot."""
    return _DAY in row.cells


def is_over(row: Row, today: date) -> bool:
    """True for the row of a team that holds no slot, and whose day has ended: it says nothing any more."""
    return count_of(row) == 0 and str(row.cells.get(_DAY, "")) < today.isoformat()
