"""SecOps puts policies in force, raises and lowers their floors, and sometimes demands what no image reaches.

The chapter keeps its own record of what SecOps demanded and when. It reads the scans in the simulated builder's
reports.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain import attempts
from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.wire.report import REPORT_LIMIT
from simulation import fleet, rows
from simulation.chapters.chapter import Chapter, Happening
from simulation.faults import Killed
from simulation.world import ADMIN

if TYPE_CHECKING:
    from simulation.story import SeedStory

_COMPLIANCE = {"profile": "cis_server_l1", "ratchet": 0}
_SPEC = {
    "sources": [fleet.SOURCE, fleet.SECOND, fleet.BUSY],
    "regions": ["westeurope"],
}
# A version is judged by the floor of the moment at which its report is read: clocks differ, and handlers take long.
_JUDGED = timedelta(minutes=10)

_BUILT = timedelta(minutes=30)  # a build that begins at once is judged within this time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    """What SecOps demanded, and since when."""

    since: datetime
    score: int
    severity: str

    def breach(self, scan: Mapping[str, Any]) -> str:
        """What a reported scan lacks; empty where it lacks nothing."""
        if scan["score"] < self.score:
            return f"it scored {scan['score']}, and {self.score} are demanded"
        failed = [each["rule"] for each in scan["findings"] if each["severity"] == self.severity]
        return f"{failed[0]} failed, and {self.severity} rules always fail" if failed else ""


class PolicyChanges(Chapter):
    """A severity that always fails fails whatever is built meanwhile: the simulated scans find it. It is taken back."""

    name: ClassVar[str] = "policies"
    rate: ClassVar[float] = 0.4
    needs_sweep: ClassVar[bool] = True  # no event says that a floor has fallen

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._demands: list[_Demand] = []  # in the order in which SecOps made them
        self._phases: dict[str, str] = {}  # of builds, as their rows say
        self._below: dict[tuple[str, str], str] = {}  # versions that passed their gates, and what they lack

    def happenings(self) -> list[Happening]:
        """Mostly floors that everything reaches."""
        return [
            (2, self._reachable),
            (1, self._out_of_reach),
            (2, self._edit_out_of_reach),
            (1, self._ask_for_less),
        ]

    def end(self) -> None:
        """SecOps takes back what no image reaches."""
        if self.world.base.records.policies.find_current() is not None:
            self._reachable()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(38) What was below the floor when it was judged never gets into `latest`."""
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                if write.row.key.startswith("build:") and write.verb is not WriteKind.DELETE:
                    self._look_at_build(write)
        elif name == "galleries.set_excluded" and not named["excluded"] and given[0] in self.world.live:
            lacks = self._below.get((str(given[1]), str(given[2])))
            if lacks is not None:
                self.world.blame(f"(38) {given[1]}@{given[2]} is in latest, below the floor: {lacks}")

    def _look_at_build(self, write: TableWrite) -> None:
        build = rows.said_by(write.row)
        name, phase = build["id"]["value"], build["phase"]
        before, self._phases[name] = self._phases.get(name), phase
        if phase != "publishing" or before == phase:
            return
        folder = attempts.folder(BuildId(name), "verify", build["verify_attempt"])
        report = self.world.ports.blobs.read("builds", f"{folder}/{attempts.REPORT}", limit=REPORT_LIMIT)
        scan, demands = json.loads(report)["scan"], self._in_force()
        breaches = [each.breach(scan) for each in demands]
        if demands and all(breaches):
            version = build["version"]
            number = f"{version['major']}.{version['day']}.{version['sequence']}"
            self._below[build["image"]["value"], number] = breaches[-1]

    def _in_force(self) -> list[_Demand]:
        """The demand in force, and all that were in force within the time that a judgement may take."""
        since = self.world.ports.clock.now() - _JUDGED
        older = [each for each in self._demands if each.since <= since]
        younger = [each for each in self._demands if each.since > since]
        if older:
            return [older[-1], *younger]
        return [] if len(younger) == len(self._demands) else younger

    def _edit_out_of_reach(self) -> None:
        """A team edits its image while nothing can reach the floor."""
        self._out_of_reach()
        self.world.run_until(self.world.ports.clock.now() + _JUDGED)
        name = self.chance.choice(sorted(self.story.parents))
        self.story.texts[name] = f"below-{self.chance.randrange(10**6)}"
        self.story.register(name)
        self.world.run_until(self.world.ports.clock.now() + _BUILT)

    def _ask_for_less(self) -> None:
        """(38) A team registers a lower score than the floor, and is refused."""
        name = self.chance.choice(sorted(self.story.parents))
        head = self.world.base.records.images.find_head(ImageName(name))
        if not self._demands or head is None:
            return
        keys: dict[str, Any] = {}
        for chapter in self.story.chapters:
            keys |= chapter.document(name)
        document = fleet.document(name, self.story.parents[name], **keys)
        less = self._demands[-1].score - 1
        document["spec"]["verify"]["compliance"]["minScore"] = less
        try:
            self.world.factory.registrar.register(
                ImageName(name),
                document,
                head.value.registration.bundle,
                ADMIN,
                expected=head.value.document_etag,
                create_only=False,
            )
        except (FactoryError, Killed):
            return
        self.world.blame(f"(38) {name} may demand a score of {less}, although that is below the floor")

    def _reachable(self) -> None:
        self._set(self.chance.choice((60, 80, 90)), "high")

    def _out_of_reach(self) -> None:
        self._set(80, "medium")

    def _set(self, score: int, severity: str) -> None:
        spec = {**_SPEC, "compliance": {**_COMPLIANCE, "minScore": score, "alwaysFail": [severity]}}
        self.story.put_policy(spec)
        self._demands.append(_Demand(since=self.world.ports.clock.now(), score=score, severity=severity))
