"""Queues in memory: visibility by the clock, dequeue counts, receipts. Nothing disappears by itself."""

import heapq
import itertools
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.adapters import limits
from pipeline_core.domain.errors import NotFound
from pipeline_core.ports import Clock

_VISIBILITY = timedelta(seconds=30)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A message as a receiver has it. `receipt` is valid until the message is received again."""

    id: int
    text: str
    visible_at: datetime
    put_at: datetime
    dequeue_count: int = 0
    receipt: int = 0


class MemoryQueues:
    """Any queue name is allowed. A queue exists from its first message on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, dict[int, QueuedMessage]] = {}
        # The time at which each message is visible, by queue. An outdated entry is dropped when its turn comes.
        self._order: dict[str, list[tuple[datetime, int]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.operations = 0

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after `delay`, in whole seconds as Azure counts them."""
        limits.check_message(queue, text, delay)
        with self._lock:
            self.operations += 1
            now = self._clock.now()
            message = QueuedMessage(
                id=next(self._numbers), text=text, visible_at=now + whole_seconds(delay), put_at=now
            )
            self._put(queue, message)

    def receive(self, queue: str, *, visibility: timedelta = _VISIBILITY) -> QueuedMessage | None:
        """The message that has been visible for the longest time, hidden for `visibility`. None if none is visible."""
        with self._lock:
            self.operations += 1
            oldest = self._first(queue)
            if oldest is None or oldest.visible_at > (now := self._clock.now()):
                return None
            taken = QueuedMessage(
                id=oldest.id,
                text=oldest.text,
                visible_at=now + visibility,
                put_at=oldest.put_at,
                dequeue_count=oldest.dequeue_count + 1,
                receipt=next(self._numbers),
            )
            self._put(queue, taken)
            return taken

    def delete(self, queue: str, message: QueuedMessage) -> None:
        """Acknowledge. Raises NotFound if the message is gone or was received again since."""
        with self._lock:
            self.operations += 1
            found = self._queues.get(queue, {}).get(message.id)
            if found is None or found.receipt != message.receipt:
                raise NotFound(f"message {message.id} of {queue} is gone or belongs to a later receiver")
            del self._queues[queue][message.id]

    def release(self, queue: str, message: QueuedMessage, *, delay: timedelta = timedelta(0)) -> None:
        """Give a message back, to be visible after `delay`. Raises NotFound as `delete` does."""
        with self._lock:
            self.operations += 1
            found = self._queues.get(queue, {}).get(message.id)
            if found is None or found.receipt != message.receipt:
                raise NotFound(f"message {message.id} of {queue} is gone or belongs to a later receiver")
            self._put(queue, replace(found, visible_at=self._clock.now() + delay))

    def messages(self, queue: str) -> list[QueuedMessage]:
        """Every message in a queue, visible or not, by the time at which it is visible. For tests."""
        with self._lock:
            return sorted(self._queues.get(queue, {}).values(), key=lambda each: (each.visible_at, each.id))

    def names(self) -> list[str]:
        """Queues that hold a message."""
        with self._lock:
            return sorted(name for name, held in self._queues.items() if held)

    def next_visible(self) -> datetime | None:
        """The time at which the next message of any queue is visible. None if all are empty."""
        with self._lock:
            first = [each for queue in self._queues if (each := self._first(queue)) is not None]
        return min((each.visible_at for each in first), default=None)

    def first_visible(self, queue: str) -> datetime | None:
        """The time at which the next message of one queue is visible. None if it is empty."""
        with self._lock:
            first = self._first(queue)
        return None if first is None else first.visible_at

    def _put(self, queue: str, message: QueuedMessage) -> None:
        self._queues.setdefault(queue, {})[message.id] = message
        heapq.heappush(self._order.setdefault(queue, []), (message.visible_at, message.id))

    def _first(self, queue: str) -> QueuedMessage | None:
        """The message that becomes visible first, or that has been visible for the longest time."""
        order = self._order.get(queue)
        held = self._queues.get(queue, {})
        while order:
            visible_at, number = order[0]
            found = held.get(number)
            if found is not None and found.visible_at == visible_at:
                return found
            heapq.heappop(order)
        return None


def whole_seconds(delay: timedelta) -> timedelta:
    """Rounded up: a message may come late, never early."""
    return timedelta(seconds=-(-delay // _SECOND)) if delay else delay
