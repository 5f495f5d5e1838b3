"""Twins and worlds without one rule: what a sabotage puts in the place of a port or of a service."""

import functools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import attempts
from pipeline_core.domain.errors import TransientError
from pipeline_core.ports import ContainerGroup, Row, TableWrite, TaggedResource, WriteKind
from pipeline_core.services.effects.outbox import Redelivery
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.wire import messages
from simulation.faults import Killed
from simulation.sabotage.shape import exchange, stand_in
from simulation.world import SimulatedWorld


class NoClaims(MemoryTables):
    """Tables in which a claim keeps nobody out: each claim reads as one of a build that was replaced before it ran."""

    def find(self, table: str, partition: str, key: str) -> Row | None:
        row = super().find(table, partition, key)
        if row is None or not key.startswith("claim:"):
            return row
        text = re.sub(r'"outcome":"[^"]+"', '"outcome":"superseded"', str(row.cells["value"]))
        return replace(row, cells={**row.cells, "value": text})


class NoEtags(MemoryTables):
    """Tables in which the last writer wins."""

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        return super().write(table, [self._as_it_is(table, write) for write in writes])

    def _as_it_is(self, table: str, write: TableWrite) -> TableWrite:
        there = self.find(table, write.row.partition, write.row.key)
        if write.verb is WriteKind.INSERT or there is None:
            return write
        return replace(write, row=replace(write.row, etag=there.etag))


@dataclass(slots=True, kw_only=True)
class _NoWord:
    """Treats every message about a build as a current one."""

    queues: MemoryQueues

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Steps lose the place of a message in the build's life."""
        if queue == messages.BUILD_STEPS:
            text = re.sub(r'"seq":\d+', '"seq":999', text)
        self.queues.send(queue, text, delay=delay)


@dataclass(slots=True, kw_only=True)
class _Flagged:
    """Sends a message to the dispatcher only if none was sent since its last pass ended."""

    queues: MemoryQueues
    is_sent: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Send the message unless the flag suppresses it."""
        if queue == messages.DISPATCH_REQUESTS:
            if self.is_sent:
                return
            self.is_sent = True
        self.queues.send(queue, text, delay=delay)


@dataclass(slots=True, kw_only=True)
class _Deaf:
    """Never reconciles an image after its own build has ended."""

    queues: MemoryQueues

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """The end of a build reconciles all images except its own."""
        if queue == messages.REBUILD_REQUESTS and '"reason":"build-ended"' in text:
            return
        self.queues.send(queue, text, delay=delay)


def expired(world: SimulatedWorld) -> None:
    """Every lease is over."""
    twin = world.ports.resources

    def over(tags: Mapping[str, str]) -> Mapping[str, str]:
        return {**tags, attempts.LEASE_TAG: "2020-01-01T00:00:00Z"}

    def list_build_resources() -> Sequence[TaggedResource]:
        return [replace(each, tags=over(each.tags)) for each in twin.list_build_resources()]

    stand_in(world, "resources", list_build_resources=list_build_resources)


def unconfirmed(world: SimulatedWorld) -> None:
    """A group counts as gone as soon as its deletion was requested."""
    twin = world.ports.containers
    asked: set[str] = set()
    find, delete = twin.find_group, twin.delete_group

    def delete_group(name: str) -> None:
        asked.add(name)
        delete(name)

    def find_group(name: str) -> ContainerGroup | None:
        return None if name in asked else find(name)

    stand_in(world, "containers", find_group=find_group, delete_group=delete_group)
    twin.deletion = timedelta(minutes=3)


def torn(world: SimulatedWorld) -> None:
    """Tables without transactions. Sometimes the process dies in the middle of what should be one transaction."""
    twin, watch = world.ports.tables, world.faulty.calls.watch
    chance = random.Random(1)  # noqa: S311 - the same in each run

    def write(table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        etags: list[str] = []
        for number, each in enumerate(writes):
            if etags and chance.random() < 0.02:
                watch("tables.write", (table, writes[:number]), {})
                raise Killed(f"in the middle of a transaction over {table}")
            etags += twin.write(table, [each])
        return etags

    stand_in(world, "tables", write=write)


def without_poison(world: SimulatedWorld) -> None:
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


def flagged(world: SimulatedWorld) -> None:
    flag = _Flagged(queues=world.ports.queues)
    exchange(world, "queues", flag)
    dispatcher = world.host.factory.dispatcher

    class _Lowering:
        def dispatch(self) -> int:
            started = dispatcher.dispatch()
            flag.is_sent = False  # cleared after the pass: messages during the pass were suppressed
            return started

    world.host.factory = replace(world.host.factory, dispatcher=_Lowering())  # type: ignore[arg-type]


def raising(world: SimulatedWorld) -> None:
    """A transient error counts as a failed delivery."""

    def again(self: Redelivery, queue: str, text: str, error: TransientError) -> None:
        raise error

    lost = SimpleNamespace(again=functools.partial(again, world.host.factory.redelivery))
    world.host.factory = replace(world.host.factory, redelivery=cast(Redelivery, lost))


def deaf(world: SimulatedWorld) -> None:
    exchange(world, "queues", _Deaf(queues=world.ports.queues))

    class _Blind:
        def after_publish(self, image: object, campaign: object, known: object = None) -> bool:
            """A published image is not reconciled again. Its children are asked for."""
            return True

        def after_publish_with(
            self, image: object, children: object, campaign: object, known: object = None
        ) -> object:
            """The same where the image has few children."""
            return children

    factory = world.host.factory
    cascade = replace(factory.cascade, reconciler=cast(Reconciler, _Blind()))
    object.__setattr__(world.parts.builds.completion, "cascade", cascade)
    world.host.factory = replace(factory, cascade=cascade)


def wordless(world: SimulatedWorld) -> None:
    exchange(world, "queues", _NoWord(queues=world.ports.queues))


def sweepless(world: SimulatedWorld) -> None:
    """The reaper goes on."""
    world.host.factory = replace(world.host.factory, sweeper=_Idle())  # type: ignore[arg-type]


def reapless(world: SimulatedWorld) -> None:
    world.host.factory = replace(world.host.factory, reaper=_Idle())  # type: ignore[arg-type]


def unproven_conflicts(world: SimulatedWorld) -> None:
    """A client repeats a write by itself. It reports the conflict with its own first write as another writer's."""
    world.faulty.calls.retries_blindly = True
