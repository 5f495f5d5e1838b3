"""The sweep's part on images: copies in the fleet that lag behind, and images that are stale without a build.

It works on the fleet's copies of heads, which cost one query per 1,000 images. It reads the head itself only for an
image that seems to need something, and for a share of the fleet in turn.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import LineageFault, faults_of, upwards
from pipeline_core.domain.names import BuildId, CampaignId, ImageName
from pipeline_core.domain.staleness import Stale, World, detect_staleness
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.upkeep.lineage import PlaceSweep
from pipeline_core.state.stores import Records

_TURN = 600  # seconds, after which the next share of the fleet has its turn
_SHARE = 36  # turns for one round of a large fleet: six hours
_LEAST = 50  # images compared in each sweep, so that a small fleet is compared as a whole


@dataclass(slots=True, kw_only=True)
class SweptFleet:
    """The fleet as one sweep knows it; `compared` names the images whose own head it has read."""

    heads: dict[ImageName, ImageHead] = field(default_factory=dict)
    unreadable: list[ImageName] = field(default_factory=list)
    compared: set[ImageName] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSweep:
    """Reads, compares and wakes images."""

    records: Records
    effects: Effects
    places: PlaceSweep

    def read(self, fleet: SweptFleet, bulkhead: Bulkhead) -> int:
        """Take the fleet's copies; an unreadable copy is written again later from the image's own head."""
        for copy in self.records.fleet.copies():
            bulkhead.run(copy.name, partial(_take, fleet, copy.name, copy.head))
        return len(fleet.heads)

    def compare(self, fleet: SweptFleet, active: Set[BuildId], now: datetime, bulkhead: Bulkhead) -> int:
        """Compare copies with the heads: unreadable ones, those with a build outside `active`, and a share in turn."""
        lost = [name for name, head in fleet.heads.items() if head.active and head.active.build not in active]
        names = (*fleet.unreadable, *lost, *_turn_of(sorted(fleet.heads, key=str), now))
        return sum(bulkhead.run(str(name), partial(self._compare, fleet, name)) for name in names)

    def wake(self, fleet: SweptFleet, now: datetime, bulkhead: Bulkhead) -> int:
        """Ask for a look at every image without an active build that is stale or in a new refresh period."""
        world = World(
            heads=fleet.heads,
            sources=self.records.sources.followed(),
            platform=self.records.sources.find_platform(),
            broken={
                name: LineageFault(problem=problem)
                for name, problem in faults_of(
                    {name: head.registration.parent for name, head in fleet.heads.items()}
                ).items()
            },
        )
        bulkhead.part("places", partial(self.places.repair, world, now, bulkhead))
        suspects = [
            name for name in fleet.heads if bulkhead.run(str(name), partial(_needs_look, name, world, now))
        ]
        for name in suspects:
            for each in (name, _parent_of(name, world)):
                bulkhead.run(str(each), partial(self._compare, fleet, each))
        for name, head in fleet.heads.items():
            if _has_region_due(head, now):
                bulkhead.run(str(name), partial(self._bring_to_regions, head))
        return sum(bulkhead.run(str(name), partial(self._wake, name, world, now)) for name in suspects)

    def _bring_to_regions(self, head: ImageHead) -> bool:
        """Ask for a look at a live version that is not in every region."""
        made = None if head.current is None else self.records.images.find_build(head.current.build)
        if made is not None:
            self.effects.outbox.step(made.value, reason="regions-missing", once=True)
        return made is not None

    def _wake(self, name: ImageName, world: World, now: datetime) -> bool:
        if name not in world.heads or not _needs_look(name, world, now):
            return False  # the copy had lagged behind
        self.effects.outbox.rebuild(name, "swept", CampaignId(f"sweep-{now:%Y%m%d}"))
        return True

    def _compare(self, fleet: SweptFleet, name: ImageName | None) -> bool:
        """True where the copy differed. The copy is written again, and this sweep goes on with the head."""
        if name is None or name in fleet.compared:
            return False
        fleet.compared.add(name)
        stored = self.records.images.find_head(name)
        truth = None if stored is None else stored.value
        if truth is not None and truth == fleet.heads.get(name):
            return False
        if truth is None:
            fleet.heads.pop(name, None)
        else:
            fleet.heads[name] = truth
        self.effects.projection.project(name)
        return True


def _take(fleet: SweptFleet, name: str, head: ImageHead | None) -> bool:
    if head is None:
        fleet.unreadable.append(ImageName(name))
    else:
        fleet.heads[head.name] = head
    return True


def _turn_of(names: list[ImageName], now: datetime) -> Iterator[ImageName]:
    """The images whose turn it is. Each image has a turn within six hours if a sweep runs every ten minutes."""
    count = min(len(names), max(_LEAST, -(-len(names) // _SHARE)))
    first = int(now.timestamp()) // _TURN * count
    return (names[(first + number) % len(names)] for number in range(count))


def _parent_of(name: ImageName, world: World) -> ImageName | None:
    parent = world.heads[name].registration.parent if name in world.heads else None
    return parent if parent in world.heads else None


def _has_region_due(head: ImageHead, now: datetime) -> bool:
    missing = None if head.current is None else head.current.missing
    return missing is not None and missing.after <= now


def _needs_look(name: ImageName, world: World, now: datetime) -> bool:
    head = world.heads[name]
    if head.active is not None:
        return False
    if name in world.broken:
        return False
    return _needs_refresh(head, world, now) or isinstance(detect_staleness(name, world), Stale)


def _needs_refresh(head: ImageHead, world: World, now: datetime) -> bool:
    *_, root = upwards(head.name, partial(_parent_of, world=world))
    return fingerprints.refresh_period(root, now, head.registration.max_age) > head.period
