"""The forest of images: which image descends from which, and on which level. Pure; knows names and origins only."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import Origin, ParentReference

MAX_DEPTH = 16  # a stated limit, so that every walk up a chain is bounded
MAX_IMAGES = 10_000  # the largest fleet that a factory is measured with


def upwards(image: ImageName, parent_of: Callable[[ImageName], ImageName | None]) -> Iterator[ImageName]:
    """The names from `image` up to its root. `parent_of` is called when the next name is wanted.

    The walk is bounded: it ends before a name repeats (two edits at one moment can make a cycle), and beyond MAX_DEPTH.
    """
    seen: set[ImageName] = set()
    here: ImageName | None = image
    while here is not None and here not in seen and len(seen) <= MAX_DEPTH:
        seen.add(here)
        yield here
        here = parent_of(here)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageProblem:
    """One image that cannot have a place in the forest, and why."""

    image: ImageName
    reason: str  # "orphan", "cycle" or "depth"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageFault:
    """A stored image without a place in the forest; `since` is when the factory found it, None where it just did."""

    problem: LineageProblem
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The intent to change where one image stands: `before` is None for a new image, `after` for a deletion.

    It is written before the image and removed after it, so that everybody sees what is under way.
    """

    image: ImageName
    number: int
    before: Origin | None
    after: Origin | None
    begun_at: datetime

    @property
    def parent(self) -> ImageName | None:
        """The parent that the image is to have; None for a root and for a deletion."""
        return self.after.image if isinstance(self.after, ParentReference) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLedger:
    """The one record that all moves pass: how many images there are, new ones included, and what is under way.

    `count` is None where it must be counted again. `number` is that of the newest move.
    """

    number: int = 0
    count: int | None = None
    moves: tuple[Move, ...] = ()

    def find(self, image: ImageName) -> Move | None:
        """The move of this image that is under way, or None."""
        return next((each for each in self.moves if each.image == image), None)

    def begin(
        self, image: ImageName, before: Origin | None, after: Origin | None, now: datetime, *, last: int = 0
    ) -> "MoveLedger":
        """The ledger with one more move. A new image counts from now on.

        `last` is the number of the image's own last move: a ledger that was lost must not give it again.
        """
        number = max(self.number, last) + 1
        move = Move(image=image, number=number, before=before, after=after, begun_at=now)
        count = None if self.count is None else self.count + (before is None)
        return replace(self, number=number, count=count, moves=(*self.moves, move))

    def end(self, move: Move, *, is_done: bool) -> "MoveLedger":
        """The ledger without the move. A deletion that was done and a new image that never came count no longer."""
        if move not in self.moves:
            return self
        left = move.after is None if is_done else move.before is None
        count = None if self.count is None else self.count - left
        return replace(self, count=count, moves=tuple(each for each in self.moves if each != move))


NO_MOVES = MoveLedger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A checked forest; `parents` maps every image to its parent, or to None for a root."""

    parents: Mapping[ImageName, ImageName | None]
    children: Mapping[ImageName, tuple[ImageName, ...]]
    levels: Mapping[ImageName, int]
    errors: tuple[LineageProblem, ...] = field(default=())

    def ancestors(self, image: ImageName) -> tuple[ImageName, ...]:
        """From the parent up to the root; empty for a root."""
        chain: list[ImageName] = []
        parent = self.parents[image]
        while parent is not None:
            chain.append(parent)
            parent = self.parents[parent]
        return tuple(chain)

    def by_level(self) -> tuple[tuple[ImageName, ...], ...]:
        """The images of each level, roots first; names in order."""
        height = max(self.levels.values(), default=-1) + 1
        rows: list[list[ImageName]] = [[] for _ in range(height)]
        for image in sorted(self.levels):
            rows[self.levels[image]].append(image)
        return tuple(tuple(row) for row in rows)


def lineage_of(parents: Mapping[ImageName, ImageName | None]) -> Lineage:
    """Place every image; those on a cycle, below a missing parent or too deep come back as errors.

    Linear in the number of images. An image below a broken one is an error too: it can never be built.
    """
    levels: dict[ImageName, int] = {}
    broken: dict[ImageName, LineageProblem] = {}
    for image in parents:
        _place(image, parents, levels, broken)
    placed = {image: parents[image] for image in parents if image in levels}
    return Lineage(
        parents=placed,
        children=_children_of(placed),
        levels=levels,
        errors=tuple(broken[image] for image in sorted(broken)),
    )


def chain_problem(image: ImageName, parents: Mapping[ImageName, ImageName | None]) -> LineageProblem | None:
    """Why the image cannot be looked at, or None. `parents` has the image and what was read of its ancestors."""
    if image not in parents:
        return None
    found = faults_of(parents).get(image)
    return _deep(image) if found is None and len(parents) > MAX_DEPTH else found


def faults_of(parents: Mapping[ImageName, ImageName | None]) -> dict[ImageName, LineageProblem]:
    """The images that cannot be looked at as they are stored: on or below a cycle, too deep, or without their parent.

    An image below an orphan still has a parent with a version: it is none of them.
    """
    return {
        problem.image: problem
        for problem in lineage_of(parents).errors
        if problem.reason != "orphan" or parents[problem.image] not in parents
    }


def _place(
    image: ImageName,
    parents: Mapping[ImageName, ImageName | None],
    levels: dict[ImageName, int],
    broken: dict[ImageName, LineageProblem],
) -> None:
    chain: dict[ImageName, None] = {}  # ordered, with constant-time membership
    here: ImageName | None = image
    while here is not None and here not in levels and here not in broken:
        if here in chain:
            on_cycle = list(chain)[list(chain).index(here) :]
            _break(
                chain, broken, "cycle", "descends from itself: " + " -> ".join(map(str, [*on_cycle, here]))
            )
            return
        if here not in parents:
            _break(chain, broken, "orphan", f"has no registered parent {str(here)!r}; register it first")
            return
        chain[here] = None
        here = parents[here]
    if here is not None and here in broken:
        _break(chain, broken, broken[here].reason, f"is below {str(here)!r}, which {broken[here].message}")
        return
    level = -1 if here is None else levels[here]
    for member in reversed(chain):
        level += 1
        if level >= MAX_DEPTH:
            broken[member] = _deep(member)
        else:
            levels[member] = level


def _deep(image: ImageName) -> LineageProblem:
    return LineageProblem(
        image=image, reason="depth", message=f"is deeper than {MAX_DEPTH} levels; flatten the chain"
    )


def _break(
    chain: Iterable[ImageName], broken: dict[ImageName, LineageProblem], reason: str, message: str
) -> None:
    for member in chain:
        broken[member] = LineageProblem(image=member, reason=reason, message=message)


def _children_of(parents: Mapping[ImageName, ImageName | None]) -> dict[ImageName, tuple[ImageName, ...]]:
    children: dict[ImageName, list[ImageName]] = {}
    for image in sorted(parents):
        parent = parents[image]
        if parent is not None:
            children.setdefault(parent, []).append(image)
    return {parent: tuple(names) for parent, names in children.items()}
