"""What a chapter of the story is: things that happen beside the base story, and what must hold because of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from simulation.story import SeedStory

Happening = tuple[float, Callable[[], None]]  # a weight among the chapter's own, and what happens


class Chapter:
    """One subject of the story: windows, webhooks, outages, ... A chapter draws from a `chance` of its own.

    So a seed's base story stays what it is, whatever chapters run beside it. Everything here does nothing; a
    chapter overrides what it needs. A violation is appended to `story.world.findings`, or returned by `violations`.
    """

    name: ClassVar[str]
    rate: ClassVar[float] = (
        0.5  # the share of the base story's events beside which something of this chapter happens
    )
    # True where the factory finds some of it by its sweep alone, faults or not: a time that comes, a floor that falls.
    needs_sweep: ClassVar[bool] = False
    # True where `watch` looks at reads of tables and blobs, too. They are most of the calls.
    watches_reads: ClassVar[bool] = False

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        self.story = story
        self.world = story.world
        self.chance = chance

    def document(self, image: str) -> Mapping[str, Any]:
        """Keys for `simulation.fleet.document` of this image, at each of its registrations, such as `maxAge`."""
        return {}

    def may_be_parent(self, image: str) -> bool:
        """False where other images may not move below this one."""
        return True

    def may_wait(self, team: str) -> bool:
        """True where builds of a team may wait although it has a slot: for a limit of the policy."""
        return False

    def begin(self) -> None:
        """Before the first registration."""

    def happenings(self) -> Sequence[Happening]:
        """What may happen, with its weights. Empty: the chapter only looks."""
        return ()

    def act(self) -> None:
        """Beside one event of the base story: at most one happening."""
        happenings = self.happenings()
        if happenings and self.chance.random() < self.rate:
            self.chance.choices([each for _, each in happenings], [weight for weight, _ in happenings])[0]()

    def end(self) -> None:
        """The faults are over. What this chapter broke and nobody else repairs is repaired, as people would."""

    def people_look(self) -> int:
        """People do what only they can do, in each round before rest. Returns how much they did."""
        return 0

    def is_for_people(self, image: str) -> bool:
        """False where an image is blocked, and people do not ask: the factory promises to repair it by itself."""
        return True

    def forget(self) -> None:
        """All tables and messages are lost: what only they knew is not demanded of what comes after."""

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Look at one call of a port that had its effect, such as `galleries.set_excluded`."""

    def violations(self) -> Sequence[str]:
        """What must hold at rest and does not."""
        return ()
