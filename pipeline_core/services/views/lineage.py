"""The forest for readers, a page at a time: the whole fleet by name, or what is above and below one image.

Reads and changes nothing. No answer parses the heads of a fleet.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice

from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.lineage import (
    MAX_DEPTH,
    LineageFault,
    LineageProblem,
    chain_problem,
    lineage_of,
    upwards,
)
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Reads
from pipeline_core.services.views.views import LineageView
from pipeline_core.state.fleet import PlacePage
from pipeline_core.state.stores import Records

PAGE_LIMIT = 1000  # images that a page of the fleet holds at most: one read of a table
BELOW_LIMIT = 200  # images below one that a page holds at most: a read each
_AHEAD = 4  # images of one parent for which the read of what is below has begun
_SEPARATOR = "/"  # between the names of a path in a cursor; no name has it


def page_of_fleet(
    records: Records, *, after: ImageName | None = None, limit: int = PAGE_LIMIT
) -> LineageView:
    """A page of the forest by name, as the fleet's copies have it. One read; one more unless the page is the fleet.

    Levels are counted on the page: level 0 has the roots, and the images whose parent is on another page. Where the
    page is not the whole fleet, the sweep's records say which images have no place; else the page itself does.
    """
    found = records.fleet.places(after=str(after or ""), limit=min(limit, PAGE_LIMIT))
    if after is None and found.after is None:
        return _view(found, found.parents, ())
    broken = _broken(found.parents, records.lineage.faults())
    near = {
        name: parent if parent in found.parents else None
        for name, parent in found.parents.items()
        if name not in broken
    }
    return _view(found, near, tuple(broken.values()))


def around(
    records: Records,
    reads: Reads,
    image: ImageName,
    *,
    after: Sequence[ImageName] = (),
    limit: int = BELOW_LIMIT,
) -> LineageView:
    """An image, all its ancestors, and a page of what is below it: each image behind its parent. Raises NotFound.

    Ancestors come from the heads. What is below comes from the index, as a cascade finds it. It costs a read for each
    of the ancestors, for each image below that is shown, and for each level between the image and the cursor. Below
    an image, up to 4 of its children are read at the same time. Levels are those of the whole forest.
    """
    parents_above = _upwards(records, image)
    problem = chain_problem(image, parents_above)
    problems = () if problem is None else (problem,)
    if problem is not None:
        return LineageView(levels=(), parents={}, errors=problems)
    names = [*reversed(parents_above)]  # the root first
    walk = _Walk(records=records, reads=reads, above=names)
    below = walk.take(after, min(limit, BELOW_LIMIT))
    levels = [[str(name)] for name in names]
    for path in below.paths:
        level = len(names) + len(path) - 1
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(str(path[-1]))
    parents = {str(name): _text(parent) for name, parent in parents_above.items()}
    parents |= {str(path[-1]): str(path[-2] if len(path) > 1 else image) for path in below.paths}
    return LineageView(
        levels=tuple(map(tuple, levels)), parents=parents, errors=tuple(below.problems), next=below.after
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """Images below another one, each by its path from there. `after` is the path of the last one, where more follow."""

    paths: Sequence[tuple[ImageName, ...]]
    problems: Sequence[LineageProblem]
    after: str | None


Below = Callable[[], Iterator[ImageName]]  # waits for the read that has begun


@dataclass(slots=True, kw_only=True)
class _Siblings:
    """The children of one image in order. `ahead` are those that come next, with the read of what is below them.

    `room` is how many images the page could take when the first of them was asked for.
    """

    names: Iterator[ImageName]
    room: int
    ahead: deque[tuple[ImageName, Below | None]] = field(default_factory=deque)
    taken: int = 0

    def next(
        self, begin: Callable[[ImageName], Below | None], room: int
    ) -> tuple[ImageName, Below | None] | None:
        """The next child, None after the last one. `room` is how many images the page can take now.

        Reads have begun for as many children as will come onto the page, if each takes as much of it as those before.
        """
        each = max(1, (self.room - room) // max(1, self.taken))
        while len(self.ahead) < max(1, min(_AHEAD, room // each)):
            name = next(self.names, None)
            if name is None:
                break
            self.ahead.append((name, begin(name) if room else None))
        self.taken += 1
        return self.ahead.popleft() if self.ahead else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """Down the index from the last image of `above`: a child, all that is below it, then the next child."""

    records: Records
    reads: Reads
    above: Sequence[ImageName]

    def take(self, after: Sequence[ImageName], limit: int) -> _Below:
        """At most `limit` images behind the path `after` (empty: from the first child on)."""
        paths: list[tuple[ImageName, ...]] = []
        problems: list[LineageProblem] = []
        here = list(after[:MAX_DEPTH])
        parents = [self.above[-1], *here]
        begun = [self._begin(parent, after=name) for parent, name in zip(parents, [*here, None], strict=True)]
        waiting = [_Siblings(names=below(), room=limit) for below in begun]
        while waiting:
            here = here[: len(waiting) - 1]
            found = waiting[-1].next(partial(self._begin_below, here), limit - len(paths))
            if found is None:
                waiting.pop()
                continue
            child, below = found
            problem = self._problem(child, here)
            if problem is not None:
                problems.append(problem)
                continue
            if below is None or len(paths) == limit:  # the page is full
                return _Below(paths=paths, problems=problems, after=_SEPARATOR.join(map(str, paths[-1])))
            here.append(child)
            paths.append(tuple(here))
            waiting.append(_Siblings(names=below(), room=limit - len(paths)))
        return _Below(paths=paths, problems=problems, after=None)

    def _begin(self, parent: ImageName, *, after: ImageName | None = None) -> Below:
        """Begin to read the names of an image's children: the first page of them."""

        def read() -> Iterator[ImageName]:
            names = self.records.index.children(parent, after="" if after is None else str(after))
            return chain(tuple(islice(names, 1)), names)

        return self.reads.begin(read)

    def _begin_below(self, path: Sequence[ImageName], child: ImageName) -> Below | None:
        return self._begin(child) if self._problem(child, path) is None else None

    def _problem(self, child: ImageName, path: Sequence[ImageName]) -> LineageProblem | None:
        """Why the walk does not go on with this child."""
        if child in path or child in self.above:
            return LineageProblem(image=child, reason="cycle", message="descends from itself")
        if len(self.above) + len(path) >= MAX_DEPTH:
            message = f"is deeper than {MAX_DEPTH} levels; flatten the chain"
            return LineageProblem(image=child, reason="depth", message=message)
        return None


