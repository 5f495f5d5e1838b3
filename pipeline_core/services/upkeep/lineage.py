"""The sweep's part on places: moves that nobody ended, images without a place in the forest, index rows that are wrong.

It works on the fleet's copies and reads the images' own heads where a copy suggests that something is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event, standing_key
from pipeline_core.domain.lineage import MAX_DEPTH, LineageFault, LineageProblem, chain_problem
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.staleness import World
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.places import Places
from pipeline_core.services.images.platform import Platforms
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state import images as records
from pipeline_core.state.stores import Records

_TURN = 600  # seconds, after which the next images have their turn
_SHARE = 2000  # turns for one round of a large fleet: four weeks, at each second sweep
_LEAST = 1  # images whose index rows are compared in each sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSweep:
    """Cost where nothing is wrong: one read, and one for each of a few images, or for one source, in turn."""

    records: Records
    effects: Effects
    places: Places
    platforms: Platforms

    def repair(self, world: World, now: datetime, bulkhead: Bulkhead) -> int:
        """Complete moves, record faults, repair index rows, tell of dropped tools; the number of repairs.

        `world` has the fleet's copies. A part that fails does not stop the others.
        """
        ledger, known = self.records.lineage.read()
        repairs = bulkhead.part("moves", partial(self.places.complete_left, ledger))
        repairs += bulkhead.part("lineage", partial(self._record_faults, world, known, now, bulkhead))
        repairs += bulkhead.part("places", partial(self._compare_index, world, now, bulkhead))
        if world.platform is not None and world.platform.announce:
            bulkhead.part("dropped tools", partial(self.platforms.announce, bulkhead.run))
        return repairs

    def _record_faults(
        self, world: World, known: Mapping[ImageName, LineageFault], now: datetime, bulkhead: Bulkhead
    ) -> int:
        """One record and one journal line for each image without a place, until it has one again."""
        new = [name for name in world.broken if name not in known]
        healed = [name for name in known if name not in world.broken]
        told = sum(bulkhead.run(str(name), partial(self._add_fault, name, now)) for name in new)
        return told + sum(bulkhead.run(str(name), partial(self._heal, name)) for name in healed)

    def _add_fault(self, image: ImageName, now: datetime) -> bool:
        """False where the images' own heads do not say so: the copies had lagged behind."""
        problem = self._look(image)
        fault = None if problem is None else LineageFault(problem=problem, since=now)
        if problem is None or fault is None or not self.records.lineage.add_fault(fault):
            return False
        self._tell(image, problem, now)
        return True

    def _heal(self, image: ImageName) -> bool:
        if self._look(image) is not None:
            return False
        self.records.lineage.remove_fault(image)
        return True

    def _look(self, image: ImageName) -> LineageProblem | None:
        parents: dict[ImageName, ImageName | None] = {}
        here: ImageName | None = image
        while here is not None and here not in parents and len(parents) <= MAX_DEPTH:
            stored = self.records.images.find_head(here)
            if stored is None:
                break
            parents[here] = stored.value.registration.parent
            here = parents[here]
        return chain_problem(image, parents)

    def _tell(self, image: ImageName, problem: LineageProblem, now: datetime) -> None:
        key = standing_key(now, f"lineage/{image}/{problem.reason}")
        entry = Entry(
            key=key,
            image=image,
            at=now,
            event=Event.LINEAGE_BROKEN,
            actor=FACTORY,
            detail=f"{image} {problem.message}",
        )
        try:
            self.records.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return

    def _compare_index(self, world: World, now: datetime, bulkhead: Bulkhead) -> int:
        """Compare the rows below a few images, or those below one source, with what is registered."""
        turn = int(now.timestamp()) // _TURN
        if turn % 2 and world.sources:
            key = sorted(world.sources)[turn // 2 % len(world.sources)]
            return bulkhead.run(key, partial(self._compare_roots, world, world.sources[key].source))
        below: dict[ImageName, set[ImageName]] = {}
        for name, head in world.heads.items():
            if head.registration.parent is not None:
                below.setdefault(head.registration.parent, set()).add(name)
        return sum(
            bulkhead.run(str(parent), partial(self._compare_children, parent, below.get(parent, set())))
            for parent in _turn_of(sorted({*world.heads, *below}, key=str), turn // 2)
        )

    def _compare_children(self, parent: ImageName, registered: set[ImageName]) -> bool:
        doubtful = set(self.records.index.children(parent)) ^ registered
        return bool(sum(self._settle_child(parent, child) for child in sorted(doubtful, key=str)))

    def _settle_child(self, parent: ImageName, child: ImageName) -> bool:
        """True where the row was wrong. A move that begins meanwhile relies on a row that was there: it comes back."""
        if self._is_moving(child):
            return False
        if not self._stands_below(child, parent):
            self.records.index.remove_child(parent, child)
        if self._is_moving(child) or self._stands_below(child, parent):
            self.records.index.add_child(parent, child)
        return True

    def _stands_below(self, child: ImageName, parent: ImageName) -> bool:
        head = self.records.images.find_head(child)
        return head is not None and head.value.registration.parent == parent

    def _compare_roots(self, world: World, source: MarketplaceSource) -> bool:
        registered = {name for name, head in world.heads.items() if _is_of(head, source)}
        doubtful = set(self.records.index.roots(source)) ^ registered
        return bool(sum(self._settle_root(source, root) for root in sorted(doubtful, key=str)))

    def _settle_root(self, source: MarketplaceSource, root: ImageName) -> bool:
        """As for a child: a source that no image follows is then not polled any more."""
        if self._is_moving(root):
            return False
        if not self._is_built_from(root, source):
            self.records.index.remove_root(source, root)
        if self._is_moving(root) or self._is_built_from(root, source):
            self.records.index.add_root(source, root)
        return True

    def _is_built_from(self, root: ImageName, source: MarketplaceSource) -> bool:
        head = self.records.images.find_head(root)
        return head is not None and _is_of(head.value, source)

    def _is_moving(self, image: ImageName) -> bool:
        ledger = self.records.lineage.find_ledger()
        return ledger is not None and ledger.value.find(image) is not None


def _is_of(head: ImageHead, source: MarketplaceSource) -> bool:
    origin = head.registration.origin
    return isinstance(origin, MarketplaceSource) and origin.key == source.key


def _turn_of(names: list[ImageName], turn: int) -> Iterator[ImageName]:
    count = min(len(names), max(_LEAST, -(-len(names) // _SHARE)))
    return (names[(turn * count + number) % len(names)] for number in range(count))
