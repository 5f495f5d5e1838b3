"""Rules taken away, one at a time: each of them has to be missed by the invariants within some seeds.

A rule that no seed misses is either not needed or not watched. Nothing here is used by a healthy run.
"""

import contextlib
import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import attempts, leases
from pipeline_core.domain.errors import TransientError
from pipeline_core.domain.leases import Judgement
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import ContainerGroup, Row, TableWrite, TaggedResource, WriteKind
from pipeline_core.services.builds import containers
from pipeline_core.services.builds.publishing import PublishingStage
from pipeline_core.services.effects.outbox import Redelivery
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.wire import messages
from simulation.faults import Killed
from simulation.world import SimulatedWorld

Wrap = Callable[[MemoryPorts], MemoryPorts]
Change = Callable[[SimulatedWorld], None]


def _keep(ports: MemoryPorts) -> MemoryPorts:
    return ports


def _leave(world: SimulatedWorld) -> None:
    """Nothing about the world changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """How one rule is taken away: in the twins, in the world, or in the code while a seed runs.

    `faults`, `images` and `slots` say in which seeds it has to be missed; `directed` is why none of them can, and
    a case of its own has to show it. `patience` is low: a world without a rule may never rest.
    """

    rule: str
    wrap: Wrap = _keep
    change: Change = _leave
    patch: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    faults: str = "heavy"
    images: int = 12
    slots: int = 4
    patience: int = 500
    directed: str = ""


class _NoClaims(MemoryTables):
    """Tables whose claims hold nobody: each reads as one whose build was replaced before it ran."""

    def find(self, table: str, partition: str, key: str) -> Row | None:
        row = super().find(table, partition, key)
        if row is None or not key.startswith("claim:"):
            return row
        text = re.sub(r'"outcome":"[^"]+"', '"outcome":"superseded"', str(row.cells["value"]))
        return replace(row, cells={**row.cells, "value": text})


class _NoEtags(MemoryTables):
    """Tables in which the last writer wins."""

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        return super().write(table, [self._as_it_is(table, write) for write in writes])

    def _as_it_is(self, table: str, write: TableWrite) -> TableWrite:
        there = self.find(table, write.row.partition, write.row.key)
        if write.verb is WriteKind.INSERT or there is None:
            return write
        return replace(write, row=replace(write.row, etag=there.etag))


class _Backwards(MemoryTables):
    """Desired inputs come from the list as it is now, which may have lost what was seen before."""

    def __init__(self, newest: Callable[[], Mapping[str, int]]) -> None:
        super().__init__()
        self._newest = newest

    def find(self, table: str, partition: str, key: str) -> Row | None:
        row = super().find(table, partition, key)
        return row if row is None or partition != "sources" else self._now(row)

    def scan(
        self, table: str, partition: str, *, first: str = "", last: str = "", limit: int = 1000
    ) -> Sequence[Row]:
        rows = super().scan(table, partition, first=first, last=last, limit=limit)
        return rows if partition != "sources" else [self._now(row) for row in rows]

    def _now(self, row: Row) -> Row:
        text = str(row.cells.get("value", ""))
        parts = self._newest()
        changed = re.sub(
            r'"newest":\{"major":\d+,"minor":\d+,"release":\d+\}',
            f'"newest":{{"major":{parts["major"]},"minor":{parts["minor"]},"release":{parts["release"]}}}',
            text,
        )
        return replace(row, cells={**row.cells, "value": changed})


@dataclass(slots=True, kw_only=True)
class _NoWord:
    """Takes every message about a build for a message of now."""

    queues: MemoryQueues

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """The message's place in the build's life is lost."""
        if queue == messages.BUILD_STEPS:
            text = re.sub(r'"seq":\d+', '"seq":999', text)
        self.queues.send(queue, text, delay=delay)


@dataclass(slots=True, kw_only=True)
class _Flagged:
    """Sends a word to the dispatcher only where none was sent since its last pass ended."""

    queues: MemoryQueues
    is_sent: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Suppressed by a flag."""
        if queue == messages.DISPATCH_REQUESTS:
            if self.is_sent:
                return
            self.is_sent = True
        self.queues.send(queue, text, delay=delay)


