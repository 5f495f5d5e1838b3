"""What may stand where: reads heads and index rows around one place in the forest. Writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_core.domain.errors import Contended
from pipeline_core.domain.lineage import MAX_DEPTH, NO_MOVES, MoveLedger, upwards
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import ParentReference
from pipeline_core.state.stores import Records
from pipeline_core.wire.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Costs one read for each ancestor, and one for each image below; `ledger` has the moves that are under way.

    An image whose move is under way may stand in two places. Others that depend on it are refused for that moment.
    """

    records: Records
    ledger: MoveLedger = NO_MOVES

    def chain(self, image: ImageName) -> Iterator[ImageName]:
        """From `image` up to its root, one read each."""
        return upwards(image, self._parent_of)

    def find_problem(self, image: ImageName, parent: ImageName) -> Problem | None:
        """Why `image`, with everything below it, cannot stand below `parent`; None where it can.

        Raises Contended where an ancestor, or an image that decides, is being moved.
        """
        chain = [image, *self.chain(parent)]
        for above in chain[1:]:
            self.demand_still(above)
        if image in chain[1:]:
            path = " -> ".join(map(str, chain[: chain.index(image, 1) + 1]))
            return Problem(
                path="spec.parent.image",
                message=f"makes a cycle: {path}",
                remedy="choose a parent that does not descend from this image",
            )
        if self._parent_of(chain[-1]) is not None and len(chain) <= MAX_DEPTH:
            return Problem(
                path="spec.parent.image",
                message=f"descends from {chain[-1]}, which descends from itself",
                remedy="choose another parent, or ask the owner to repair the parents above it first",
            )
        if len(chain) > MAX_DEPTH:
            return Problem(
                path="spec.parent.image",
                message=f"puts the image on level {len(chain)}, and {MAX_DEPTH} are allowed",
                remedy="choose a parent nearer to the root",
            )
        deep = self._too_deep(image, MAX_DEPTH - len(chain))
        if deep is None:
            return None
        level = len(chain) + [*self.chain(deep)].index(image)
        return Problem(
            path="spec.parent.image",
            message=f"puts {deep}, which is below the image, on level {level}, and {MAX_DEPTH} are allowed",
            remedy="choose a parent nearer to the root, or move what is below the image first",
        )

    def find_child(self, image: ImageName) -> ImageName | None:
        """An image that is built from `image`, or will be when its move ends; None where there is none.

        Index rows that no registration stands behind do not count; the sweep removes them.
        """
        return next(
            (each for each in self.records.index.children(image) if self._is_child(each, image)), None
        )

    def _too_deep(self, image: ImageName, levels: int) -> ImageName | None:
        """The first image found that is more than `levels` levels below `image`."""
        here, seen = [image], {image}
        for _ in range(levels + 1):
            below = [child for name in here for child in self.records.index.children(name)]
            here = [child for child in dict.fromkeys(below) if child not in seen]
            seen.update(here)
        for name in here:
            self.demand_still(name)
            if image in self.chain(name):  # the index may have rows that no registration stands behind
                return name
        return None

    def demand_still(self, image: ImageName) -> None:
        """Raises Contended while the image is being moved."""
        move = self.ledger.find(image)
        if move is not None:
            raise Contended(f"{image} is being registered, moved or deleted by somebody else: send it again")

    def _is_child(self, image: ImageName, parent: ImageName) -> bool:
        move = self.ledger.find(image)
        return self._parent_of(image) == parent or (move is not None and move.parent == parent)

    def _parent_of(self, image: ImageName) -> ImageName | None:
        head = self.records.images.find_head(image)
        origin = None if head is None else head.value.registration.origin
        return origin.image if isinstance(origin, ParentReference) else None
