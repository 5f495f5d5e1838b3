"""Delivers messages as the Functions host does: visibility, dequeue counts, poison queues, and killed processes."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.adapters.memory.queues import QueuedMessage
from pipeline_core.domain.errors import (
    FactoryError,
    MalformedMessage,
    NotFound,
    TransientError,
    UnreadableRow,
)
from pipeline_core.wire import messages, resent
from pipeline_core.wiring.factory import Factory
from simulation.between import FaultyPorts
from simulation.faults import Killed, Kind
from simulation.platform import SimulatedContainers

MAX_DEQUEUE = 5
_POISON = "-poison"
_QUEUES = (*messages.QUEUES, *(f"{queue}{_POISON}" for queue in messages.QUEUES))
_TURNS = tuple((*_QUEUES[first:], *_QUEUES[:first]) for first in range(len(_QUEUES)))
_AGAIN = timedelta(seconds=30)
_FAULTS = (Kind.LOST, Kind.DOUBLED, Kind.DELAYED)
_POISON_FAULTS = _FAULTS[1:]  # no LOST: nothing else would report a message that is lost there
_DEPTH = 2  # nested handlers at most: enough for every race of two
_STEPS = 12  # steps of one build in the queue, beside those that the queue itself has doubled
_STEP = re.compile(r'"build":"([^"]+)","seq":([0-9]+)')
_SLOW = timedelta(seconds=45)  # longer than a message stays hidden


@dataclass(slots=True, kw_only=True)
class SimulatedHost:
    """Runs the factory's handlers. A handler that overtakes runs inside the overtaken one."""

    twins: MemoryPorts
    ports: FaultyPorts
    factory: Factory
    platform: SimulatedContainers
    seq_of: Callable[[str], int]  # the transitions of a build so far, by its row
    deliveries: int = 0
    waits: int = 0  # steps that only looked
    poisoned: list[tuple[str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)  # violations that were seen in deliveries
    trace: Callable[[str], None] | None = None
    timer: str = ""  # whose function runs now; empty in a delivery
    fired: int = 0  # timers so far
    _depth: int = 0
    _turn: int = 0
    _storms: bool | None = None
    # By build and seq: steps that the queue gave out twice, or took without an answer. A wait writes no row, so each
    # makes a chain of its own, which lasts as long as the wait, and is given out twice itself.
    _twice: Counter[tuple[str, int]] = field(default_factory=Counter)

    def deliver_one(self) -> bool:
        """Deliver the next visible message of some queue. False if no message is visible."""
        queues = self.twins.queues
        if self._storms is None:
            self._storms = self.ports.calls.injector.faults.any
        self._turn += self._storms
        filled = queues.names()
        for queue in _TURNS[self._turn % len(_QUEUES)]:
            message = queues.receive(queue) if queue in filled else None
            if message is None:
                continue
            self._take(queue, message)
            return True
        return False

    def overtake(self) -> None:
        """Run other handlers to their end. Sometimes they take so long that this message is delivered again."""
        if self._depth >= _DEPTH:
            return
        skew = self.ports.clock.skew
        self._turn += 1
        if self._turn % 5 == 0:
            self.twins.clock.advance(_SLOW)
        for _ in range(1 + self._turn % 4):
            self.platform.advance()
            self.deliver_one()
        self.ports.clock.skew = skew

    def fire(self, name: str, work: Callable[[], object]) -> None:
        """Run a timer's function. Its exceptions are only logged, as on Azure."""
        self._set_skew(f"timer:{name}")
        if self.trace is not None:
            self.trace(f"{self.twins.clock.now():%d %H:%M:%S} timer {name}")
        self.timer, self.fired = name, self.fired + 1
        try:
            work()
        except (Killed, TransientError):
            return
        except FactoryError as error:
            self._blame(f"the timer {name} raised {type(error).__name__}: {error}")
        finally:
            self.timer = ""

    def count_steps(self) -> None:
        """Report a build with more steps in the queue than doubled messages explain: its chain has forked."""
        found = (_place_of(message.text) for message in self.twins.queues.messages(messages.BUILD_STEPS))
        forks: Counter[str] = Counter()
        for place, count in Counter(place for place in found if place is not None).items():
            forks[place[0]] += max(0, count - self._twice[place])
        for build, count in forks.items():
            if count > _STEPS:
                self._blame(f"(8) {build} has more than {_STEPS} steps in the queue: its chain has forked")

    def _take(self, queue: str, message: QueuedMessage) -> None:
        self.deliveries += 1
        if self.trace is not None:
            self.trace(f"{self.twins.clock.now():%d %H:%M:%S} {'  ' * self._depth}{queue} {message.text}")
        if message.dequeue_count > MAX_DEQUEUE and not queue.endswith(_POISON):
            self._to_poison(queue, message)
            return
        # However often it was sent again: so the faults of a story do not depend on the count.
        place, is_poison = f"{queue}:{resent.uncounted(message.text)}", queue.endswith(_POISON)
        kind, fraction = self.ports.calls.injector.draw(place, _POISON_FAULTS if is_poison else _FAULTS)
        if queue == messages.BUILD_STEPS:
            self._note_twice(message, kind)
        if kind is Kind.DOUBLED:
            self.twins.queues.send(queue, message.text)
        elif kind is Kind.DELAYED:
            self.twins.queues.send(queue, message.text, delay=timedelta(seconds=300 * fraction))
        if kind in (Kind.LOST, Kind.DELAYED):
            self.twins.queues.delete(queue, message)
            return
        self._set_skew(place)
        timer, self.timer = self.timer, ""
        self._depth += 1
        try:
            self._run(queue, message)
        finally:
            self._depth -= 1
            self.timer = timer

    def note_unsure(self, queue: str, text: str, *others: object) -> None:
        """The answer of a send was lost. Its sender sends the step again, so it is in the queue twice."""
        place = _place_of(text) if queue == messages.BUILD_STEPS else None
        if place is not None and place[1] <= self.seq_of(place[0]):
            self._twice[place] += 1

    def _note_twice(self, message: QueuedMessage, kind: Kind | None) -> None:
        """A step with a seq that its build has not reached belongs to no chain: it explains nothing."""
        place = _place_of(message.text)
        if place is not None and place[1] <= self.seq_of(place[0]):
            self._twice[place] += (kind is Kind.DOUBLED) + (message.dequeue_count > 1)

    def _run(self, queue: str, message: QueuedMessage) -> None:
        before = self.ports.calls.changes + len(self.twins.logs.lines)
        try:
            try:
                self._handle(queue, message)
            except UnreadableRow as error:
                self.factory.redelivery.leave(queue, error)
            except TransientError as error:
                if queue.endswith(_POISON):
                    raise  # as `triggers.poison` does: the same message must come again, so that it has one record
                self._send_again(queue, message.text, error)
        except Killed:
            return  # the message is delivered again when its time is over
        except FactoryError as error:
            self._failed(queue, message, error)
            return
        if self.ports.calls.changes + len(self.twins.logs.lines) == before:
            self._blame(f"a message of {queue} ended without effect, named no-op or record: {message.text}")
        self._acknowledge(queue, message)

    def _send_again(self, queue: str, text: str, error: TransientError) -> None:
        try:
            self.factory.redelivery.again(queue, text, error)
        except TransientError as unsent:
            if unsent is error:
                self._blame(f"a transient error counts as a failure of {queue}: {error} on {text}")
            raise

    def _failed(self, queue: str, message: QueuedMessage, error: FactoryError) -> None:
        if not isinstance(error, TransientError | MalformedMessage):
            self._blame(f"a handler of {queue} raised {type(error).__name__}: {error} on {message.text}")
        if message.dequeue_count >= MAX_DEQUEUE and not queue.endswith(_POISON):
            self._to_poison(queue, message)
            return
        try:
            self.twins.queues.release(queue, message, delay=_AGAIN)
        except NotFound:
            return  # the message was delivered again meanwhile

    def _to_poison(self, queue: str, message: QueuedMessage) -> None:
        self.twins.queues.send(f"{queue}{_POISON}", message.text)
        self.poisoned.append((queue, message.text))
        self._acknowledge(queue, message)

    def _acknowledge(self, queue: str, message: QueuedMessage) -> None:
        try:
            self.twins.queues.delete(queue, message)
        except NotFound:
            return  # the message was delivered again meanwhile

    def _handle(self, queue: str, message: QueuedMessage) -> None:
        text, redelivered = message.text, message.dequeue_count > 1
        factory = self.factory
        match queue:
            case messages.REBUILD_REQUESTS:
                factory.reconciler.handle(messages.RebuildMessage.from_wire(text))
            case messages.DISPATCH_REQUESTS:
                messages.DispatchMessage.from_wire(text)
                factory.dispatcher.dispatch()
            case messages.BUILD_STEPS:
                self._step(messages.StepMessage.from_wire(text), redelivered=redelivered)
            case messages.BUILD_EVENTS:
                factory.build_events.observe(messages.BuildEventMessage.from_wire(text))
            case messages.IMAGE_PUBLISHED:
                factory.cascade.handle(messages.PublishedMessage.from_wire(text))
            case messages.NOTIFICATION_REQUESTS:
                factory.notifier.deliver(messages.NotificationMessage.from_wire(text))
            case _:
                factory.poison.record(
                    queue.removesuffix(_POISON), text, message_id=str(message.id), put_at=message.put_at
                )

    def _step(self, message: messages.StepMessage, *, redelivered: bool) -> None:
        operations, groups = self.twins.tables.operations, self.twins.containers.created
        self.factory.driver.step(message, redelivered=redelivered)
        # A step that starts a container is work, also where it reads nothing but the build's row.
        only_looked = self.twins.containers.created == groups
        self.waits += only_looked and self.twins.tables.operations - operations == 1

    def _set_skew(self, place: str) -> None:
        clock = self.ports.clock
        kind, fraction = self.ports.calls.injector.draw(f"clock of {place}", (Kind.SKEWED,))
        most = self.ports.calls.injector.faults.skew
        clock.skew = most * (2 * fraction - 1) if kind is Kind.SKEWED else timedelta(0)

    def _blame(self, text: str) -> None:
        if text not in self.findings:
            self.findings.append(text)


def _place_of(text: str) -> tuple[str, int] | None:
    """The build of a step message and its seq."""
    found = _STEP.search(text)
    return None if found is None else (found.group(1), int(found.group(2)))
