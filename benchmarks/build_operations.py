"""`python -m benchmarks.build_operations`: what one build costs in table and queue operations, operation by operation.

Six images on three levels follow one release, without faults. Each line of the table names the message that was
handled, the operation with its row or queue, and the place in the code. The last line is JSON.

`--sweeps` counts a change of the platform steps in 111 images instead, with every timer. `--slots` is for it: with
more slots the cascade is shorter, and less of what timers do falls on each build.
"""

import argparse
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from benchmarks.growth import scenarios
from pipeline_core.adapters.memory.ports import MemoryPorts
from simulation import benchmark, fleet, world
from simulation.world import SimulatedWorld

_TIMER = "timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an operation comes from."""

    message: str  # the queue and the reason of the message that was handled, or the timer
    operation: str  # the call with the kind of its row, or the queue
    code: str  # the innermost function of a service


@dataclass(slots=True)
class Trace:
    """Operations by their place, since the trace was switched on. A wait is counted apart, as one step."""

    counts: Counter[Place] = field(default_factory=Counter)
    message: str = _TIMER
    is_on: bool = False

    def note(self, operation: str, times: int = 1) -> None:
        """Count an operation of the code that runs now."""
        if self.is_on:
            self.counts[Place(message=self.message, operation=operation, code=_code())] += times

    def received(self, queue: str, text: str) -> None:
        """A message begins to be handled."""
        said = json.loads(text)
        self.message = f"{queue} {said.get('reason') or said.get('kind') or ''}".strip()
        self.note("receive and delete", 2)


class TracedTables:
    """A table port that notes each operation, as Azure bills it."""

    def __init__(self, tables: Any, trace: Trace) -> None:
        self._tables, self._trace = tables, trace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def find(self, table: str, partition: str, key: str) -> Any:
        """Note a point read."""
        self._trace.note(f"read {table}/{_kind(table, partition, key)}")
        return self._tables.find(table, partition, key)

    def scan(self, table: str, partition: str, **bounds: Any) -> Any:
        """Note a scan, once for each 1,000 rows."""
        before = self._tables.operations
        found = self._tables.scan(table, partition, **bounds)
        kind = _kind(table, partition, f"{bounds.get('first', '')}*")
        self._trace.note(f"scan {table}/{kind}", self._tables.operations - before)
        return found

    def write(self, table: str, writes: Sequence[Any]) -> Any:
        """Note a transaction."""
        kinds = sorted(
            {f"{each.verb.value} {_kind(table, each.row.partition, each.row.key)}" for each in writes}
        )
        self._trace.note(f"write {table}: {', '.join(kinds)}")
        return self._tables.write(table, writes)


class TracedQueues:
    """A queue port that notes each message that is sent, and each that is received."""

    def __init__(self, queues: Any, trace: Trace) -> None:
        self._queues, self._trace = queues, trace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)

    def send(self, queue: str, text: str, **named: Any) -> None:
        """Note a message that is sent."""
        self._trace.note(f"send {queue}")
        self._queues.send(queue, text, **named)

    def receive(self, queue: str, **named: Any) -> Any:
        """Note the message that is received. An empty queue costs the host something, and no build."""
        message = self._queues.receive(queue, **named)
        if message is not None:
            self._trace.received(queue, message.text)
        return message

    def delete(self, queue: str, message: Any) -> None:
        """The message is handled: what follows belongs to a timer."""
        self._queues.delete(queue, message)
        self._trace.message = _TIMER


def traced(ports: MemoryPorts, trace: Trace) -> MemoryPorts:
    """The same twins, with notes in `trace`."""
    return replace(
        ports,
        tables=cast(Any, TracedTables(ports.tables, trace)),
        queues=cast(Any, TracedQueues(ports.queues, trace)),
    )


def of_release() -> tuple[Trace, int, int]:
    """The operations of a release through six images, the builds, and the steps that only waited."""
    trace = Trace()
    made = world.make(seed=1, wrap=lambda ports: traced(ports, trace))
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.drain()
    made.publish_release(str(benchmark.NEW))
    return trace, len(fleet.SIX), _waits(made, trace, lambda: _release(made))


def of_platform_change(slots: int) -> tuple[Trace, int, int]:
    """The same of new platform steps for 111 images on so many slots, with every timer."""
    trace = Trace()
    changed = scenarios.platform_fleet(1, wrap=lambda ports: traced(ports, trace), slots=slots)
    waits = _waits(changed.world, trace, lambda: scenarios.change_platform(changed))
    return trace, len(changed.heads()), waits


def lines(trace: Trace, builds: int) -> list[str]:
    """The table: operations per build, grouped by the message that was handled."""
    by_message: Counter[str] = Counter()
    for place, count in trace.counts.items():
        by_message[place.message] += count
    shown = []
    for message, total in by_message.most_common():
        shown.append(f"{total / builds:7.2f}  {message}")
        for place, count in trace.counts.most_common():
            if place.message == message:
                shown.append(f"{count / builds:15.2f}  {place.operation}  ({place.code})")
    return shown


def main(words: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.build_operations", description=__doc__)
    parser.add_argument("--sweeps", action="store_true", help="a change in 111 images, with every timer")
    parser.add_argument(
        "--slots", type=int, default=8, help="that the change has (the factory's default: 20)"
    )
    options = parser.parse_args(words)
    trace, builds, waits = of_platform_change(options.slots) if options.sweeps else of_release()
    print("\n".join(lines(trace, builds)))
    counted = sum(trace.counts.values())
    facts = {
        "builds": builds,
        "operations_per_build": round(counted / builds, 1),
        "waiting_steps_per_build": round(waits / builds, 1),
        "without_waiting": round((counted - 4 * waits) / builds, 1),
    }
    print(json.dumps(facts))
    return 0


def _release(made: SimulatedWorld) -> None:
    made.factory.poller.poll()
    made.drain()


def _waits(made: SimulatedWorld, trace: Trace, work: Callable[[], None]) -> int:
    """Trace some work; the steps in it that only waited."""
    before, trace.is_on = made.waits, True
    work()
    trace.is_on = False
    return made.waits - before


def _kind(table: str, partition: str, key: str) -> str:
    """What a row is, without the names in it."""
    if table == "images":
        return key.partition(":")[0]
    return partition.partition(":")[0] if table == "index" else key.partition(":")[0]


def _code() -> str:
    """The innermost function of a service on the stack, or of anything else in the factory."""
    frames = [frame for frame in traceback.extract_stack() if "pipeline_core/services/" in frame.filename]
    if not frames:
        return "host"
    last = frames[-1]
    return f"{last.filename.rpartition('pipeline_core/services/')[2]}:{last.lineno} {last.name}"


if __name__ == "__main__":
    sys.exit(main())
