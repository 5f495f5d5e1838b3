"""A world: twins, the real services, and a host that delivers messages as queues do, under virtual time."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pipeline_core import bootstrap
from pipeline_core.adapters.memory.ports import MemoryPorts, twins
from pipeline_core.bootstrap import Factory
from pipeline_core.domain.errors import AlreadyExists, FactoryError, TransientError
from pipeline_core.domain.names import Digest, GalleryName, ImageName, Region, TeamName
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Principal
from pipeline_core.services.register import document_etag
from pipeline_core.services.site import Site
from pipeline_core.settings import Limits
from pipeline_core.wire import messages
from simulation import fleet
from simulation.platform import Platform

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
SOURCE = MarketplaceSource(**fleet.SOURCE, location=Region("westeurope"))
ADMIN = Principal(subject="admin", name="Admin", roles=frozenset({"Factory.Admin"}), groups=frozenset())
MAX_DEQUEUE = 5
_SWEEP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Rates between 0 and 1, drawn for each delivery."""

    lost: float = 0.0  # the message is gone
    doubled: float = 0.0  # it is delivered twice
    delayed: float = 0.0  # it comes up to five minutes late
    killed: float = 0.0  # the container vanishes without a report


FAULTS = {
    "none": Faults(),
    "light": Faults(lost=0.02, doubled=0.05, delayed=0.1, killed=0.05),
}


class RestlessError(RuntimeError):
    """Messages go on and on: something is asked for that is never reached."""


@dataclass(slots=True, kw_only=True)
class World:
    """One factory with everything around it."""

    ports: MemoryPorts
    factory: Factory
    platform: Platform
    chance: random.Random
    faults: Faults
    deliveries: int = 0
    injected: int = 0
    poisoned: list[tuple[str, str]] = field(default_factory=list)
    restless: str = ""
    waits: int = 0  # steps that only looked

    def register(self, name: str, parent: str | None, *, text: str = "content", **changes: Any) -> None:
        """Register an image as SecOps, or replace its definition."""
        digest, content = fleet.bundle(text)
        self.factory.registrar.store_bundle(digest, content)
        image = ImageName(name)
        known = self.factory.queries.images_store.find_head(image)
        self.factory.registrar.register(
            image,
            fleet.document(name, parent, **changes),
            digest,
            ADMIN,
            expected=None if known is None else document_etag(known.value),
            create_only=known is None,
        )

    def publish_release(self, version: str) -> None:
        """Offer a new version in the Marketplace; the next poll sees it."""
        self.ports.marketplace.publish(SOURCE, MarketplaceVersion.parse(version))

    def settle(self, *, limit: int = 200_000, sweeps: int = 6) -> None:
        """Deliver until nothing is left to do, then sweep, until `sweeps` sweeps in a row change nothing."""
        quiet = 0
        while quiet < sweeps:
            before = self.deliveries
            self._drain(limit)
            self.ports.clock.advance(_SWEEP)
            self.factory.sweeper.sweep()
            self._drain(limit)
            quiet = quiet + 1 if self.deliveries - before <= 1 else 0
            if self.deliveries > limit:
                raise RestlessError(f"the world did not come to rest within {limit} deliveries")

    def drain(self, *, limit: int = 200_000) -> None:
        """Deliver until no message is left, moving time on as needed; no sweep."""
        self._drain(limit)

    def versions(self) -> dict[str, str]:
        """The current version of each image."""
        return {view.name: view.version for view in self.factory.queries.images(limit=200).images}

    def _drain(self, limit: int) -> None:
        while self.deliveries <= limit:
            self.platform.advance()
            if self._deliver_one():
                continue
            moments = [self.ports.queues.next_visible(), self.platform.next_end()]
            later = [moment for moment in moments if moment is not None]
            if not later:
                return
            if min(later) > self.ports.clock.now():
                self.ports.clock.set(min(later))

    def _deliver_one(self) -> bool:
        for queue in messages.QUEUES:
            message = self.ports.queues.receive(queue)
            if message is None:
                continue
            self.deliveries += 1
            if self._meets_fault(queue, message.text):
                self.ports.queues.delete(queue, message)
                return True
            try:
                self._handle(queue, message.text, redelivered=message.dequeue_count > 1)
            except TransientError as error:
                self.factory.redelivery.again(queue, message.text, error)
            except FactoryError:
                if message.dequeue_count < MAX_DEQUEUE:
                    self.ports.queues.release(queue, message, delay=timedelta(seconds=30))
                    return True
                self.poisoned.append((queue, message.text))
                self.factory.poison.record(queue, message.text)
            self.ports.queues.delete(queue, message)
            return True
        return False

    def _meets_fault(self, queue: str, text: str) -> bool:
        """True where the message is lost; others are sent once more, now or later."""
        draw = self.chance.random()
        if draw < self.faults.lost:
            self.injected += 1
            return True
        draw -= self.faults.lost
        if draw < self.faults.doubled:
            self.injected += 1
            self.ports.queues.send(queue, text)
        elif draw < self.faults.doubled + self.faults.delayed:
            self.injected += 1
            self.ports.queues.send(queue, text, delay=timedelta(seconds=300 * self.chance.random()))
            return True
        return False

    def _step(self, text: str, *, redelivered: bool) -> None:
        before = self.ports.tables.operations
        self.factory.driver.step(messages.StepMessage.from_wire(text), redelivered=redelivered)
        self.waits += self.ports.tables.operations - before == 1

    def _handle(self, queue: str, text: str, *, redelivered: bool) -> None:
        factory = self.factory
        handlers: dict[str, Callable[[], object]] = {
            messages.REBUILD_REQUESTS: lambda: factory.reconciler.handle(
                messages.RebuildMessage.from_wire(text)
            ),
            messages.DISPATCH_REQUESTS: factory.dispatcher.dispatch,
            messages.BUILD_STEPS: lambda: self._step(text, redelivered=redelivered),
            messages.BUILD_EVENTS: lambda: factory.build_events.observe(
                messages.BuildEventMessage.from_wire(text)
            ),
            messages.IMAGE_PUBLISHED: lambda: factory.cascade.handle(
                messages.PublishedMessage.from_wire(text)
            ),
            messages.NOTIFICATION_REQUESTS: lambda: factory.notifier.deliver(
                messages.NotificationMessage.from_wire(text)
            ),
        }
        handlers[queue]()


