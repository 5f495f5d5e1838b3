"""(24) to (27), and (44): what failures that no team owns must not do, by the platform's own record of what failed why.

No class, owner or permanence that the factory names is looked at. A build failed by its input where the platform
knows that it did.
"""

import bisect
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.domain.names import ImageName
from pipeline_core.ports import NewContainerGroup, TableWrite, WriteKind
from simulation import rest, rows
from simulation.platform import COMPLIANCE, HYGIENE_CHECK
from simulation.trouble.outages import CREATION, SimulatedOutage
from simulation.world import SimulatedWorld

_IN_A_ROW = 3  # failures of an image's own inputs that open its breaker
_OPENED = "platform.breaker-opened"
_READ = timedelta(minutes=5)  # between the read of a policy and the write of a plan, with handlers between
_LIMIT = 1_000_000  # bytes of a document
_IN_A_WAIT = 2  # calls about one thing in a wait: of steps that had begun before it was written


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPlan:
    """When a build was planned, and the `verify` of its image's definition at that moment."""

    at: datetime
    verify: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFloor:
    """What SecOps demanded from `since` on, as their document says."""

    since: datetime
    score: int = 0
    severities: frozenset[str] = frozenset()

    def asks_less(self, than: "SeenFloor", check: str) -> bool:
        """True where a version that failed this check under the other floor may pass under this one."""
        return bool(than.severities - self.severities) or (check == COMPLIANCE and self.score < than.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAlert:
    """An alert: when, about which class and scope, and the outages that had struck the build whose failure raised it.

    Containers that are lost one by one raise alerts too, in any outage of something else: none of them is its alert.
    That holds also where the outage has struck this very build in other attempts: what an outage refuses or reports
    takes no container. So where the newest failure of the build is a container that was lost by itself, as the
    platform recorded it, only outages that take containers count.
    """

    at: datetime
    what: str
    causes: frozenset[SimulatedOutage]


@dataclass(slots=True, kw_only=True)
class Harm:
    """Watches the rows and creations of a world with outages."""

    world: SimulatedWorld
    alerts: list[SeenAlert] = field(default_factory=list)
    _limits: dict[str, tuple[str, int]] = field(default_factory=dict)  # machine size and timeout, by build
    _open: set[str] = field(default_factory=set)  # images with an open breaker
    _plans: dict[str, SeenPlan] = field(default_factory=dict)  # by build
    _ended: dict[str, datetime] = field(default_factory=dict)  # by build
    _losses: list[int] = field(default_factory=list)  # of all tables: how many alerts came before each
    _floors: list[SeenFloor] = field(default_factory=list)  # the one in force last

    def watch(self, name: str, given: tuple[Any, ...]) -> None:
        """Look at one call that had its effect."""
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                if write.verb is not WriteKind.DELETE:
                    self._look_at(write)
        elif name == "tables.write" and given[0] == "index":
            for write in given[1]:
                if (write.row.partition, write.row.key) == ("policy", "current"):
                    self._note_floor(write)
        elif name == CREATION:
            self._demand_new(given[0])

    def forget(self) -> None:
        """All tables are lost: an outage that still lasts may raise an alert once more.

        The breaker and the journal with the alert are among what no recovery knows (docs/adr/0018). So the factory
        cannot know that people were alerted.
        """
        self._losses.append(len(self.alerts))

    def violations(self) -> Sequence[str]:
        """(26) One alert for each outage and scope. (27) An outage hurts no more builds than run, and its probes.

        (44) What asks to wait is not asked again and again meanwhile.
        """
        return [*self._alerts(), *self._hurt(), *self._pestered()]

    def is_for_people(self, image: str) -> bool:
        """False where only the platform has hurt the image since its last success, which is a violation of (24).

        What people did is for people: they stopped a build, or took away the version of the input that is wanted now.
        """
        builds = [build for build in self.world.safety.builds.values() if build.image == image]
        if self.failures_in_a_row(image) or any(build.result == "cancelled" for build in builds):
            return True
        wanted, safety = rest.wanted_build(self.world, ImageName(image)), self.world.safety
        version = (image, "" if wanted is None else str(wanted.version))
        if version in safety.taken_away and version not in safety.given_back:
            return True
        self.world.blame(f"(24) {image} waits for a person, and nothing of it has failed by itself")
        return False

    def _look_at(self, write: TableWrite) -> None:
        key = write.row.key
        if key.startswith("claim:"):
            claim = rows.said_by(write.row)
            if claim["outcome"] == "failed":
                self._demand_own_fault(claim["build"]["value"])
        elif key == "head":
            self._look_at_head(rows.said_by(write.row))
        elif key.startswith("build:"):
            self._note_build(rows.said_by(write.row))
        elif key.startswith("entry:"):
            entry = rows.said_by(write.row)
            if entry["event"] == _OPENED:
                what = str(entry["detail"]).partition(" since ")[0]
                self._note_alert(what, entry["build"]["value"])

    def _note_alert(self, what: str, build: str) -> None:
        causes = self.world.platform.outages.causes_of(build)
        self.alerts.append(SeenAlert(at=self.world.ports.clock.now(), what=what, causes=causes))

    def _demand_own_fault(self, build: str) -> None:
        """(24) An input is blocked for good only where it failed by itself."""
        if build not in self.world.platform.team_failed and not self._is_of_gate(build):
            self.world.blame(f"(24) {build} is blocked for good, and nothing of its input has failed")

    def _is_of_gate(self, build: str) -> bool:
        """True where a policy demanded what no image reaches, which the platform cannot know."""
        seen = self.world.safety.builds.get(build)
        policies = any(chapter.name == "policies" for chapter in self.world.chapters)
        return policies and seen is not None and seen.is_verified

    def _look_at_head(self, head: Mapping[str, Any]) -> None:
        image = head["registration"]["name"]["value"]
        if head["breaker"] is None:
            self._open.discard(image)
            return
        if image in self._open:
            return
        self._open.add(image)
        own = self.failures_in_a_row(image)
        if own < _IN_A_ROW:
            self.world.blame(
                f"(24) the breaker of {image} is open, and {own} of its builds failed by themselves"
            )

    def failures_in_a_row(self, image: str) -> int:
        """The builds of the image since its last success that failed by their input."""
        platform, own = self.world.platform, 0
        for build in self.world.safety.builds.values():
            if build.image != image:
                continue
            if build.result == "succeeded":
                own = 0
            elif build.result == "failed" and (
                build.id in platform.team_failed or self._is_of_gate(build.id)
            ):
                own += 1
        return own

    def _note_build(self, row: Mapping[str, Any]) -> None:
        build, now = row["id"]["value"], self.world.ports.clock.now()
        if build not in self._plans:
            self._plans[build] = SeenPlan(at=now, verify=self._verify_of(row["image"]["value"]))
        if row["phase"] == "finished":
            self._ended.setdefault(build, now)

    def _verify_of(self, image: str) -> object:
        """What the definition asks of a version now. The plan and the head are written in one transaction."""
        head = self.world.ports.tables.find("images", image, "head")
        if head is None:
            return None
        digest = rows.said_by(head)["registration"]["definition"]["value"]
        content = json.loads(self.world.ports.blobs.read("definitions", f"{digest}.json", limit=_LIMIT))
        return content["document"]["spec"].get("verify")

    def _note_floor(self, write: TableWrite) -> None:
        version, now = rows.said_by(write.row), self.world.ports.clock.now()
        if not version["revision"]:
            return  # there is no policy yet
        name = f"policies/{version['digest']['value']}.json"
        document = json.loads(self.world.ports.blobs.read("definitions", name, limit=_LIMIT))
        asked = document["spec"].get("compliance", {})
        severities = frozenset(asked.get("alwaysFail", ()))
        self._floors.append(SeenFloor(since=now, score=asked.get("minScore", 0), severities=severities))

    def _in_force(self, first: datetime, last: datetime) -> Sequence[SeenFloor]:
        """The floors of this time, each end included."""
        begun = [floor for floor in self._floors if floor.since <= last]
        over = [floor for floor, successor in itertools.pairwise(begun) if successor.since <= first]
        return begun[len(over) :]

    def _demand_new(self, new: NewContainerGroup) -> None:
        """(25) An input that failed by itself is not built again with the same limits and checks."""
        digest = new.environment["IF_JOB"]
        job, safety = rows.job_of(self.world.ports.blobs, digest), self.world.safety
        if job.stage == "build":
            self._limits[job.build] = (job.placement.vm_size, job.timeout_seconds)
        build = safety.builds.get(job.build)
        if build is None or (build.image, build.fingerprint) in safety.pruned:
            return
        name = job.build.rpartition(".")[0]
        for other in self.world.platform.team_failed:
            known = safety.builds.get(other)
            if other.rpartition(".")[0] != name or known is None or known.result != "failed":
                continue
            later = [f"{name}.{number}" for number in range(known.generation + 1, build.generation + 1)]
            if not any(self._is_renewed(other, each) for each in later):
                self.world.blame(f"(25) {job.build} is started again, although {other} failed by its input")

    def _is_renewed(self, failed: str, build: str) -> bool:
        """True where `build` has other limits than `failed` had, or may pass the check that `failed` did not pass.

        Its team asked something else of a version when it was planned, or SecOps demanded less. Neither helps an input
        of which a step failed. The team's `verify` also asks for waivers of what the check at the end of the build
        finds. SecOps' floor has no part in that check.
        """
        limits = self._limits.get(failed)
        if limits is not None and self._limits.get(build, limits) != limits:
            return True
        check = self.world.platform.team_failed[failed]
        before, after = self._plans.get(failed), self._plans.get(build)
        if not check or before is None or after is None:
            return False
        if before.verify != after.verify:
            return True
        if check == HYGIENE_CHECK:
            return False
        judged_by = self._in_force(before.at, self._ended.get(failed, after.at))
        floors = self._in_force(after.at - _READ, after.at)
        return any(floor.asks_less(other, check) for floor in floors for other in judged_by)

    def _alerts(self) -> list[str]:
        """Between two losses of the tables, each outage that overlaps may be the cause of one more alert."""
        known, found = self.world.platform.outages.known, []
        numbered = [(each, bisect.bisect(self._losses, n)) for n, each in enumerate(self.alerts)]
        for outage in known:
            raised = Counter(
                (alert.what, life)
                for alert, life in numbered
                if outage in alert.causes and _is_within(alert.at, outage)
            )
            for (what, _), count in sorted(raised.items()):
                if count > 1 + sum(_overlap(outage, other) for other in known if other is not outage):
                    found.append(f"(26) {count} alerts about {what} during {outage.describe()}")
        return found

    def _hurt(self) -> list[str]:
        found = []
        for outage in self.world.platform.outages.known:
            failed = sorted(each for each in outage.struck if self._has_failed(each))
            most = self.world.safety.slots + probes(outage)
            if len(failed) > most:
                found.append(f"(27) {outage.describe()} hurt {len(failed)} builds, {most} are its bound")
        return found

    def _pestered(self) -> list[str]:
        return [
            f"(44) {outage.describe()} was asked {count} times again before {until:%d %H:%M}: {what}"
            for outage in self.world.platform.outages.known
            for (what, until), count in outage.pestered.items()
            if count > _IN_A_WAIT
        ]

    def _has_failed(self, name: str) -> bool:
        build = self.world.safety.builds.get(name)
        return build is not None and build.result == "failed"


def probes(outage: SimulatedOutage) -> int:
    """How many probes there are while it lasts: after 1, 2, 4, ... and at most 30 minutes."""
    count, wait, left = 0, timedelta(minutes=1), outage.length
    while left > timedelta(0):
        count, left, wait = count + 1, left - wait, min(2 * wait, timedelta(minutes=30))
    return count


def _is_within(at: datetime, outage: SimulatedOutage) -> bool:
    return outage.since is not None and outage.until is not None and outage.since <= at <= outage.until


def _overlap(one: SimulatedOutage, other: SimulatedOutage) -> bool:
    if one.since is None or one.until is None or other.since is None or other.until is None:
        return True
    return one.since <= other.until and other.since <= one.until
