"""A world: twins, the real services behind faults, a host that delivers messages, and virtual time."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.adapters.memory.ports import MemoryPorts, twins
from pipeline_core.adapters.memory.scanner import MemoryScanner
from pipeline_core.deployment import Deployment
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.names import Digest, GalleryName, ImageName, Region, TeamName
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Principal
from pipeline_core.settings import Limits
from pipeline_core.wiring.factory import Factory, factory_of, secret_forms
from pipeline_core.wiring.foundation import Foundation, foundation_of
from pipeline_core.wiring.parts import Parts, parts_of
from simulation import between, fleet
from simulation.between import Calls, FaultyPorts
from simulation.chapters.chapter import Chapter
from simulation.chapters.inputs import brought
from simulation.faults import LEVELS, Faults, Injector
from simulation.host import SimulatedHost
from simulation.platform import SimulatedContainers
from simulation.region import BudgetedContainers
from simulation.safety import Safety
from simulation.trouble.outages import OutageRecord

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
SOURCE = MarketplaceSource(**fleet.SOURCE, location=Region("westeurope"))
# Uploads for every team: a story is about images, and not about who has uploaded which bundle.
UPLOADER = Principal(
    subject="uploader",
    name="Uploader",
    roles=frozenset({"Factory.Admin"}),
    teams=frozenset(map(TeamName, ("evil", "ml", "payments", "risk", "search"))),
)
ADMIN = Principal(subject="admin", name="Admin", roles=frozenset({"Factory.Admin"}))
FAULTS = LEVELS
SWEEP = timedelta(minutes=10)
POLL = timedelta(minutes=5)
_LONGEST = 6  # an hour between two sweeps of a world in which nothing happens
_READS = frozenset({"tables.find", "tables.scan", "blobs.read"})  # four of five calls
_LOOKS = timedelta(minutes=30)  # between two rounds over the galleries where idle time is to cost little


class RestlessError(RuntimeError):
    """Messages never end: the factory works for a state that it never reaches."""


@dataclass(slots=True, kw_only=True)
class SimulatedWorld:
    """One factory with its host, its platform and its ports."""

    ports: MemoryPorts
    faulty: FaultyPorts
    host: SimulatedHost
    platform: SimulatedContainers
    safety: Safety
    injector: Injector
    base: Foundation
    parts: Parts
    registered: set[ImageName] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)  # resources of another factory, whose lease is not over
    findings: list[str] = field(default_factory=list)
    sweeps: bool = True
    chapters: list[Chapter] = field(
        default_factory=list
    )  # of the story that runs, for their watches and checks
    dozes: bool = False  # while nothing happens, the timers fire less often, so that idle weeks cost little
    quarantines: tuple[GalleryName, ...] = (QUARANTINE,)
    live: tuple[GalleryName, ...] = (LIVE,)
    # Rows that could not be read for a time: table, partition and key.
    unreadable: set[tuple[str, str, str]] = field(default_factory=set)
    steps: str = "platform"  # the text of the platform steps that SecOps put in force last
    tools: dict[str, str] = field(
        default_factory=dict
    )  # versions of the catalog's tools, as SecOps want them
    # The chapters that watch reads, among so many. Chapters only come, so they are counted to find new ones.
    _readers: Sequence[Chapter] = ()
    _counted: int = 0
    _next_poll: datetime | None = None
    _next_sweep: datetime | None = None
    _next_look: datetime | None = None
    _stretch: int = 1  # how much longer than on Azure the pause to the next timers is
    _seen: tuple[int, int] = (0, 0)  # changes and deliveries at the last sweep

    @property
    def factory(self) -> Factory:
        """The services, as the host runs them."""
        return self.host.factory

    @factory.setter
    def factory(self, factory: Factory) -> None:
        self.host.factory = factory

    def rewire(self, base: Foundation) -> None:
        """Build the same services on another foundation. The world keeps its own ports."""
        self.base, self.parts = base, parts_of(base, secret_forms())
        self.factory = factory_of(base, self.parts)

    @property
    def deliveries(self) -> int:
        """Messages delivered so far."""
        return self.host.deliveries

    @property
    def waits(self) -> int:
        """Steps that only looked and changed nothing."""
        return self.host.waits

    @property
    def injected(self) -> int:
        """Faults that struck so far."""
        return len(self.injector.struck)

    @property
    def poisoned(self) -> list[tuple[str, str]]:
        """Messages that went to a poison queue, with their queue."""
        return self.host.poisoned

    def register(self, name: str, parent: str | None, *, text: str = "content", **changes: Any) -> None:
        """Register an image as SecOps, or replace its definition."""
        digest, content = fleet.bundle(text)
        self.factory.registrar.store_bundle(digest, content, UPLOADER)
        image = ImageName(name)
        known = self.base.records.images.find_head(image)
        self.factory.registrar.register(
            image,
            fleet.document(name, parent, **changes),
            digest,
            ADMIN,
            expected=None if known is None else known.value.document_etag,
            create_only=known is None,
        )
        self.registered.add(image)

    def publish_release(self, version: str) -> None:
        """Offer a new version in the Marketplace. The next poll sees it."""
        self.ports.marketplace.publish(SOURCE, MarketplaceVersion.parse(version))

    def run_until(self, moment: datetime) -> None:
        """Let time pass, with both timers, until `moment`."""
        clock = self.ports.clock
        while clock.now() < moment:
            self.platform.advance()
            self._fire_timers()
            if self.host.deliver_one():
                continue
            later = [self._next_moment(), self._next_poll, self._next_sweep, moment]
            clock.set(max(clock.now(), min(each for each in later if each is not None)))

    def settle(self, *, limit: int = 200_000, sweeps: int = 6) -> None:
        """Deliver until no work is left, then sweep, until `sweeps` sweeps in a row change nothing.

        Raises RestlessError after `limit` deliveries.
        """
        quiet, most = 0, self.deliveries + limit
        while quiet < sweeps:
            before = self.faulty.calls.moves
            self._drain(most)
            self.ports.clock.advance(SWEEP)
            if self.sweeps:
                self._sweep()
            self._drain(most)
            quiet = quiet + 1 if self.faulty.calls.moves == before else 0
            if self.deliveries > most:
                raise RestlessError(f"the world did not come to rest within {limit} deliveries")

    def drain(self, *, limit: int = 200_000) -> None:
        """Deliver until no message is left, and move time on as needed. It runs no sweep."""
        self._drain(self.deliveries + limit)

    def versions(self) -> dict[str, str]:
        """The current version of each image."""
        return {view.name: view.version or "" for view in self.factory.queries.images(limit=200).images}

    def _drain(self, most: int) -> None:
        while self.deliveries <= most:
            self.platform.advance()
            if self.host.deliver_one():
                continue
            later = self._next_moment()
            if later is None:
                return
            self.ports.clock.set(max(self.ports.clock.now(), later))

    def _next_moment(self) -> datetime | None:
        moments = [self.ports.queues.next_visible(), self.platform.next_end()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _fire_timers(self) -> None:
        now = self.ports.clock.now()
        if self._next_poll is None or now >= self._next_poll:
            self._next_poll = now + POLL * self._stretch
            self.host.fire("poll", self.factory.poller.poll)
        if self.sweeps and (self._next_sweep is None or now >= self._next_sweep):
            self._sweep()
            self._stretch = self._pause()
            self._next_sweep = now + SWEEP * self._stretch

    def _pause(self) -> int:
        """1 where something has moved since the last sweep; up to `_LONGEST` where nothing did, again and again."""
        seen = (self.faulty.calls.moves, self.deliveries)
        quiet, self._seen = seen == self._seen, seen
        return min(2 * self._stretch, _LONGEST) if self.dozes and quiet else 1

    def forget(self) -> None:
        """The tables and messages are gone: what only they knew is not demanded of what comes after."""
        self.safety.forget()
        self.host.poisoned.clear()
        for chapter in self.chapters:
            chapter.forget()
        self.rewire(self.base)

    def blame(self, text: str) -> None:
        """Note a violation that was seen, once."""
        if text not in self.findings:
            self.findings.append(text)

    def wake(self) -> None:
        """Something happens outside the factory: the timers fire as often as on Azure again."""
        now = self.ports.clock.now()
        self._stretch = 1
        self._next_poll = min(self._next_poll or now, now + POLL)
        self._next_sweep = min(self._next_sweep or now, now + SWEEP)

    def _watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self.safety.watch(name, given, named)
        if self._counted != len(self.chapters):
            self._counted = len(self.chapters)
            self._readers = [chapter for chapter in self.chapters if chapter.watches_reads]
        for chapter in self._readers if name in _READS else self.chapters:
            chapter.watch(name, given, named)

    def _sweep(self) -> None:
        self.host.count_steps()
        self.host.fire("sweep", self.factory.sweeper.sweep)
        now = self.ports.clock.now()
        if not self.dozes or self._next_look is None or now >= self._next_look:
            self._next_look = now + _LOOKS
            self.host.fire("observe", self.factory.galleries.observe)
            self.host.fire("admit", self.factory.admission.look)
        self.host.fire("reap", self.factory.reaper.reap)


def make(
    *,
    seed: int = 0,
    slots: int = 8,
    faults: Faults = FAULTS["none"],
    failing: Mapping[tuple[str, str], str] | None = None,
    broken: float = 0.0,
    creates_per_hour: int = 10_000,
    deletes_per_hour: int = 10_000,
    wait: timedelta = timedelta(seconds=30),
    only: frozenset[str] | None = None,
    wrap: Callable[[MemoryPorts], MemoryPorts] | None = None,
    injector: Injector | None = None,
    team_slots: int | None = None,
) -> SimulatedWorld:
    """A world with the platform steps in force and one RHEL version on offer, but no image.

    `broken` is the share of inputs whose build fails permanently. With `only`, no faults strike except those with
    these ids. `wrap` may replace twins by others, such as one without a rule. A given `injector` decides the faults
    instead of `faults` and `only`. `team_slots` is how many slots one team may hold, all where it is None.
    """
    injector = injector or Injector(seed=seed, faults=faults, only=only)
    bare = twins([QUARANTINE, LIVE], seed=seed)
    limits = _limits_of(slots, team_slots or slots, creates_per_hour, deletes_per_hour, wait)
    containers = _containers_of(bare, injector, limits)
    bare = replace(bare, containers=containers, scanner=MemoryScanner(bare.blobs, brought.CLEAN))
    bare.galleries.replication = timedelta(minutes=3)
    bare = bare if wrap is None else wrap(bare)
    chance = random.Random(seed)  # noqa: S311 - the same in each run
    bare.marketplace.publish(SOURCE, MarketplaceVersion.parse("9.6.2025112113"))
    platform = SimulatedContainers(
        ports=bare,
        chance=chance,
        injector=injector,
        outages=OutageRecord(clock=bare.clock, blobs=bare.blobs, advance=bare.clock.advance),
        failing=failing or {},
        broken=broken,
    )
    safety = Safety(twins=bare, platform=platform, live=frozenset({str(LIVE)}), slots=slots)
    calls = Calls(injector=injector, watch=safety.watch)
    ports = between.behind(bare, calls)
    base = foundation_of(ports, deployment_of(QUARANTINE, LIVE), limits)
    parts = parts_of(base, secret_forms())
    host = _host_of(ports, factory_of(base, parts), safety)
    calls.overtake, calls.refuse, calls.unsure = host.overtake, platform.outages.refuse, host.note_unsure
    world = SimulatedWorld(
        ports=bare,
        faulty=ports,
        host=host,
        platform=platform,
        safety=safety,
        injector=injector,
        base=base,
        parts=parts,
    )
    calls.watch = world._watch
    injector.enabled = False  # the platform is set up before anything goes wrong
    put_platform(world, world.steps)
    injector.enabled = True
    return world


def _host_of(ports: FaultyPorts, factory: Factory, safety: Safety) -> SimulatedHost:
    return SimulatedHost(
        twins=safety.twins, ports=ports, factory=factory, platform=safety.platform, seq_of=safety.seq_of
    )


def _limits_of(
    slots: int, team_slots: int, creates_per_hour: int, deletes_per_hour: int, wait: timedelta
) -> Limits:
    return Limits(
        slots=slots,
        creates_per_hour=creates_per_hour,
        team_slots=team_slots,
        wait=wait,
        deletes_per_hour=deletes_per_hour,
        deletes_per_burst=max(1, deletes_per_hour // 3),  # as Azure's: 300 in an hour, 100 in five minutes
    )


def _containers_of(bare: MemoryPorts, injector: Injector, limits: Limits) -> BudgetedContainers:
    """A region that allows as many deletions as the factory asks for at most.

    Clocks that differ count a call at the edge of a window elsewhere, so then the region's windows are shorter.
    """
    return BudgetedContainers(
        clock=bare.clock,
        injector=injector,
        skew=2 * injector.faults.skew if injector.faults.skewed else timedelta(0),
        deletes_per_hour=limits.deletes_per_hour,
        deletes_per_burst=limits.deletes_per_burst,
    )


def deployment_of(quarantine: GalleryName, live: GalleryName) -> Deployment:
    """A factory in one region with these galleries. Nothing is at its addresses."""
    return Deployment(
        subscription_id="00000000-0000-0000-0000-000000000000",
        location=Region("westeurope"),
        build_resource_group="rg-build",
        gallery_resource_group="rg-galleries",
        quarantine=quarantine,
        live=(live,),
        builder_client_id="builder",
        builder_image="builder@sha256:simulated",
        vm_subnet_id="",
        blob_endpoint="https://blob.example.com",
        queue_endpoint="https://queue.example.com",
        secops=TeamName("secops"),
    )


def set_platform(world: SimulatedWorld, digest: Digest, *, drop_used: bool = False) -> None:
    """Put platform steps in force that were uploaded before, with the catalog of the world."""
    world.factory.platforms.put(digest, fleet.catalog(world.tools), ADMIN, drop_used=drop_used)


def put_platform(world: SimulatedWorld, text: str, *, drop_used: bool = False) -> None:
    """Upload platform steps with the catalog of the world, and put them in force."""
    world.steps = text
    brought.bring(world, world.tools)
    catalog = fleet.catalog(world.tools) if world.tools else None
    set_platform(world, uploaded(world, *fleet.bundle(text, catalog=catalog)), drop_used=drop_used)


def upload(world: SimulatedWorld, text: str) -> Digest:
    """Upload a bundle and ignore a conflict: the same content is the same bundle."""
    return uploaded(world, *fleet.bundle(text))


def uploaded(world: SimulatedWorld, digest: Digest, content: bytes) -> Digest:
    """Upload a bundle; a conflict is ignored, since the same content is the same bundle."""
    try:
        world.factory.registrar.store_bundle(digest, content, UPLOADER)
    except AlreadyExists:
        return digest
    return digest
