"""Small models of the other policies. They are written here, and are not the code of another project.

Each builds the same images with the same durations, slots and hourly creations as the factory, without any fault. Two
things differ: when an image is queued, and that the queue is first in, first out. The models are generous: no start
costs, no lost events, a child of a nightly run waits for its parent, and slots are free at once.
"""

import heapq
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum, unique

from benchmarks.cascade.fleet import HOUR, SampleFleet

POLL = 300  # seconds between the release and the poll that sees it, at worst
DAY = 24 * HOUR
WEEK = 7 * DAY
HORIZON = 6 * WEEK  # seconds: builds are counted for six weeks after the release
_RELEASED_AT = 9 * HOUR  # time of day of the release
_NIGHTLY_AT = 2 * HOUR  # time of day of a nightly run
_FIRST_NIGHT = DAY - _RELEASED_AT + _NIGHTLY_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of a policy: when each image was published, and the number of builds in six weeks."""

    policy: str
    published: tuple[float, ...]  # seconds since the release, by the image's place in the fleet
    builds: int

    @property
    def makespan(self) -> float:
        """Seconds until the last image was current."""
        return max(self.published)


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePolicy:
    """When an image is queued: at `first` or later for a root, and at the next tick of its cron if it has one."""

    name: str
    first: int = 0
    period: int = 0  # seconds between two looks at one image; 0 means at once
    builds_all: bool = False  # every night, also without a change

    def due(self, fleet: SampleFleet, place: int, since: int) -> int:
        """The time at which an image is queued if its newest input came at `since`."""
        if not self.period:
            return since
        # Each pipeline has its own minute, spread over the period.
        minute = zlib.crc32(f"{fleet.seed}/{fleet.images[place].name}".encode()) % (self.period // 60)
        return since + (minute * 60 - since) % self.period


POLICIES = {
    policy.name: policy
    for policy in (
        CascadePolicy(name="weekly-cron", period=WEEK),
        CascadePolicy(name="daily-cron", period=DAY),
        CascadePolicy(name="nightly-all", first=_FIRST_NIGHT, builds_all=True),
        CascadePolicy(name="fifo-events", first=POLL),
    )
}


def run(fleet: SampleFleet, policy: CascadePolicy, *, slots: int, creates_per_hour: int) -> Run:
    """Run the release under this policy until every image is current."""
    made = _Line(fleet=fleet, policy=policy, free=slots, creates_per_hour=creates_per_hour)
    published = made.run()
    once = len(fleet.images)
    builds = once * nights(max(published)) if policy.builds_all else once
    return Run(policy=policy.name, published=tuple(published), builds=builds)


def nights(makespan: float) -> int:
    """Number of nightly runs in six weeks, if each takes as long as the first and runs do not overlap."""
    between = -(-(makespan - _FIRST_NIGHT) // DAY)  # in days, each begun day counted
    return int((HORIZON - _FIRST_NIGHT) // (max(between, 1) * DAY)) + 1


@unique
class _Event(IntEnum):
    PUBLISHED = 0
    VERIFIED = 1
    BUILT = 2
    QUEUED = 3
    CREATION_FREE = 4


@dataclass(slots=True, kw_only=True)
class _Line:
    """Slots and creations, and the builds that wait for them."""

    fleet: SampleFleet
    policy: CascadePolicy
    free: int
    creates_per_hour: int
    events: list[tuple[int, int, _Event, int]] = field(default_factory=list)
    queued: deque[int] = field(default_factory=deque)  # wait for a slot
    built: deque[int] = field(default_factory=deque)  # have a slot and wait for their second creation
    created: deque[int] = field(default_factory=deque)  # their times in the last hour
    count: int = 0
    is_waiting: bool = False  # wait for a creation

    def run(self) -> list[float]:
        published = [0.0] * len(self.fleet.images)
        children = self.fleet.children()
        for place, image in enumerate(self.fleet.images):
            if image.parent is None:
                self._queue(place, self.policy.first)
        while self.events:
            now = self.events[0][0]
            while self.events and self.events[0][0] == now:
                _, _, event, place = heapq.heappop(self.events)
                match event:
                    case _Event.QUEUED:
                        self.queued.append(place)
                    case _Event.BUILT:
                        self.built.append(place)
                    case _Event.VERIFIED:
                        self.free += 1
                        self._at(now + self.fleet.images[place].publish, _Event.PUBLISHED, place)
                    case _Event.PUBLISHED:
                        published[place] = float(now)
                        for child in children[place]:
                            self._queue(child, now)
                    case _Event.CREATION_FREE:
                        self.is_waiting = False
            self._start(now)
        return published

    def _queue(self, place: int, since: int) -> None:
        self._at(self.policy.due(self.fleet, place, since), _Event.QUEUED, place)

    def _start(self, now: int) -> None:
        """Start builds that have a slot, or can get one, as long as creations are left."""
        images = self.fleet.images
        while self.built and self._may_create(now):
            place = self.built.popleft()
            self._at(now + images[place].verify, _Event.VERIFIED, place)
        while self.queued and self.free and self._may_create(now):
            self.free -= 1
            place = self.queued.popleft()
            self._at(now + images[place].build, _Event.BUILT, place)

    def _may_create(self, now: int) -> bool:
        """Take one creation. No period of one hour, at any start, has more creations than are allowed."""
        while self.created and self.created[0] <= now - HOUR:
            self.created.popleft()
        if len(self.created) < self.creates_per_hour:
            self.created.append(now)
            return True
        if not self.is_waiting:
            self.is_waiting = True
            self._at(self.created[0] + HOUR, _Event.CREATION_FREE, 0)
        return False

    def _at(self, when: int, event: _Event, place: int) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, event, place))
