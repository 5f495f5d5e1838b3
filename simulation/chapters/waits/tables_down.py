"""The tables fail for minutes, every call of them, while queues and timers go on. Nothing is lost or poisoned by it.

The chapter has no promise of its own: those of the base story hold, (8) above all.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(minutes=12)


class TablesDown(Chapter):
    """Each message that is handled meanwhile meets the failure at its first read, or in the middle of its work."""

    name: ClassVar[str] = "tables-down"
    rate: ClassVar[float] = 0.4
    needs_sweep: ClassVar[bool] = True  # what was to follow a commit may be lost

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._until: datetime | None = None

    def begin(self) -> None:
        """The ports ask this chapter before each call of the tables."""
        self.world.host.ports.calls.are_tables_down = self._are_down

    def happenings(self) -> Sequence[Happening]:
        """A failure begins within two minutes after an event, in the middle of the work."""
        return [(1, self._fail)]

    def end(self) -> None:
        """The tables are well again."""
        self._until = None

    def _fail(self) -> None:
        self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=2) * self.chance.random())
        self._until = (
            self.world.ports.clock.now() + _SHORTEST * (_LONGEST / _SHORTEST) ** self.chance.random()
        )
        self.world.wake()

    def _are_down(self) -> bool:
        return self._until is not None and self.world.ports.clock.now() < self._until