def _upwards(records: Records, image: ImageName) -> dict[ImageName, ImageName | None]:
    """The parents of an image and of its ancestors, its own first. Raises NotFound."""
    parents: dict[ImageName, ImageName | None] = {}

    def parent_of(name: ImageName) -> ImageName | None:
        stored = records.images.find_head(name)
        if stored is None:
            return None
        parents[name] = stored.value.registration.parent
        return parents[name]

    for _ in upwards(image, parent_of):
        pass
    if image not in parents:
        raise NotFound(f"image {image} is not registered; GET /api/images lists those that are")
    return parents


def _view(
    found: PlacePage, parents: Mapping[ImageName, ImageName | None], broken: Sequence[LineageProblem]
) -> LineageView:
    forest = lineage_of(parents)
    unreadable = [
        LineageProblem(
            image=ImageName(name),
            reason="unreadable",
            message="has a copy in the fleet that cannot be read; the sweep writes it again",
        )
        for name in found.unreadable
    ]
    return LineageView(
        levels=tuple(tuple(map(str, level)) for level in forest.by_level()),
        parents={str(name): _text(found.parents[name]) for name in forest.parents},
        errors=tuple(sorted((*broken, *forest.errors, *unreadable), key=lambda each: each.image)),
        next=found.after,
    )


def _broken(
    parents: Mapping[ImageName, ImageName | None], faults: Mapping[ImageName, LineageFault]
) -> dict[ImageName, LineageProblem]:
    """The images of a page that are recorded as broken, and those below one that is."""
    broken: dict[ImageName, LineageProblem] = {}
    for name in parents if faults else ():
        if name in faults:
            broken[name] = faults[name].problem
            continue
        above = next((each for each in islice(upwards(name, parents.get), 1, None) if each in faults), None)
        if above is not None:
            fault = faults[above].problem
            message = f"is below {str(above)!r}, which {fault.message}"
            broken[name] = LineageProblem(image=name, reason=fault.reason, message=message)
    return broken


def _text(name: ImageName | None) -> str | None:
    return None if name is None else str(name)
