"""A simulated fleet at rest on counted ports, ways to lose its tables, and the cost of one way of recovery."""

import bisect
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from benchmarks import table_copy
from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.ports import BlobFacts, Clock, TableWrite, WriteKind
from pipeline_core.settings import Limits
from pipeline_core.wire.messages import QUEUES
from pipeline_core.wiring.foundation import foundation_of
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld

RELEASES = ("9.8.2026062323", "9.9.2026082323", "9.9.2026102323", "9.9.2026112323")
DELIVERIES = 100_000_000  # a limit; a fleet of 10,000 needs 400,000
_SLOTS = 100


class IndexedBlobs(MemoryBlobs):
    """Blobs with lists that take time only for their results. With the twin's own, 10,000 images would take hours."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._names: dict[str, list[str]] = {}

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        super().create(container, name, content, media_type=media_type)
        bisect.insort(self._names.setdefault(container, []), name)

    def append(self, container: str, name: str, content: bytes) -> None:
        """Append to a blob, as the builder does with its log."""
        if self.find_facts(container, name) is None:
            bisect.insort(self._names.setdefault(container, []), name)
        super().append(container, name, content)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        """Facts of the blobs whose name begins with `prefix`, by name."""
        names = self._names.get(container, [])
        found: list[BlobFacts] = []
        for name in names[bisect.bisect_left(names, prefix) :]:
            facts = self.find_facts(container, name) if name.startswith(prefix) else None
            if facts is None or len(found) == limit:
                break
            found.append(facts)
        return found


class Counted:
    """A port that counts its calls by name."""

    def __init__(self, port: Any, name: str, counts: Counter[str]) -> None:
        self._port, self._name, self._counts = port, name, counts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*given: Any, **named: Any) -> Any:
            self._counts[f"{self._name}.{name}"] += 1
            return method(*given, **named)

        return call


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFleet:
    """A world at rest, and the counts of its ports."""

    world: SimulatedWorld
    counts: Counter[str]

    def calls(self) -> Counter[str]:
        """Calls so far. Tables count their own calls, as Azure bills them."""
        tables = Counter({"tables": self.world.ports.tables.operations})
        return tables + self.counts


def settled(images: int, releases: int, *, parents: Mapping[str, str | None] | None = None) -> CountedFleet:
    """`images` images (or those of `parents`), each built once, and again for each further release."""
    counts: Counter[str] = Counter()

    def counted(ports: MemoryPorts) -> MemoryPorts:
        return replace(
            ports,
            blobs=cast(Any, Counted(IndexedBlobs(ports.clock), "blobs", counts)),
            galleries=cast(Any, Counted(ports.galleries, "galleries", counts)),
            containers=cast(Any, Counted(ports.containers, "containers", counts)),
            signer=cast(Any, Counted(ports.signer, "signer", counts)),
        )

    made = world.make(seed=1, slots=_SLOTS, wrap=counted)
    chance = random.Random(7)  # noqa: S311 - the same in each run
    for name, parent in (parents or fleet.forest(images, chance)).items():
        made.register(name, parent)
    made.drain(limit=DELIVERIES)
    for version in RELEASES[:releases]:
        made.publish_release(version)
        made.factory.poller.poll()
        made.drain(limit=DELIVERIES)
    return CountedFleet(world=made, counts=counts)


def lose(made: SimulatedWorld) -> None:
    """Delete every row and every message, and start a new process of the factory."""
    tables, queues = made.ports.tables, made.ports.queues
    for table in table_copy.TABLES:
        for row in reversed(tables.rows(table)):
            tables.write(table, [TableWrite(verb=WriteKind.DELETE, row=row)])
    for queue in QUEUES:
        for message in queues.messages(queue):
            queues.delete(queue, message)
    limits = Limits(slots=_SLOTS, creates_per_hour=10_000, team_slots=_SLOTS, wait=timedelta(seconds=30))
    made.rewire(foundation_of(made.ports, made.base.deployment, limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The cost of one way of recovery, and the rows that were there after it."""

    cpu_seconds: float
    calls: Counter[str]
    rows: frozenset[tuple[str, str, str]]
    steps: int = 0
    problems: int = 0

    @property
    def all_calls(self) -> int:
        """Calls of every port."""
        return sum(self.calls.values())


def rows_of(made: SimulatedWorld) -> frozenset[tuple[str, str, str]]:
    """Every existing row, as table, partition and key."""
    tables = made.ports.tables
    return frozenset(
        (name, row.partition, row.key) for name in table_copy.TABLES for row in tables.rows(name)
    )


def kinds_of(rows: Iterable[tuple[str, str, str]]) -> dict[str, int]:
    """The number of rows of each kind."""
    return dict(
        Counter(
            key.partition(":")[0] if table == "images" else partition.partition(":")[0]
            for table, partition, key in rows
        )
    )


def _measured(fleet_: CountedFleet, work: Callable[[], tuple[int, int]]) -> Way:
    before, started = fleet_.calls(), time.process_time()
    steps, problems = work()
    seconds = time.process_time() - started
    return Way(
        cpu_seconds=seconds,
        calls=fleet_.calls() - before,
        rows=rows_of(fleet_.world),
        steps=steps,
        problems=problems,
    )


def derived(fleet_: CountedFleet) -> Way:
    """Run the present recovery, step by step, as the command requests it."""

    def work() -> tuple[int, int]:
        after, steps, problems = "", 0, 0
        while True:
            report = fleet_.world.factory.recovery.step(ADMIN, after)
            steps, problems, after = steps + 1, problems + len(report.problems), report.after or ""
            if not after:
                return steps, problems

    return _measured(fleet_, work)


def loaded(fleet_: CountedFleet, copy: str) -> Way:
    """Load a copy."""
    made = fleet_.world

    def work() -> tuple[int, int]:
        table_copy.load(made.ports.blobs, copy, made.ports.tables)
        return 1, 0

    return _measured(fleet_, work)
