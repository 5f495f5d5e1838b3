"""Does the work of Azure and the builder in a simulated world: containers run, report, and make versions.

This builder does not run Packer. It keeps the builder's contract (marker, log, report, one event) and reports results
as `simulated`. It keeps its own record of what it did. The invariants are checked against this record.
"""

import contextlib
import hashlib
import heapq
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain import attempts
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, TransientError
from pipeline_core.domain.names import BuildId, GalleryName, ImageName, Region
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import (
    GalleryImageVersion,
    GroupState,
    NewContainerGroup,
    TaggedResource,
    VersionState,
)
from pipeline_core.wire import messages
from pipeline_core.wire.job import BuildJob, MarketplaceImage
from pipeline_core.wire.report import BuildReport, ReportedCheck
from simulation import rows, scans
from simulation.chapters.inputs import brought
from simulation.faults import Injector, Kind
from simulation.region import BudgetedContainers
from simulation.trouble.outages import OutageRecord, ReportedCause, SimulatedOutage

TEAMS_OWN = ReportedCause(
    error_class=ErrorClass.PROVISIONER.value, message="the simulated provisioner failed", is_of_input=True
)
_STOPPED = ReportedCause(error_class=ErrorClass.EVICTION.value, message="the simulated builder was stopped")
_GONE = ReportedCause(
    error_class=ErrorClass.NOT_FOUND.value,
    message="PlatformImageNotFound: the platform image is not available",
)
_LACKS = ReportedCause(
    error_class=ErrorClass.UNKNOWN.value, message="the file of a tool is not in the container catalog"
)
COMPLIANCE = "compliance"  # the check of the machine by a scan
HYGIENE_CHECK = "hygiene-check"  # ends the build stage: what it refuses has no version, and no scan
_LOW = 50  # the score of a scan that is below every floor
_CHECKS = ("boot", "hygiene", "goss", "smoke")
_STAGE = {"build": timedelta(minutes=8), "verify": timedelta(minutes=4)}
_JITTER = 0.3  # of a stage's duration, shorter or longer
_BEAT = timedelta(minutes=4)  # between two lines of the log
MANAGED_IMAGE = "Microsoft.Compute/images"
_LEFT = (
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Compute/disks",
)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One container: its job, its behaviour, whether that is of an outage, and whether it got the signal to stop."""

    group: str
    job: BuildJob
    fault: Kind | None
    wanted: NewContainerGroup
    is_of_outage: bool = False
    lacks: bool = False  # the file of a tool was not there when it began
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class SimulatedContainers:
    """Runs the containers that the factory created.

    `failing` names images with a stage that fails permanently. `broken` is the share of inputs that fail permanently,
    each by one of `teams_own`, which are failures of a team. `outages` are the platform's. `scores` are the
    compliance scores of images that do not have the usual score.
    """

    ports: MemoryPorts
    chance: random.Random
    injector: Injector
    outages: OutageRecord
    failing: Mapping[tuple[str, str], str] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)
    broken: float = 0.0
    tries_ports: bool = True  # a builder of an older release does not
    teams_own: tuple[ReportedCause | str, ...] = (TEAMS_OWN,)  # a text names a check of the machine
    made: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)  # its build and attempt
    proved: set[tuple[str, str]] = field(default_factory=set)  # versions that passed every check on a machine
    failed_inputs: set[str] = field(default_factory=set)  # image.fingerprint[:12] that failed permanently
    team_failed: dict[str, str] = field(
        default_factory=dict
    )  # builds of which an attempt reported such a failure, and the check that failed: empty for a step
    found_nothing: set[str] = field(default_factory=set)  # builds that did not find their release
    _runs: dict[str, _Run] = field(default_factory=dict)
    _due: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    _seen: int = 0
    _number: int = 0

    def next_end(self) -> datetime | None:
        """The time of the next event. None if no container runs."""
        self._notice()
        return self._due[0][0] if self._due else None

    def advance(self) -> None:
        """Let the containers do everything that is due."""
        self._notice()
        now = self.ports.clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, what, group = heapq.heappop(self._due)
            run = self._runs.get(group)
            if run is None or run.ended:
                continue
            if self.ports.containers.find_group(group) is None:
                self._stopped(run)
            elif what == "beat":
                self._beat(run)
            else:
                self._end(run)

    def lose(self, outage: SimulatedOutage) -> None:
        """Every container that runs now in the scope of the outage is lost at once."""
        if outage.fault is None:
            return
        for run in self._runs.values():
            if self._is_running(run) and outage.covers(run.job):
                run.fault, run.is_of_outage = outage.fault, True
                self.outages.strike(outage, run.job.build)
                self._at(self.ports.clock.now(), "end", run.group)

    def _is_running(self, run: _Run) -> bool:
        """False for a container that never began, has ended, or was deleted: no outage can take it any more."""
        group = self.ports.containers.find_group(run.group)
        return not run.ended and group is not None and group.state is GroupState.RUNNING

    def _notice(self) -> None:
        """Start the containers that were created, or restarted by a second creation, since the last call."""
        containers = self.ports.containers
        puts = containers.puts if isinstance(containers, BudgetedContainers) else containers.created
        if puts == self._seen:
            return
        self._seen = puts
        for group in containers.names():
            run = self._runs.get(group)
            if run is None or run.wanted is not containers.wanted(group):
                self._begin(group)

    def _begin(self, group: str) -> None:
        job = self._job(group)
        place = f"container:{job.build}/{job.stage}/{job.attempt}"
        fault, fraction = self.injector.draw(place, (Kind.EVICTED, Kind.SILENT, Kind.TWICE))
        fate = self.outages.fate_of(job)
        if fate is not None:
            fault, fraction = fate, self._draw(job.build, f"{job.stage}/{job.attempt}")
        before = self._runs.get(group)
        if before is not None:
            before.ended = True  # a restart ends the former run
        wanted = self.ports.containers.wanted(group)
        run = _Run(group=group, job=job, fault=fault, wanted=wanted, is_of_outage=fate is not None)
        self._runs[group] = run
        run.lacks = not brought.are_served(self.ports.blobs, job.stored)
        if fault is Kind.SILENT and fraction < 0.2:
            self._lost(run)
            return  # the container never starts to run
        try:
            self._write(run, attempts.STARTED, b"{}")
        except AlreadyExists:
            run.ended = True
            self.ports.containers.set_state(group, GroupState.SUCCEEDED, exit_code=0)
            self._send_event(run, "restarted")
            return
        self.ports.containers.set_state(group, GroupState.RUNNING)
        self._leave(run)
        spread = 1 + _JITTER * (2 * self.chance.random() - 1)
        self._at(self.ports.clock.now() + _STAGE[job.stage] * spread, "end", group)
        self._beat(run)

    def _at(self, moment: datetime, what: str, group: str) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, what, group))

    def _beat(self, run: _Run) -> None:
        self.ports.blobs.append("builds", f"{_folder(run.job)}/{attempts.LOG}", b"building\n")
        self._at(self.ports.clock.now() + _BEAT, "beat", run.group)

    def _end(self, run: _Run) -> None:
        run.ended = True
        fate = self.outages.fate_of(run.job)
        if fate is not None:
            run.fault, run.is_of_outage = fate, True
        if run.fault is Kind.EVICTED:
            self._lost(run)
            self.ports.containers.set_state(
                run.group, GroupState.FAILED, exit_code=137, detail="exit code 137"
            )
            return
        cause = _LACKS if run.lacks else self._cause(run.job)
        report = self._report(run.job, cause)
        if report.succeeded and run.job.stage == "build":
            self._make(run.job)
        if run.fault is Kind.SILENT:
            self._lost(run)
            return  # a version may exist, but no report names it
        self._write(run, attempts.REPORT, _content(report, cause))
        if _blames_input(report, cause):
            self.team_failed[run.job.build] = _failed_check_of(report, cause)
        if report.succeeded and run.job.stage == "verify" and all(check.passed for check in report.checks):
            self.proved.add((run.job.image, run.job.destination.version))
        for _ in range(2 if run.fault is Kind.TWICE else 1):
            self._send_event(run, "completed")
        self._clear(run)
        # The report is written, whatever it says, so the builder ends with 0.
        self.ports.containers.set_state(run.group, GroupState.SUCCEEDED, exit_code=0)

    def _lost(self, run: _Run) -> None:
        if not run.is_of_outage:
            self.outages.lose_alone(run.job.build)

    def _stopped(self, run: _Run) -> None:
        """The group was deleted during the run. The container gets the signal to stop, and may still report."""
        run.ended = True
        if run.fault is Kind.SILENT:
            return
        report = self._report(run.job, _STOPPED)
        try:
            self._write(run, attempts.REPORT, report.to_wire())
        except AlreadyExists:
            return
        self._send_event(run, "completed")

    def _make(self, job: BuildJob) -> None:
        version = GalleryVersion.parse(job.destination.version)
        if (job.image, job.destination.version) in self.made:
            return  # Packer refuses a destination that exists: the older attempt's version stays
        self.made[job.image, job.destination.version] = (job.build, job.attempt)
        self.ports.galleries.add_version(
            GalleryImageVersion(
                gallery=GalleryName(job.destination.gallery),
                image=ImageName(job.image),
                version=version,
                state=VersionState.READY,
                excluded_from_latest=True,
                tags=job.tags,
                disk_gb=job.placement.os_disk_gb,
            )
        )
        place = job.placement
        if place.managed_image:  # Packer keeps it: the version is made from it
            folder = f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}/providers"
            left = f"{folder}/{MANAGED_IMAGE}/{place.managed_image}"
            self.ports.resources.add(TaggedResource(id=left, type=MANAGED_IMAGE, tags=job.tags))

    def _write(self, run: _Run, name: str, content: bytes) -> None:
        place = f"{_folder(run.job)}/{name}"
        self.ports.blobs.create("builds", place, content, media_type="application/json")

    def _send_event(self, run: _Run, kind: str) -> None:
        job = run.job
        event = messages.BuildEventMessage.model_validate(
            {"build": job.build, "stage": job.stage, "attempt": job.attempt, "kind": kind}
        )
        self.ports.queues.send(messages.BUILD_EVENTS, event.to_wire())

    def _leave(self, run: _Run) -> None:
        """Add the resources that Packer creates for its run. Packer removes them itself unless it is killed."""
        machine, *parts = _LEFT
        for kind in _LEFT:
            left = TaggedResource(id=f"{kind}/{run.group}", type=kind, tags=run.job.tags)
            self.ports.resources.add(left, used_by=f"{machine}/{run.group}" if kind in parts else "")

    def _clear(self, run: _Run) -> None:
        """Packer waits for each of its deletions before it reports. It skips those that the reaper deletes already."""
        resources = self.ports.resources
        takes, resources.deletion = resources.deletion, timedelta(0)
        for kind in _LEFT:
            with contextlib.suppress(TransientError):
                resources.begin_delete(TaggedResource(id=f"{kind}/{run.group}", type=kind))
        resources.deletion = takes

    def is_broken(self, build: BuildId | str) -> bool:
        """True for an input whose build fails permanently, in every attempt."""
        return self._draw(build) < self.broken

    def _draw(self, build: BuildId | str, what: str = "") -> float:
        """A number in [0, 1) that only the seed and the input decide."""
        place = f"{self.injector.seed}/{str(build).rpartition('.')[0]}{what and '/'}{what}"
        draw = hashlib.blake2b(place.encode(), digest_size=4).digest()
        return int.from_bytes(draw, "big") / 2**32

    def _report(self, job: BuildJob, cause: ReportedCause | None) -> BuildReport:
        """The report of an attempt that failed by `cause`, or did not fail."""
        now, runs_tests = self.ports.clock.now(), job.stage == "verify" and cause is None
        failed_check = self._failed_check(job) if runs_tests else ""
        checks = tuple(
            ReportedCheck(name=name, passed=name != failed_check, simulated=True)
            for name in (*_CHECKS, *(("ports",) if job.serves and self.tries_ports else ()))
        )
        score = _LOW if failed_check == COMPLIANCE else self.scores.get(job.image, 95)
        return BuildReport.model_validate(
            {
                "build": job.build,
                "stage": job.stage,
                "attempt": job.attempt,
                "succeeded": cause is None,
                "packer": "simulated",
                "started_at": now,
                "ended_at": now,
                "artifact": f"versions/{job.destination.version}" if job.stage == "build" else "",
                "checks": checks if runs_tests else (),
                "scan": scans.of_job(job, score=score) if cause is None else None,
                **({} if cause is None else cause.cells()),
            }
        )

    def _cause(self, job: BuildJob) -> ReportedCause | None:
        """Why the attempt fails that ends now: its release is gone, an outage, or the team's own input."""
        if self._is_gone(job):
            self.found_nothing.add(job.build)
            return _GONE
        outage = self.outages.report_of(job)
        if outage is not None or job.stage != "build":
            return outage
        failed = self.failing.get((job.image, job.stage), "")
        own = replace(TEAMS_OWN, error_class=failed) if failed else self._own_fault(job)
        if isinstance(own, ReportedCause):
            self.failed_inputs.add(_input(job))
            return own
        return None

    def _failed_check(self, job: BuildJob) -> str:
        """The check of the machine that the input does not pass, or an empty text."""
        own = self.failing.get((job.image, job.stage)) or self._own_fault(job)
        if isinstance(own, str):
            self.failed_inputs.add(_input(job))
            return own
        return ""

    def _own_fault(self, job: BuildJob) -> ReportedCause | str | None:
        """What is wrong with the input itself: a cause in its build, or the name of a check that it fails."""
        if not self.is_broken(job.build):
            return None
        return self.teams_own[int(self._draw(job.build, "kind") * len(self.teams_own))]

    def _is_gone(self, job: BuildJob) -> bool:
        """True where the machine was to be made from a release that the Marketplace does not offer."""
        if job.stage != "build" or not isinstance(job.source, MarketplaceImage):
            return False
        source = job.source
        followed = MarketplaceSource(
            publisher=source.publisher,
            offer=source.offer,
            sku=source.sku,
            location=Region(job.placement.location),
        )
        return not self.ports.marketplace.is_offered(followed, MarketplaceVersion.parse(source.version))

    def _job(self, name: str) -> BuildJob:
        digest = self.ports.containers.wanted(name).environment["IF_JOB"]
        return rows.job_of(self.ports.blobs, digest)


