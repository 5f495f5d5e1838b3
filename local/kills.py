"""Kill the Functions host in the middle of a story, at moments that were drawn before, and start it again.

The moments are drawn, not chosen, so that they fall between any two calls of any handler. Decides nothing
about the outcome: whoever runs the story holds that against what it promises.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.run.stack import Stack
from local.run.story import Story

_LOOK = 0.5  # seconds from one look of a story to the next, at most: a kill that is due sooner is waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill: seconds after the story began, and what the images were doing then (`rhel9-java: building`)."""

    moment: float
    during: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Killer:
    """A story's `watch`: each of `gaps` is the time in seconds that the host lives from its start to its kill.

    Nothing is killed but the host's own process group; no signal is caught by it, and nothing is told to it.
    """

    stack: Stack
    gaps: Sequence[float]
    story: Story | None = None
    kills: list[Kill] = field(default_factory=list)
    _began: float = 0.0
    _due: float = 0.0

    def begin(self, story: Story) -> None:
        """The story begins now, and with it the time to the first kill."""
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
        """True where every kill has taken place."""
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
    """`count` numbers between `least` and `most`; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - it has to repeat itself
    return tuple(chance.uniform(least, most) for _ in range(count))
