"""A large fleet in one state, on counted ports: current, resting for one reason, pending, or building.

Rows are written directly, as thousands of builds would leave them. What is measured afterwards is the real services.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from benchmarks.cascade import seed
from benchmarks.cascade.fleet import SampleFleet, SimulatedImage
from benchmarks.counted_fleet import DELIVERIES, Counted, IndexedBlobs
from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, ImageName, build_id
from pipeline_core.domain.staleness import Stale, World, detect_staleness
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state import images as records
from simulation import world
from simulation.world import SimulatedWorld

BUILT = GalleryVersion(9, 20261101, 1)  # of every image of a seeded fleet
NEW_RECIPE = Digest("b" * 64)
CLOSED = "Mon-Fri 00:00-00:01 Europe/Amsterdam"  # the clock of the twins starts outside of it
_PORTS = ("galleries", "containers", "marketplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Operations of one piece of work. A message counts when it is sent, received and deleted."""

    tables: int
    queues: int
    deliveries: int = 0
    blobs: int = 0
    arm: int = 0
    calls: Counter[str]

    @property
    def storage(self) -> int:
        """Table and queue operations together."""
        return self.tables + self.queues


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededFleet:
    """A world with a fleet, and the counts of its ports."""

    world: SimulatedWorld
    counts: Counter[str]

    def cost(self, work: Callable[[], object]) -> Cost:
        """What this work costs."""
        made, before = self.world, Counter(self.counts)
        tables, deliveries = made.ports.tables.operations, made.deliveries
        work()
        calls = self.counts - before
        delivered = made.deliveries - deliveries
        return Cost(
            tables=made.ports.tables.operations - tables,
            queues=calls["queues.send"] + 2 * delivered,
            deliveries=delivered,
            blobs=sum(count for name, count in calls.items() if name.startswith("blobs.")),
            arm=sum(count for name, count in calls.items() if name.partition(".")[0] in _PORTS),
            calls=calls,
        )

    def sweep(self) -> Cost:
        """What one sweep costs, without the messages that it sends."""
        return self.cost(self.world.factory.sweeper.sweep)

    def drain(self) -> Cost:
        """What it costs to deliver every message."""
        return self.cost(lambda: self.world.drain(limit=DELIVERIES))

    def heads(self) -> list[ImageHead]:
        """Every head, as the fleet's copies have it."""
        return list(self.world.base.records.index.heads())

    def change(self, change: Callable[[ImageHead], ImageHead]) -> None:
        """Change every head, and its copy."""
        stores = self.world.base.records
        for head in self.heads():
            stored = stores.images.get_head(head.name)
            changed = change(stored.value)
            stores.images.commit([records.put_head(changed, etag=stored.etag)])
            stores.index.project(head.name, changed)

    def block(self) -> None:
        """Give every stale image a claim on its desired input that failed for good."""
        stores = self.world.base.records
        around = World(
            heads={head.name: head for head in self.heads()},
            sources=stores.sources.followed(),
            platform=stores.sources.find_platform(),
        )
        for name in around.heads:
            stale = detect_staleness(name, around)
            if not isinstance(stale, Stale):
                continue
            claim = Claim(
                image=name,
                fingerprint=stale.fingerprint,
                generation=1,
                build=build_id(name, stale.fingerprint, 1),
                outcome=Outcome.FAILED,
                ended_at=self.world.ports.clock.now(),
            )
            stores.images.commit([records.put_claim(claim, etag=None)])


def current(
    parents: Sequence[int | None],
    *,
    slots: int = 8,
    wrap: Callable[[MemoryPorts], MemoryPorts] | None = None,
    **limits: Any,
) -> SeededFleet:
    """A fleet at rest. `parents` has the place of each image's parent, which comes before it, or None.

    `wrap` may replace its twins, before their calls are counted.
    """
    counts: Counter[str] = Counter()

    def counted(bare: MemoryPorts) -> MemoryPorts:
        ports = bare if wrap is None else wrap(bare)
        return replace(
            ports,
            queues=cast(Any, Counted(ports.queues, "queues", counts)),
            blobs=cast(Any, Counted(IndexedBlobs(ports.clock), "blobs", counts)),
            galleries=cast(Any, Counted(ports.galleries, "galleries", counts)),
            containers=cast(Any, Counted(ports.containers, "containers", counts)),
            marketplace=cast(Any, Counted(ports.marketplace, "marketplace", counts)),
        )

    made = world.make(seed=1, slots=slots, wrap=counted, **limits)
    seed.seed(made.ports, _sample(parents), world.LIVE)
    made.registered.update(head.name for head in made.base.records.index.heads())
    made.ports.clock.advance(world.SWEEP)
    return SeededFleet(world=made, counts=counts)


def stale(head: ImageHead, **registration: Any) -> ImageHead:
    """The head with a changed definition, and these changes of its registration."""
    return replace(head, registration=replace(head.registration, recipe=NEW_RECIPE, **registration))


def flat(count: int) -> list[int | None]:
    """Roots only."""
    return [None] * count


def below_one(count: int) -> list[int | None]:
    """One base, and so many children."""
    return [None, *[0] * count]


def levels(depth: int, width: int) -> list[int | None]:
    """One base with `depth` levels below it. Each image has `width` children."""
    parents: list[int | None] = [None]
    above = [0]
    for _ in range(depth):
        here = []
        for parent in above:
            for _ in range(width):
                here.append(len(parents))
                parents.append(parent)
        above = here
    return parents


def name_of(place: int) -> ImageName:
    """The name of the image at this place."""
    return ImageName(f"image-{place:05d}")


def _sample(parents: Sequence[int | None]) -> SampleFleet:
    return SampleFleet(
        seed=1,
        images=tuple(
            SimulatedImage(
                name=str(name_of(place)),
                parent=parent,
                team=f"team-{place % 10}",
                build=480,
                verify=240,
                publish=300,
            )
            for place, parent in enumerate(parents)
        ),
    )