def make(
    *,
    seed: int = 0,
    slots: int = 8,
    faults: Faults = FAULTS["none"],
    failing: Mapping[tuple[str, str], str] | None = None,
    creates_per_hour: int = 10_000,
) -> World:
    """A world with the platform steps in force and one RHEL version on offer, but no image."""
    ports = twins([QUARANTINE, LIVE], seed=seed)
    ports.galleries.replication = timedelta(minutes=3)
    chance = random.Random(seed)  # noqa: S311 - it has to repeat itself
    ports.marketplace.publish(SOURCE, MarketplaceVersion.parse("9.6.2025112113"))
    site = Site(
        subscription_id="00000000-0000-0000-0000-000000000000",
        location=Region("westeurope"),
        build_resource_group="rg-build",
        gallery_resource_group="rg-galleries",
        quarantine=QUARANTINE,
        live=(LIVE,),
        builder_client_id="builder",
        builder_image="builder@sha256:simulated",
        vm_subnet_id="",
        blob_endpoint="https://blob.example.com",
        queue_endpoint="https://queue.example.com",
        secops=TeamName("secops"),
    )
    limits = Limits(
        slots=slots, creates_per_hour=creates_per_hour, team_slots=slots, wait=timedelta(seconds=30)
    )
    factory = bootstrap.assemble(ports, site, limits)
    platform = Platform(
        ports=ports, chance=chance, quarantine=QUARANTINE, failing=failing or {}, killed=faults.killed
    )
    world = World(ports=ports, factory=factory, platform=platform, chance=chance, faults=faults)
    digest, content = fleet.bundle("platform")
    factory.registrar.store_bundle(digest, content)
    set_platform(world, digest)
    return world


def set_platform(world: World, digest: Digest) -> None:
    """Put platform steps in force that were uploaded before."""
    world.factory.platforms.put(digest, {"hosts": ["tools.example.com"], "entries": []}, ADMIN)


def upload(world: World, text: str) -> Digest:
    """Upload a bundle and forget about conflicts: the same content is the same bundle."""
    digest, content = fleet.bundle(text)
    try:
        world.factory.registrar.store_bundle(digest, content)
    except AlreadyExists:
        return digest
    return digest
