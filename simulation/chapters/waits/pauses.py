"""SecOps pause the whole factory at any moment, and let it go on: nothing is created meanwhile, and nothing is lost.

The chapter keeps its own record of the answers that SecOps got. It asks the factory for nothing else.
"""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.pauses import PauseState
from simulation.chapters.chapter import Chapter, Happening
from simulation.world import ADMIN

if TYPE_CHECKING:
    from simulation.story import SeedStory

_LOOK = timedelta(seconds=30)  # between two looks of a person whether the pause is complete
_LOOKS = 30


class FactoryPauses(Chapter):
    """A pause lasts for some events of the base story, with everything that people and the Marketplace do then."""

    name: ClassVar[str] = "pauses"
    rate: ClassVar[float] = 0.6

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._state = PauseState.RUNNING  # as SecOps were answered last

    def happenings(self) -> list[Happening]:
        """A pause comes at some moment of the work that an event has begun."""
        return [(1, self._pause if self._state is PauseState.RUNNING else self.end)]

    def end(self) -> None:
        """SecOps let the factory go on."""
        self._state = PauseState.RUNNING
        self.story.insist(lambda: self.world.factory.pauses.resume(ADMIN, "it is over"))

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(45) No container group is created while the factory is paused."""
        if name == "containers.create_group" and self._state is PauseState.PAUSED:
            self.world.blame(f"(45) {given[0].name} was created although the factory is paused")

    def _pause(self) -> None:
        """In the middle of the work: within two minutes after an event."""
        self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=2) * self.chance.random())
        self.story.insist(self._ask)
        for _ in range(_LOOKS):
            if self._state is PauseState.PAUSED:
                return
            self.world.run_until(self.world.ports.clock.now() + _LOOK)
            self.story.insist(self._look)
        self.world.blame(f"(45) a pause is not complete after {_LOOKS * _LOOK}")

    def _ask(self) -> None:
        self._state = self.world.factory.pauses.pause(ADMIN, "an incident").state

    def _look(self) -> None:
        self._state = self.world.factory.pauses.show().state
