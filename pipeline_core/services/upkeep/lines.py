"""The builds that wait for a slot, as the rows of their lines show them, without a read of any build.

It decides which of them need something from the sweep: a row in the line of late builds, or a look at their own row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline_core.domain import dispatch
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.names import BuildId, CampaignId, ImageName, TeamName
from pipeline_core.services.upkeep.turns import share_of

_LATE_LINE = 100  # rows of one team in the line of late builds: only the first of them are started
MOST_ADDED = 25  # rows added to it in one sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingBuild:
    """One build in a line. `row` is the oldest of its rows; `campaign` is None where an older release wrote it.

    `held_by` is the key of the platform breaker that holds it back; empty where it is in a line of the dispatcher.
    """

    row: PendingBuild
    since: datetime
    is_late: bool
    held_by: str = ""

    @property
    def build(self) -> BuildId:
        """The build."""
        return self.row.build

    @property
    def image(self) -> ImageName:
        """Its image."""
        return self.row.build.image

    @property
    def team(self) -> TeamName:
        """Its team."""
        return self.row.team

    @property
    def campaign(self) -> CampaignId | None:
        """Its campaign."""
        return self.row.campaign


@dataclass(slots=True, kw_only=True)
class Lines:
    """Every waiting build, by its id."""

    waiting: dict[BuildId, WaitingBuild] = field(default_factory=dict)

    def take(self, row: PendingBuild, held_by: str = "") -> bool:
        """Take a row of any line. False where its key does not say since when it waits: then its build is read.

        A build that a breaker holds back needs nothing from the sweep. Take these rows last: one that is in a line as
        well is on its way back.
        """
        known, since = self.waiting.get(row.build), row.since
        if since is None:
            return False
        if known is None:
            self.waiting[row.build] = WaitingBuild(row=row, since=since, is_late=row.is_late, held_by=held_by)
        elif row.is_late and not held_by:
            self.waiting[row.build] = replace(known, is_late=True)
        return True

    def remove(self, build: BuildId) -> None:
        """This build does not wait any more, whatever the row says."""
        self.waiting.pop(build, None)

    def aging(self, now: datetime) -> Sequence[PendingBuild]:
        """The rows to add to the line of late builds, the oldest builds first: a few of each team, and few in all."""
        room: dict[TeamName, int] = {}
        for each in self.waiting.values():
            room[each.team] = room.get(each.team, _LATE_LINE) - each.is_late
        chosen: list[PendingBuild] = []
        for each in sorted(self.waiting.values(), key=_age):
            if len(chosen) == MOST_ADDED or now < each.since + dispatch.LATE_AFTER:
                break
            if each.is_late or each.held_by or room[each.team] <= 0:
                continue
            room[each.team] -= 1
            chosen.append(replace(each.row, key=dispatch.late_key(each.since, each.build)))
        return chosen


def in_turn(builds: Iterable[WaitingBuild], turn: int, most: int) -> list[WaitingBuild]:
    """Some of the builds, others in each turn, until each has had its turn."""
    return share_of(sorted(builds, key=_name), turn, most)


def _age(waiting: WaitingBuild) -> tuple[datetime, str]:
    return waiting.since, str(waiting.build)


def _name(waiting: WaitingBuild) -> str:
    return str(waiting.build)
