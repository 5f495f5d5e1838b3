"""What it costs to build many images again: how many, in which waves, for how long. From what builds took. Pure.

A figure that was never measured is not guessed: it is left out, and how many images it is missing for is said.
"""

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import chains
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The builds of some images, each after its parent's.

    `waves` counts the images of each wave: those without an ancestor among them, their children, and so on. `measured`
    is how many have a measured length; `machine_time` is the sum of these lengths, `elapsed` the time until the last
    build ends if no other build has a slot, `longest` the longest build. All three are None where nothing is measured,
    and too low where not all are.
    """

    images: int
    waves: tuple[int, ...]
    measured: int
    machine_time: timedelta | None
    elapsed: timedelta | None
    longest: timedelta | None


def reckon(heads: Mapping[ImageName, ImageHead], due: Collection[ImageName], slots: int) -> Rollout:
    """The rollout of the images `due`, which are all in `heads`, with so many slots.

    Each image is looked at a few times, whatever the fleet's depth. An image on a cycle counts in no wave.
    """
    lengths = {name: heads[name].build_seconds for name in due}
    below: dict[ImageName, list[ImageName]] = {}
    first: list[ImageName] = []
    for name in sorted(due, key=str):
        parent = heads[name].registration.parent
        if parent is not None and parent in lengths:
            below.setdefault(parent, []).append(name)
        else:
            first.append(name)
    measured = [seconds for seconds in lengths.values() if seconds]
    known = bool(measured)
    return Rollout(
        images=len(lengths),
        waves=_waves(first, below),
        measured=len(measured),
        machine_time=timedelta(seconds=sum(measured)) if known else None,
        elapsed=timedelta(seconds=_elapsed(heads, lengths, first, below, slots)) if known else None,
        longest=timedelta(seconds=max(measured)) if known else None,
    )


def _waves(first: list[ImageName], below: Mapping[ImageName, list[ImageName]]) -> tuple[int, ...]:
    found, wave = [], first
    while wave:
        found.append(len(wave))
        wave = [child for name in wave for child in below.get(name, ())]
    return tuple(found)


def _elapsed(
    heads: Mapping[ImageName, ImageHead],
    lengths: Mapping[ImageName, int],
    first: list[ImageName],
    below: Mapping[ImageName, list[ImageName]],
    slots: int,
) -> int:
    """Seconds until all are built. As the dispatcher does, a free slot takes the head of the longest chain."""
    after = chains.reckon({name: heads[name] for name in lengths})
    waiting = [(-after[name] - lengths[name], str(name), name) for name in first]
    heapq.heapify(waiting)
    running: list[tuple[int, str, ImageName]] = []
    now = 0
    while waiting or running:
        while waiting and len(running) < slots:
            _, key, name = heapq.heappop(waiting)
            heapq.heappush(running, (now + lengths[name], key, name))
        now, _, ended = heapq.heappop(running)
        for child in below.get(ended, ()):
            heapq.heappush(waiting, (-after[child] - lengths[child], str(child), child))
    return now
