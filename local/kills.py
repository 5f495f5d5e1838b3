"""Kill the Functions host during a story, at moments drawn before, and start it again.

The moments are random, so that they fall between any two calls of any handler. This module decides nothing about the
outcome. The caller compares the outcome with the story's promises.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.run.stack import Stack
from local.run.story import Story

_LOOK = (
    0.5  # at most so many seconds are between two looks of a story; a kill that is due sooner is waited for
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill: the seconds since the story began, and the images' phases then (`rhel9-java: building`)."""

    moment: float
    during: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Killer:
    """A story's `watch`. Each of `gaps` is the host's time from its start to its kill, in seconds.

    Only the host's own process group is killed, by a signal that it cannot catch, without notice.
    """

    stack: Stack
    gaps: Sequence[float]
    story: Story | None = None
    kills: list[Kill] = field(default_factory=list)
    _began: float = 0.0
    _due: float = 0.0

    def begin(self, story: Story) -> None:
        """The story begins now. The time to the first kill begins too."""
        self.story = story
        self._began = time.monotonic()
        self._plan()

    def watch(self, images: Mapping[str, Any]) -> None:
        """Called at each look of the story."""
        while len(self.kills) < len(self.gaps) and time.monotonic() + _LOOK >= self._due:
            time.sleep(max(0.0, self._due - time.monotonic()))
            self._kill(images)

    @property
    def is_done(self) -> bool:
        """True after the last kill."""
        return len(self.kills) == len(self.gaps)

    def _kill(self, images: Mapping[str, Any]) -> None:
        self.stack.host.kill()
        during = tuple(
            f"{name}: {view['active_phase']}" for name, view in images.items() if view["active_phase"]
        )
        self.kills.append(Kill(moment=round(time.monotonic() - self._began, 1), during=during))
        self.stack.restart_host()
        if self.story is not None:
            self.story.use_new_host()
        self._plan()

    def _plan(self) -> None:
        if len(self.kills) < len(self.gaps):
            self._due = time.monotonic() + self.gaps[len(self.kills)]


def draw(seed: int, count: int, *, least: float, most: float) -> tuple[float, ...]:
    """`count` random numbers between `least` and `most`. The same seed gives the same numbers."""
    chance = random.Random(seed)  # noqa: S311 - a seed must repeat its numbers
    return tuple(chance.uniform(least, most) for _ in range(count))
