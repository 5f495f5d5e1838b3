"""The tables fail for minutes, every call of them, while queues and timers go on. Nothing is lost or poisoned by it.

(46) Messages that meet the failure come again at growing intervals. The promises of the base story hold too, (8) above
all.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.wire import resent
from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(minutes=12)
# Of one message in one failure. Growing delays allow for nine in twelve minutes. The others are for copies that were
# lost before there were most of them.
_SENT_AGAIN = 12


class TablesDown(Chapter):
    """Each message that is handled meanwhile meets the failure at its first read, or in the middle of its work."""

    name: ClassVar[str] = "tables-down"
    rate: ClassVar[float] = 0.4
    needs_sweep: ClassVar[bool] = True  # what was to follow a commit may be lost

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._until: datetime | None = None
        self._sent: Counter[tuple[str, str]] = Counter()  # in this failure, by queue and text
        self._copies: Counter[tuple[str, str]] = Counter()  # of that text at one time, at most

    def begin(self) -> None:
        """The ports ask this chapter before each call of the tables."""
        self.world.host.ports.calls.are_tables_down = self._are_down

    def happenings(self) -> Sequence[Happening]:
        """A failure begins within two minutes after an event, in the middle of the work."""
        return [(1, self._fail)]

    def end(self) -> None:
        """The tables are well again."""
        self._until = None

    def forget(self) -> None:
        """What is sent after the loss begins anew."""
        self._sent.clear()
        self._copies.clear()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(46) In one failure no message is sent again more than twelve times, for each copy that the queue has."""
        if name != "queues.send" or not self._are_down():
            return
        queue, text = given[0], resent.uncounted(given[1])
        held = [
            each for each in self.world.ports.queues.messages(queue) if resent.uncounted(each.text) == text
        ]
        # One of them is the message that is being handled.
        self._copies[queue, text] = max(self._copies[queue, text], len(held) - 1, 1)
        self._sent[queue, text] += 1
        if self._sent[queue, text] > _SENT_AGAIN * self._copies[queue, text]:
            self.world.blame(f"(46) {text} was sent to {queue} again and again while the tables failed")

    def _fail(self) -> None:
        self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=2) * self.chance.random())
        self._until = (
            self.world.ports.clock.now() + _SHORTEST * (_LONGEST / _SHORTEST) ** self.chance.random()
        )
        self.forget()
        self.world.wake()

    def _are_down(self) -> bool:
        return self._until is not None and self.world.ports.clock.now() < self._until