@dataclass(slots=True, kw_only=True)
class _Deaf:
    """Never tells an image that its own build has ended."""

    queues: MemoryQueues

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """The end of a build reconciles everybody but its own image."""
        if queue == messages.REBUILD_REQUESTS and '"reason":"build-ended"' in text:
            return
        self.queues.send(queue, text, delay=delay)


def _expired(world: SimulatedWorld) -> None:
    """Every lease is over."""
    twin = world.ports.resources

    def over(tags: Mapping[str, str]) -> Mapping[str, str]:
        return {**tags, attempts.LEASE_TAG: "2020-01-01T00:00:00Z"}

    def list_build_resources() -> Sequence[TaggedResource]:
        return [replace(each, tags=over(each.tags)) for each in twin.list_build_resources()]

    _stand_in(world, "resources", list_build_resources=list_build_resources)


def _unconfirmed(world: SimulatedWorld) -> None:
    """A group counts as gone as soon as its deletion was asked for."""
    twin = world.ports.containers
    asked: set[str] = set()
    find, delete = twin.find_group, twin.delete_group

    def delete_group(name: str) -> None:
        asked.add(name)
        delete(name)

    def find_group(name: str) -> ContainerGroup | None:
        return None if name in asked else find(name)

    _stand_in(world, "containers", find_group=find_group, delete_group=delete_group)
    twin.deletion = timedelta(minutes=3)


