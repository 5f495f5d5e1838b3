"""The forest of images: which image descends from which, and on which level. Pure; knows names only."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline_core.domain.names import ImageName

MAX_DEPTH = 16  # a stated limit, so that every walk up a chain is bounded


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
            broken[member] = LineageProblem(
                image=member, reason="depth", message=f"is deeper than {MAX_DEPTH} levels; flatten the chain"
            )
        else:
            levels[member] = level


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
