"""Repair what was lost: derive from stored state what should be happening, and have it looked at again.

Cost for a quiet image: its share of one page read (1/1000 of a table query); no write and no message.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.names import BuildId, CampaignId, ImageName
from pipeline_core.domain.staleness import Stale, World, detect_staleness
from pipeline_core.ports import Clock, Logs
from pipeline_core.services.ending import Ending
from pipeline_core.services.outbox import Outbox
from pipeline_core.state.capacity import CapacityStore, Release
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.sources import SourceStore

_QUIET = timedelta(minutes=5)  # a build younger than this in its phase is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What one sweep found and set going."""

    images: int
    stale: int
    builds: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Level-triggered: a lost message changes nothing but timing."""

    images: ImageStore
    index: Index
    sources: SourceStore
    capacity: CapacityStore
    ending: Ending
    outbox: Outbox
    clock: Clock
    logs: Logs

    def sweep(self) -> SweepReport:
        """One pass over the fleet's projection, the active builds and the slots."""
        now = self.clock.now()
        heads = self._fleet()
        stale = self._wake_stale(heads, now)
        active = [self._check_build(build, now) for build in self.index.active()]
        freed = [self._check_slot(build) for build in self.capacity.holders()]
        if active:
            self.outbox.dispatch("swept")
        report = SweepReport(images=len(heads), stale=stale, builds=sum(active), slots=sum(freed))
        self.logs.note("swept", images=report.images, stale=report.stale, builds=report.builds)
        return report

    def _fleet(self) -> dict[ImageName, ImageHead]:
        heads: dict[ImageName, ImageHead] = {}
        after = ""
        while True:
            page = self.index.fleet(after=after)
            heads.update((head.name, head) for head in page.heads)
            if not page.after:
                return heads
            after = page.after

    def _wake_stale(self, heads: dict[ImageName, ImageHead], now: datetime) -> int:
        """Ask for a look at every image that is stale, or whose refresh period has begun, and is not built."""
        newest = {
            stored.value.source.key: stored.value.newest
            for stored in self.sources.list()
            if stored.value.newest is not None
        }
        world = World(heads=heads, sources=newest, platform=self.sources.find_platform())
        woken = 0
        for name, head in heads.items():
            if head.active is not None or not (_needs_refresh(head, heads, now) or _is_stale(name, world)):
                continue
            self.outbox.rebuild(name, "swept", CampaignId(f"sweep-{now:%Y%m%d}"))
            woken += 1
        return woken

    def _check_build(self, identity: BuildId, now: datetime) -> bool:
        stored = self.images.find_build(identity)
        if stored is None:
            self.index.remove_active(identity)
            return False
        build = stored.value
        if build.is_finished:
            if build.announce:
                self.ending.announce(stored)
            else:
                self.index.remove_active(identity)
            return True
        if now < build.phase_since + _QUIET:
            return False
        self._set_going(build)
        return True

    def _set_going(self, build: Build) -> None:
        if build.phase is Phase.PENDING:
            self.index.add_pending(PendingBuild(key=build.priority, build=build.id, team=build.team))
        else:
            self.outbox.step(build, reason="swept", once=True)

    def _check_slot(self, holder: BuildId) -> bool:
        """Take a slot back whose build has ended: its group was confirmed gone before it was ended."""
        stored = self.images.find_build(holder)
        if stored is not None and not stored.value.is_finished and stored.value.phase is not Phase.PUBLISHING:
            return False
        return self.capacity.release(holder) is Release.FREED


def _is_stale(name: ImageName, world: World) -> bool:
    return isinstance(detect_staleness(name, world), Stale)


def _needs_refresh(head: ImageHead, heads: dict[ImageName, ImageHead], now: datetime) -> bool:
    root = head
    for _ in range(MAX_DEPTH):  # bounded: two edits at one moment can make a cycle
        parent = root.registration.parent
        if parent is None or parent not in heads:
            break
        root = heads[parent]
    return fingerprints.refresh_period(root.name, now, head.registration.max_age) > head.period
