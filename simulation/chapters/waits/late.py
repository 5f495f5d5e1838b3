"""Many urgent builds keep coming, and one that is not urgent waits behind them: it has its turn all the same.

The chapter keeps its own record of who waits since when, from the rows of builds, and counts the builds that begin
meanwhile. It does not look at the lines of the factory, but for rows that are left in them.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.names import Region
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.state.reading import cells
from simulation import fleet
from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

BUSY = MarketplaceSource(**fleet.BUSY, location=Region("westeurope"))
_QUIET = "quiet"
_LATE = timedelta(hours=1)  # of waiting
# The sweep finds that a build is late. It may fail for a while, and a row of a process that died comes later.
_FOUND = timedelta(minutes=45)
_EVERY = 5  # one start in this number is for the build that has waited longest
_LONGEST = timedelta(hours=4)
_STEP = timedelta(minutes=10)
_FIRST = timedelta(minutes=4)  # in which the others come first


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """A build that waits. `begun` counts the builds that began since it is late and its team has room."""

    id: str
    team: str
    since: datetime
    begun: int = 0
    most: int = 0  # how many may begin: five for each build that was late before it, and for itself


class LateBuilds(Chapter):
    """At most once in a story, roots of a source with a release every ten minutes take every slot for hours."""

    name: ClassVar[str] = "late"
    rate: ClassVar[float] = 0.1
    needs_sweep: ClassVar[bool] = True  # no event says that a build has waited for long

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._is_left = True
        self._releases = 0
        self._busy: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}

    def document(self, image: str) -> Mapping[str, Any]:
        """The roots that are built all the time have a source of their own."""
        return {"source": fleet.BUSY} if image in self._busy else {}

    def may_be_parent(self, image: str) -> bool:
        """These images are deleted again."""
        return image not in self._busy and image != _QUIET

    def happenings(self) -> Sequence[Happening]:
        """At most one such afternoon."""
        return ((1, self._crowd),) if self._is_left else ()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(43) A build that has waited long is overtaken by a few builds at most, while its team has room."""
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                if write.row.key.startswith("build:") and write.verb is not WriteKind.DELETE:
                    self._look_at(write)

    def _crowd(self) -> None:
        """Two roots more than can run at once, so that some of them always wait."""
        self._is_left, parents = False, self.story.parents
        self._publish()
        most = min(self.world.safety.slots, self.world.base.records.capacity.team_slots)
        self._busy = {f"busy-{number}" for number in range(most + 2)}
        for name in sorted(self._busy):
            parents[name] = None
            self.story.register(name)
        self.world.run_until(self.world.ports.clock.now() + _FIRST)
        parents[_QUIET] = None
        self.story.register(_QUIET)
        end = self.world.ports.clock.now() + _LONGEST
        while self._is_behind() and self.world.ports.clock.now() < end:
            self.world.run_until(self.world.ports.clock.now() + _STEP)
            self._publish()
        self._disperse()

    def _is_behind(self) -> bool:
        """True until the quiet root begins its first build."""
        builds = [build for build in self.world.safety.builds.values() if build.image == _QUIET]
        return all(build.phase == "pending" for build in builds)

    def _disperse(self) -> None:
        """The images are deleted, but for those whose build cannot be waited for."""
        for _ in range(6):
            self.world.run_until(self.world.ports.clock.now() + 2 * _STEP)
            left = [name for name in (*sorted(self._busy), _QUIET) if name in self.story.parents]
            if not [name for name in left if not self.story.delete(name)]:
                return

    def _publish(self) -> None:
        self._releases += 1
        version = f"9.{self._releases}.20260{400 + self._releases:03d}11"
        self.world.ports.marketplace.publish(BUSY, MarketplaceVersion.parse(version))

    def _look_at(self, write: TableWrite) -> None:
        row = json.loads(cells.joined(write.row.cells) or "{}")
        name = row["id"]["value"]
        if row["phase"] == "pending" and not row["cancel"]:
            since = datetime.fromisoformat(row["waits_since"] or row["created_at"])
            self._waiting.setdefault(name, _Waiting(id=name, team=row["team"]["value"], since=since))
            return
        known = self._waiting.pop(name, None)
        if known is not None and row["phase"] == "building":
            self._count(known)

    def _count(self, begun: _Waiting) -> None:
        """One build has begun: it has overtaken those that are late and could have begun."""
        late = self.world.ports.clock.now() - _LATE - _FOUND
        waiting = [each for each in self._waiting.values() if each.since < late and self._still_waits(each)]
        if not waiting:
            return
        is_held, teams = self._is_held(), self._teams(begun)
        for each in waiting:
            if is_held or any(chapter.may_wait(each.team) for chapter in self.story.chapters):
                each.begun = 0
                continue
            if teams.get(each.team, 0) >= self.world.base.records.capacity.team_slots:
                each.most += _EVERY  # this start may have been its turn
                continue
            if not each.begun:
                each.most = _EVERY * (1 + self._before(each))
            each.begun += 1
            if each.begun == each.most + 1:
                text = f"(43) {each.id} waits since {each.since:%d %H:%M} and is overtaken"
                self.world.blame(f"{text} by more than {each.most} builds, although its team has room")

    def _still_waits(self, waiting: _Waiting) -> bool:
        """False for a build that was lost with the tables."""
        known = self.world.safety.builds.get(waiting.id)
        return known is not None and known.phase == "pending"

    def _is_held(self) -> bool:
        """True where an outage may hold builds back, or a row cannot be read."""
        if self.world.unreadable:
            return True
        rows = (row for row in self.world.ports.tables.rows("capacity") if row.key.startswith("stop:"))
        return any('"opened_at":null' not in (cells.joined(row.cells) or "") for row in rows)

    def _teams(self, begun: _Waiting) -> Mapping[str, int]:
        """The slots of each team as they were before this build had its own."""
        rows = (row for row in self.world.ports.tables.rows("capacity") if row.key.startswith("team:"))
        counts = {row.key.removeprefix("team:"): int(row.cells["count"]) for row in rows}
        return {**counts, begun.team: counts.get(begun.team, 1) - 1}

    def _before(self, waiting: _Waiting) -> int:
        """How many builds that wait are older, with those that have ended and whose rows are still to be removed."""
        rows = (row for row in self.world.ports.tables.rows("index") if row.partition == "pending")
        built = (json.loads(cells.joined(row.cells) or "{}")["build"]["value"] for row in rows)
        dead = set(built) - self._waiting.keys()
        return len(dead) + sum(each.since <= waiting.since for each in self._waiting.values()) - 1