def _content(report: BuildReport, cause: ReportedCause | None) -> bytes:
    """The report as its builder writes it: one of a newer release names classes that this release does not know."""
    known = {each.value for each in ErrorClass}
    if cause is None or cause.error_class in known:
        return report.to_wire()
    return json.dumps({**json.loads(report.to_wire()), "error_class": cause.error_class}).encode()


def _blames_input(report: BuildReport, cause: ReportedCause | None) -> bool:
    """True where the attempt failed by the input itself."""
    if cause is not None:
        return cause.is_of_input
    has_low_score = report.scan is not None and report.scan.score == _LOW
    return has_low_score or not all(check.passed for check in report.checks)


def _failed_check_of(report: BuildReport, cause: ReportedCause | None) -> str:
    """The check that did not pass, of the machine or at the end of the build; empty where a step failed."""
    if cause is not None:
        return HYGIENE_CHECK if cause.error_class == ErrorClass.HYGIENE.value else ""
    if report.scan is not None and report.scan.score == _LOW:
        return COMPLIANCE
    return next((check.name for check in report.checks if not check.passed), "")


def _input(job: BuildJob) -> str:
    return job.build.rpartition(".")[0]


def _folder(job: BuildJob) -> str:
    return attempts.folder(BuildId(job.build), job.stage, job.attempt)