def _torn(world: SimulatedWorld) -> None:
    """Tables without transactions: now and then the process dies in the middle of what should be one."""
    twin, watch = world.ports.tables, world.faulty.calls.watch
    chance = random.Random(1)  # noqa: S311 - it has to repeat itself

    def write(table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        etags: list[str] = []
        for number, each in enumerate(writes):
            if etags and chance.random() < 0.02:
                watch("tables.write", (table, writes[:number]), {})
                raise Killed(f"in the middle of a transaction over {table}")
            etags += twin.write(table, [each])
        return etags

    _stand_in(world, "tables", write=write)


def _stand_in(world: SimulatedWorld, port: str, **methods: Callable[..., Any]) -> None:
    """Other methods in front of a twin; the services see them, the platform does not."""
    twin = getattr(world.faulty, port)._twin
    shape = {name: getattr(twin, name) for name in dir(type(twin)) if not name.startswith("_")}
    _exchange(world, port, SimpleNamespace(**{**shape, **methods}))


def _exchange(world: SimulatedWorld, port: str, twin: object) -> None:
    """Put another twin behind the faults; what the port knows of the former one is forgotten."""
    front: Any = getattr(world.faulty, port)
    front.__dict__.clear()
    front.__init__(port, twin, world.faulty.calls)


def _without_poison(world: SimulatedWorld) -> None:
    class _Silent:
        def record(self, *given: Any, **named: Any) -> None:
            """The message disappears."""

    world.host.factory = replace(world.host.factory, poison=_Silent())  # type: ignore[arg-type]


class _Idle:
    """A timer's function that does nothing."""

    def sweep(self) -> None:
        """Nothing is repaired."""

    def reap(self) -> None:
        """Nothing is removed."""


def _flagged(world: SimulatedWorld) -> None:
    flag = _Flagged(queues=world.ports.queues)
    _exchange(world, "queues", flag)
    dispatcher = world.host.factory.dispatcher

    class _Lowering:
        def dispatch(self) -> int:
            started = dispatcher.dispatch()
            flag.is_sent = False  # lowered when the pass is over: what came meanwhile was suppressed
            return started

    world.host.factory = replace(world.host.factory, dispatcher=_Lowering())  # type: ignore[arg-type]


def _raising(world: SimulatedWorld) -> None:
    """A transient error counts as a failed delivery."""

    def again(self: Redelivery, queue: str, text: str, error: TransientError) -> None:
        raise error

    lost = SimpleNamespace(again=functools.partial(again, world.host.factory.redelivery))
    world.host.factory = replace(world.host.factory, redelivery=cast(Redelivery, lost))


def _deaf(world: SimulatedWorld) -> None:
    _exchange(world, "queues", _Deaf(queues=world.ports.queues))

    class _Blind:
        def handle(self, message: object) -> None:
            """What was published is not looked at again."""

    factory = world.host.factory
    cascade = replace(factory.cascade, reconciler=cast(Reconciler, _Blind()))
    world.host.factory = replace(factory, cascade=cascade)


def _wordless(world: SimulatedWorld) -> None:
    _exchange(world, "queues", _NoWord(queues=world.ports.queues))


def _sweepless(world: SimulatedWorld) -> None:
    """The reaper goes on."""
    world.host.factory = replace(world.host.factory, sweeper=_Idle())  # type: ignore[arg-type]


def _reapless(world: SimulatedWorld) -> None:
    world.host.factory = replace(world.host.factory, reaper=_Idle())  # type: ignore[arg-type]


def _unproven_conflicts(world: SimulatedWorld) -> None:
    """A client that tries again by itself, and takes the conflict with its own first write for another's."""
    world.faulty.calls.retries_blindly = True


def _backwards(ports: MemoryPorts) -> MemoryPorts:
    def newest() -> Mapping[str, int]:
        offered = max(version for versions in ports.marketplace._offered.values() for version in versions)
        return {"major": offered.major, "minor": offered.minor, "release": offered.release}

    return replace(ports, tables=_Backwards(newest))


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """`owner` has another attribute of this name for a while; then its own is put back."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextlib.contextmanager
def _same_version() -> Iterator[None]:
    """Every attempt takes the version of the first."""

    def last(major: int, day: object, known: GalleryVersion | None) -> GalleryVersion:
        return known or GalleryVersion(major, 20260101, 1)

    with _replaced(containers, "next_version", last):
        yield


@contextlib.contextmanager
def _spares_nobody() -> Iterator[None]:
    """The reaper takes every build for one that has ended."""

    def judge(tags: object, build: object, now: object) -> Judgement:
        return Judgement.LEASED if build is None else Judgement.ENDED

    with _replaced(leases, "judge", judge):
        yield


@contextlib.contextmanager
def _includes_anything() -> Iterator[None]:
    """A build lets its version into latest without looking whether it is still the active one."""

    def demand_nothing(self: PublishingStage, build: object, live: object) -> None:
        return None

    with _replaced(PublishingStage, "_demand_turn", demand_nothing):
        yield


NOTHING = Sabotage(rule="", patience=2500)
ALL: Mapping[str, Sabotage] = {
    each.rule: each
    for each in (
        Sabotage(rule="claim", wrap=lambda ports: replace(ports, tables=_NoClaims())),
        Sabotage(rule="etag", wrap=lambda ports: replace(ports, tables=_NoEtags()), faults="races"),
        Sabotage(rule="sweep", change=_sweepless),
        Sabotage(rule="reaper", change=_reapless),
        Sabotage(rule="lease", change=_expired),
        Sabotage(rule="live-builds-spared", patch=_spares_nobody),
        Sabotage(rule="poison", change=_without_poison, images=3, slots=2),
        Sabotage(rule="rule-1-one-transaction", change=_torn),
        Sabotage(rule="rule-2-deletion-confirmed", change=_unconfirmed, slots=2),
        Sabotage(rule="rule-3-read-back", change=_unproven_conflicts, faults="answers", images=5, slots=2),
        Sabotage(rule="rule-4-forward-only", wrap=_backwards),
        Sabotage(rule="rule-5-own-version", patch=_same_version, faults="containers", images=6, slots=3),
        Sabotage(rule="rule-6-seq", change=_wordless, faults="races"),
        Sabotage(
            rule="rule-7-active-only",
            patch=_includes_anything,
            faults="races",
            directed="it takes a slow step of publishing and the reuse of a former version in one moment",
        ),
        Sabotage(rule="rule-8-always-dispatch", change=_flagged),
        Sabotage(rule="rule-9-own-image", change=_deaf, faults="none"),
        Sabotage(rule="rule-10-transient-is-sent-again", change=_raising),
    )
}
