"""Queues in memory: visibility by the clock, dequeue counts, receipts; nothing disappears by itself."""

import itertools
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.adapters import limits
from pipeline_core.domain.errors import NotFound
from pipeline_core.ports import Clock

_VISIBILITY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as a receiver has it; `receipt` holds until it is received again."""

    id: int
    text: str
    visible_at: datetime
    dequeue_count: int = 0
    receipt: int = 0


class MemoryQueues:
    """Any queue name is fine; a queue exists from its first message on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, dict[int, Message]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.operations = 0

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after `delay`, in whole seconds as Azure counts them."""
        limits.check_message(queue, text, delay)
        with self._lock:
            self.operations += 1
            message = Message(
                id=next(self._numbers), text=text, visible_at=self._clock.now() + whole_seconds(delay)
            )
            self._queues.setdefault(queue, {})[message.id] = message

    def receive(self, queue: str, *, visibility: timedelta = _VISIBILITY) -> Message | None:
        """The message that has been visible for longest, hidden for `visibility`; None where none is."""
        now = self._clock.now()
        with self._lock:
            self.operations += 1
            visible = [each for each in self._queues.get(queue, {}).values() if each.visible_at <= now]
            if not visible:
                return None
            oldest = min(visible, key=lambda each: (each.visible_at, each.id))
            taken = replace(
                oldest,
                visible_at=now + visibility,
                dequeue_count=oldest.dequeue_count + 1,
                receipt=next(self._numbers),
            )
            self._queues[queue][taken.id] = taken
            return taken

    def delete(self, queue: str, message: Message) -> None:
        """Acknowledge; raises NotFound where it is gone or was received again since."""
        with self._lock:
            self.operations += 1
            found = self._queues.get(queue, {}).get(message.id)
            if found is None or found.receipt != message.receipt:
                raise NotFound(f"message {message.id} of {queue} is gone or belongs to a later receiver")
            del self._queues[queue][message.id]

    def release(self, queue: str, message: Message, *, delay: timedelta = timedelta(0)) -> None:
        """Give a message back, to be visible after `delay`; raises NotFound as `delete` does."""
        with self._lock:
            self.operations += 1
            found = self._queues.get(queue, {}).get(message.id)
            if found is None or found.receipt != message.receipt:
                raise NotFound(f"message {message.id} of {queue} is gone or belongs to a later receiver")
            self._queues[queue][message.id] = replace(found, visible_at=self._clock.now() + delay)

    def messages(self, queue: str) -> list[Message]:
        """Everything in a queue, visible or not, by the time at which it is visible; for tests."""
        with self._lock:
            return sorted(self._queues.get(queue, {}).values(), key=lambda each: (each.visible_at, each.id))

    def names(self) -> list[str]:
        """Queues that hold a message."""
        with self._lock:
            return sorted(name for name, held in self._queues.items() if held)

    def next_visible(self) -> datetime | None:
        """When the next message of any queue is visible; None where all are empty."""
        with self._lock:
            times = [each.visible_at for held in self._queues.values() for each in held.values()]
        return min(times, default=None)


def whole_seconds(delay: timedelta) -> timedelta:
    """Rounded up: a message may come late, never early."""
    return timedelta(seconds=-(-delay // timedelta(seconds=1)))
