"""Several teams, each with a limit of slots: what a team builds is on SecOps' images, and it never takes all slots.

In some stories SecOps' policy also limits the cores of each team, and the builds that its images begin on one day. The
chapter keeps its own record of what was demanded and when. It reads sizes from the definitions, and lanes from the rows
of builds.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.names import BuildId
from pipeline_core.ports import Row, TableWrite, WriteKind
from simulation import fleet, rows
from simulation.chapters.chapter import Chapter

if TYPE_CHECKING:
    from simulation.story import SeedStory

SECOPS = "secops"
TEAMS = ("payments", "search", "risk")
_SHARE = 0.5  # of the stories with such limits
_CORES = (4, 5)  # the largest size of a simulated machine has four, the smallest two
_BUILDS = (3, 5, 9)
_COPY = "slots-of-teams"  # the row from which a pass knows the limits; it is lost with the tables
# A pass may begin builds by the limits, and on the day, of the moment at which it began: clocks differ, too.
_PASS = timedelta(minutes=10)
_NUMBER = re.compile(r"\d+")
_LIMIT = 128 * 1024  # bytes of a definition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    """The limits of each team that SecOps demanded, and since when. None: no limit."""

    since: datetime
    cores: int | None = None
    builds: int | None = None


class TeamLimits(Chapter):
    """Images without children belong to teams, all others to SecOps, so that nobody builds on another team's image."""

    name: ClassVar[str] = "teams"
    rate: ClassVar[float] = 0.3

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._owned: dict[str, str] = {}
        # A chance of its own, so that the teams of a story are the same with and without limits.
        self._own = random.Random(f"limits {chance.getstate()[1][:3]}")  # noqa: S311 - the same in each run
        self._is_limited = self._own.random() < _SHARE
        self._demands: list[_Demand] = []  # in the order in which SecOps made them
        self._coming: _Demand | None = None  # while SecOps write it
        self._begun: Counter[tuple[str, str]] = Counter()  # by team and day

    def document(self, image: str) -> Mapping[str, Any]:
        """The team of an image never changes, although its place in the lineage may."""
        if image not in self._owned:
            is_parent = image in self.story.parents.values() or self.story.parents[image] is None
            self._owned[image] = SECOPS if is_parent else self.chance.choice(TEAMS)
        return {"team": self._owned[image]}

    def may_be_parent(self, image: str) -> bool:
        """SecOps' images are approved for everybody, a team's for itself alone."""
        return self._owned.get(image, SECOPS) == SECOPS

    def may_wait(self, team: str) -> bool:
        """True while the policy limits the teams, and for a while after it."""
        return team in TEAMS and any(each.cores or each.builds for each in self._in_force())

    def begin(self) -> None:
        """The limits hold from the first registration on."""
        if self._is_limited:
            self._demand()

    def act(self) -> None:
        """SecOps change the limits now and then."""
        if self._is_limited and self._own.random() < self.rate:
            self._demand()

    def end(self) -> None:
        """The limits are taken back: a build that waits for another day does not come to rest."""
        if self._is_limited:
            self._put(None, None)

    def forget(self) -> None:
        """The counts of the day are lost with the tables."""
        self._begun.clear()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(4) A team never holds more slots than its limit. (47) Nor more cores. (48) Nor more begun builds a day."""
        if name == "tables.write" and given[0] == "capacity":
            self._count()
            for write in given[1]:
                if write.verb is WriteKind.INSERT and write.row.key.startswith("slot:"):
                    self._look_at_start(write)

    def _slots(self) -> list[Row]:
        return [row for row in self.world.ports.tables.rows("capacity") if row.key.startswith("slot:")]

    def _count(self) -> None:
        limit = self.world.base.records.capacity.team_slots
        for team, count in Counter(str(row.cells["team"]) for row in self._slots()).items():
            if count > limit:
                self.world.blame(f"(4) the team {team} holds {count} slots, {limit} are its limit")

    def _look_at_start(self, write: TableWrite) -> None:
        team, build = str(write.row.cells["team"]), str(write.row.cells["build"])
        demands = self._in_force()
        if (
            team not in TEAMS
            or not demands
            or self.world.ports.tables.find("capacity", "slots", _COPY) is None
        ):
            return
        sizes = [
            self._cores_of(str(row.cells["build"])) for row in self._slots() if row.cells["team"] == team
        ]
        most = [each.cores for each in demands]
        if len(sizes) > 1 and all(limit is not None and sum(sizes) > limit for limit in most):
            text = f"(47) the builds of team {team} have {sum(sizes)} cores with {build}"
            self.world.blame(f"{text}, and {most[-1]} are its limit")
        self._count_day(team, build, [each.builds for each in demands])

    def _count_day(self, team: str, build: str, most: Sequence[int | None]) -> None:
        now = self.world.ports.clock.now()
        if (now - _PASS).date() != (now + _PASS).date():
            return  # nobody can tell to which day the build belongs
        day = f"{now:%Y-%m-%d}"
        self._begun[team, day] += 1
        count, row = self._begun[team, day], self._row_of(build)
        if row is None or rows.said_by(row)["lane"] == 0:
            return
        if all(limit is not None and count > limit for limit in most):
            self.world.blame(
                f"(48) the team {team} begins {build} as build {count} of {day}, {most[-1]} are allowed"
            )

    def _cores_of(self, build: str) -> int:
        """The number in the name of the size, as every size of the simulation has it."""
        row = self._row_of(build)
        if row is None:
            return 0
        digest = rows.said_by(row)["definition"]["value"]
        blob = self.world.ports.blobs.read("definitions", f"{digest}.json", limit=_LIMIT)
        size = json.loads(blob)["document"]["spec"]["build"].get("vmSize", fleet.SIZE)
        found = _NUMBER.search(size)
        return int(found[0]) if found else 0

    def _row_of(self, build: str) -> Row | None:
        return self.world.ports.tables.find("images", str(BuildId(build).image), f"build:{build}")

    def _in_force(self) -> list[_Demand]:
        """The demand in force, and all that were in force within the time that a pass may take."""
        since = self.world.ports.clock.now() - _PASS
        older = [each for each in self._demands if each.since <= since]
        younger = [each for each in self._demands if each.since > since]
        return [*older[-1:], *younger, *([] if self._coming is None else [self._coming])]

    def _demand(self) -> None:
        self._put(self._own.choice(_CORES), self._own.choice(_BUILDS))

    def _put(self, cores: int | None, builds: int | None) -> None:
        """While the policy is being written, the old limits may hold as well as the new ones."""
        own = {"cores": cores, "buildsPerDay": builds}
        limits = {
            "teams": {team: {key: most for key, most in own.items() if most is not None} for team in TEAMS}
        }
        self._coming = _Demand(since=self.world.ports.clock.now(), cores=cores, builds=builds)
        self.story.put_policy({"limits": limits})
        self._demands.append(replace(self._coming, since=self.world.ports.clock.now()))
        self._coming = None
