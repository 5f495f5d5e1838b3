"""One release in this factory: its real services on the memory twins, with messages and virtual time.

There are no faults. It measures the order in which images are built and how well slots are used.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from benchmarks.cascade import seed
from benchmarks.cascade.fleet import SampleFleet
from benchmarks.cascade.models import POLL, Run
from pipeline_core.adapters.memory.ports import MemoryPorts, twins
from pipeline_core.domain import attempts, dispatch
from pipeline_core.domain.errors import TransientError
from pipeline_core.domain.names import BuildId, GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import GalleryImageVersion, GroupState, VersionState
from pipeline_core.settings import Limits
from pipeline_core.state.images import ImageStore
from pipeline_core.wire import messages
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.report import BuildReport, ReportedCheck
from pipeline_core.wiring.factory import Factory, assemble
from simulation import scans, world

NAME = "factory"
_QUARANTINE, _LIVE = GalleryName("quarantine"), GalleryName("live")
_NEW = MarketplaceVersion(9, 8, 2026062323)
_SWEEP = timedelta(minutes=10)
_PATIENCE = timedelta(days=1)  # time without any build that begins or ends
_CHECKS = ("boot", "hygiene", "goss", "smoke")


class StuckError(RuntimeError):
    """Some images are not current, and no work on them goes on."""


def run(fleet: SampleFleet, *, slots: int, creates_per_hour: int) -> Run:
    """Run from the release, which a poll sees five minutes later, until every image is current. Raises StuckError."""
    ports = twins([_QUARANTINE, _LIVE], seed=fleet.seed)
    ports.containers.limit = dispatch.GROUPS_PER_BUILD * slots
    # Only replication is waited for with repeated looks. Containers report their end.
    wait = timedelta(seconds=max(image.publish for image in fleet.images))
    ports.galleries.replication = wait
    seed.seed(ports, fleet, _LIVE)
    limits = Limits(slots=slots, creates_per_hour=creates_per_hour, team_slots=slots, wait=wait)
    factory = assemble(ports, world.deployment_of(_QUARANTINE, _LIVE), limits)
    durations = {image.name: {"build": image.build, "verify": image.verify} for image in fleet.images}
    line = _Line(ports=ports, factory=factory, durations=durations)
    released = ports.clock.now()
    ports.marketplace.publish(seed.SOURCE, _NEW)
    ports.clock.advance(timedelta(seconds=POLL))
    factory.poller.poll()
    line.run(published=len(fleet.images))
    images = ImageStore(ports.tables)
    published: list[float] = []
    for image in fleet.images:
        current = images.get_head(ImageName(image.name)).value.current
        if current is None or current.published_at <= released:
            raise StuckError(f"{image.name} is not current")
        published.append((current.published_at - released).total_seconds())
    return Run(policy=NAME, published=tuple(published), builds=line.events["build-started"])


@dataclass(slots=True, kw_only=True)
class _Line:
    """Delivers messages, ends containers, moves time."""

    ports: MemoryPorts
    factory: Factory
    durations: dict[str, dict[str, int]]
    events: Counter[str] = field(default_factory=Counter)
    _ends: list[tuple[datetime, str]] = field(default_factory=list)
    _jobs: dict[str, BuildJob] = field(default_factory=dict)  # of the running groups
    _seen: int = 0  # creations
    _begun: set[str] = field(default_factory=set)  # names of groups, each of which is created once

    def run(self, *, published: int) -> None:
        """Run until so many builds have ended and no message is left. Sweep if nothing else would happen."""
        handlers = self._handlers()
        progress, since = 0, self.ports.clock.now()
        while True:
            while self._deliver(handlers):
                pass
            done, now = self.events["build-started"] + self.events["build-ended"], self.ports.clock.now()
            if done > progress:
                progress, since = done, now
            if now > since + _PATIENCE:
                raise StuckError(f"{self.events['build-ended']} of {published} builds ended")
            if self._move():
                continue
            if self.events["build-ended"] >= published:
                return
            self.ports.clock.advance(_SWEEP)
            self.factory.sweeper.sweep()

    def _move(self) -> bool:
        """Move the clock to the next event. False if no event is due."""
        visible = self.ports.queues.next_visible()
        moments = [moment for moment in (visible, self._ends[0][0] if self._ends else None) if moment]
        if not moments:
            return False
        now = min(moments)
        self.ports.clock.set(now)
        while self._ends and self._ends[0][0] <= now:
            _, group = heapq.heappop(self._ends)
            self._end(group)
        return True

    def _deliver(self, handlers: dict[str, Callable[[str], object]]) -> bool:
        delivered = False
        queues = self.ports.queues
        for queue, handle in handlers.items():
            while (message := queues.receive(queue)) is not None:
                delivered = True
                queues.delete(queue, message)
                if queue == messages.DISPATCH_REQUESTS and self._is_another_due():
                    continue
                try:
                    handle(message.text)
                except TransientError as error:
                    self.factory.redelivery.again(queue, message.text, error)
                self._notice()
        lines = self.ports.logs.lines
        self.events.update(line.event for line in lines)
        lines.clear()
        return delivered

    def _is_another_due(self) -> bool:
        """True if another dispatch is due at this moment. It fills the same slots."""
        waiting = self.ports.queues.first_visible(messages.DISPATCH_REQUESTS)
        return waiting is not None and waiting <= self.ports.clock.now()

    def _notice(self) -> None:
        """Start the containers that a handler created, and write the markers of their attempts."""
        containers = self.ports.containers
        if containers.created == self._seen:
            return
        self._seen = containers.created
        for name in containers.names():
            if name not in self._begun:
                self._begun.add(name)
                self._begin(name)

    def _begin(self, name: str) -> None:
        containers = self.ports.containers
        self._jobs[name] = job = self._job(name)
        containers.set_state(name, GroupState.RUNNING)
        self._leave(job, attempts.STARTED, b"{}")
        end = self.ports.clock.now() + timedelta(seconds=self.durations[job.image][job.stage])
        heapq.heappush(self._ends, (end, name))

    def _end(self, name: str) -> None:
        job = self._jobs.pop(name)
        if job.stage == "build":
            self.ports.galleries.add_version(
                GalleryImageVersion(
                    gallery=_QUARANTINE,
                    image=ImageName(job.image),
                    version=GalleryVersion.parse(job.destination.version),
                    state=VersionState.READY,
                    excluded_from_latest=True,
                    tags=job.tags,
                )
            )
        self._leave(job, attempts.REPORT, _report(job, self.ports.clock.now()).to_wire())
        event = messages.BuildEventMessage(
            build=job.build, stage=job.stage, attempt=job.attempt, kind="completed"
        )
        self.ports.queues.send(messages.BUILD_EVENTS, event.to_wire())
        self.ports.containers.set_state(name, GroupState.SUCCEEDED, exit_code=0)

    def _leave(self, job: BuildJob, name: str, content: bytes) -> None:
        folder = attempts.folder(BuildId(job.build), job.stage, job.attempt)
        self.ports.blobs.create("builds", f"{folder}/{name}", content, media_type="application/json")

    def _job(self, group: str) -> BuildJob:
        digest = self.ports.containers.wanted(group).environment["IF_JOB"]
        content = self.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT)
        return BuildJob.from_wire(content, digest=digest)

    def _handlers(self) -> dict[str, Callable[[str], object]]:
        factory = self.factory
        return {
            messages.BUILD_EVENTS: lambda text: factory.build_events.observe(
                messages.BuildEventMessage.from_wire(text)
            ),
            messages.BUILD_STEPS: lambda text: factory.driver.step(
                messages.StepMessage.from_wire(text), redelivered=False
            ),
            messages.IMAGE_PUBLISHED: lambda text: factory.cascade.handle(
                messages.PublishedMessage.from_wire(text)
            ),
            messages.REBUILD_REQUESTS: lambda text: factory.reconciler.handle(
                messages.RebuildMessage.from_wire(text)
            ),
            messages.DISPATCH_REQUESTS: lambda _: factory.dispatcher.dispatch(),
            messages.NOTIFICATION_REQUESTS: lambda text: factory.notifier.deliver(
                messages.NotificationMessage.from_wire(text)
            ),
        }


def _report(job: BuildJob, now: datetime) -> BuildReport:
    is_build = job.stage == "build"
    checks = tuple(ReportedCheck(name=name, passed=True, simulated=True) for name in _CHECKS)
    return BuildReport(
        build=job.build,
        stage=job.stage,
        attempt=job.attempt,
        succeeded=True,
        packer="simulated",
        started_at=now,
        ended_at=now,
        artifact=f"versions/{job.destination.version}" if is_build else "",
        checks=() if is_build else checks,
        scan=scans.of_job(job, score=95),
    )
