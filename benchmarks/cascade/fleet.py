"""A fleet with the durations of every stage, the same for each policy, and the lower bound for every policy.

Times are whole seconds since the release, which comes on the hour.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

CREATES_PER_BUILD = 2  # container groups: one builds, one verifies
HOUR = 3600
_BUILD, _VERIFY, _PUBLISH = 480, 240, 300  # on average; replication takes the same time for every image
_SPREAD = 0.3  # of a stage's duration, shorter or longer
_LEVELS = 5
_FLEET_PER_ROOT = 1000
_TEAMS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedImage:
    """One image. `parent` is the parent's place in the fleet, always before its own, or None for a root."""

    name: str
    parent: int | None
    team: str
    build: int
    verify: int
    publish: int

    @property
    def held(self) -> int:
        """Seconds for which its build holds a slot."""
        return self.build + self.verify


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFleet:
    """Images, parents before children."""

    seed: int
    images: tuple[SimulatedImage, ...]

    def children(self) -> list[list[int]]:
        """The places of each image's children, in order."""
        below: list[list[int]] = [[] for _ in self.images]
        for place, image in enumerate(self.images):
            if image.parent is not None:
                below[image.parent].append(place)
        return below

    def chains(self) -> list[int]:
        """Seconds of the longest chain that begins with each image, including its own build and publishing."""
        longest = [0] * len(self.images)
        for place in range(len(self.images) - 1, -1, -1):
            image = self.images[place]
            longest[place] += image.held + image.publish
            if image.parent is not None:
                longest[image.parent] = max(longest[image.parent], longest[place])
        return longest

    def heights(self) -> list[int]:
        """Levels below each image."""
        below = [0] * len(self.images)
        for place in range(len(self.images) - 1, -1, -1):
            parent = self.images[place].parent
            if parent is not None:
                below[parent] = max(below[parent], below[place] + 1)
        return below

    def lower_bound(self, *, slots: int, creates_per_hour: int) -> float:
        """Seconds: the largest of critical path, work per slot, and creations divided by their hourly budget."""
        critical = max(self.chains(), default=0)
        work = sum(image.held for image in self.images) / slots
        creates = CREATES_PER_BUILD * len(self.images) / creates_per_hour * HOUR
        return max(critical, work, creates)


def make(count: int, *, seed: int) -> SampleFleet:
    """`count` images on at most five levels, below one root per thousand images. It is broad, like real fleets."""
    chance = random.Random(seed)  # noqa: S311 - the same in each run
    roots = max(1, count // _FLEET_PER_ROOT)
    images: list[SimulatedImage] = []
    levels: list[int] = []
    parents: list[int] = []  # images that may have children
    for place in range(count):
        parent = None if place < roots else chance.choice(parents)
        levels.append(0 if parent is None else levels[parent] + 1)
        if levels[place] < _LEVELS - 1:
            parents.append(place)
        images.append(
            SimulatedImage(
                name=f"image-{place:05d}",
                parent=parent,
                team=f"team-{chance.randrange(_TEAMS)}",
                build=_around(_BUILD, chance),
                verify=_around(_VERIFY, chance),
                publish=_PUBLISH,
            )
        )
    return SampleFleet(seed=seed, images=tuple(images))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile. `share` is between 0 and 1."""
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[rank - 1]


def _around(mean: int, chance: random.Random) -> int:
    return round(mean * (1 + _SPREAD * (2 * chance.random() - 1)))
