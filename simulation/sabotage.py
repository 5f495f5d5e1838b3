"""Switches off one rule at a time. Within some seeds, the invariants must then find a violation.

If no seed finds one, the rule is either not needed or not watched. A normal run uses nothing of this module.
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
from pipeline_core.domain import attempts, claims, deletions, leases, plan, releases, staleness
from pipeline_core.domain.errors import TransientError
from pipeline_core.domain.leases import Judgement
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import ContainerGroup, Row, TableWrite, TaggedResource, WriteKind
from pipeline_core.services.builds import containers
from pipeline_core.services.builds.publishing import PublishingStage
from pipeline_core.services.effects.outbox import Redelivery
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.state.capacity import CapacityStore
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
    """How one rule is switched off: in the twins, in the world, or in the code while a seed runs.

    `faults`, `images` and `slots` name the seeds that must find a violation. `directed` is the reason why no seed
    can find one, so that a test of its own must. `patience` is low, because a world without a rule may never rest.
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
    """Tables in which a claim keeps nobody out: each claim reads as one of a build that was replaced before it ran."""

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


def _expired(world: SimulatedWorld) -> None:
    """Every lease is over."""
    twin = world.ports.resources

    def over(tags: Mapping[str, str]) -> Mapping[str, str]:
        return {**tags, attempts.LEASE_TAG: "2020-01-01T00:00:00Z"}

    def list_build_resources() -> Sequence[TaggedResource]:
        return [replace(each, tags=over(each.tags)) for each in twin.list_build_resources()]

    _stand_in(world, "resources", list_build_resources=list_build_resources)


def _unconfirmed(world: SimulatedWorld) -> None:
    """A group counts as gone as soon as its deletion was requested."""
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

    _stand_in(world, "tables", write=write)


def _stand_in(world: SimulatedWorld, port: str, **methods: Callable[..., Any]) -> None:
    """Other methods in front of a twin. The services see them, the platform does not."""
    twin = getattr(world.faulty, port)._twin
    shape = {name: getattr(twin, name) for name in dir(type(twin)) if not name.startswith("_")}
    _exchange(world, port, SimpleNamespace(**{**shape, **methods}))


def _exchange(world: SimulatedWorld, port: str, twin: object) -> None:
    """Put another twin behind the faults. The port forgets the methods of the former twin."""
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
            flag.is_sent = False  # cleared after the pass: messages during the pass were suppressed
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
            """A published image is not reconciled again."""

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
    """A client repeats a write by itself. It reports the conflict with its own first write as another writer's."""
    world.faulty.calls.retries_blindly = True


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Replace an attribute of `owner` for a while, then put its own back."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextlib.contextmanager
def _same_version() -> Iterator[None]:
    """Every attempt takes the version of the first attempt."""

    def last(major: int, day: object, known: GalleryVersion | None) -> GalleryVersion:
        return known or GalleryVersion(major, 20260101, 1)

    with _replaced(containers, "next_version", last):
        yield


@contextlib.contextmanager
def _spares_nobody() -> Iterator[None]:
    """The reaper treats every build as ended."""

    def judge(tags: object, build: object, now: object) -> Judgement:
        return Judgement.LEASED if build is None else Judgement.ENDED

    with _replaced(leases, "judge", judge):
        yield


@contextlib.contextmanager
def _includes_anything() -> Iterator[None]:
    """A build includes its version in latest without a check that it is still the active build."""

    def demand_nothing(self: PublishingStage, build: object, live: object) -> None:
        return None

    with _replaced(PublishingStage, "_demand_turn", demand_nothing):
        yield


@contextlib.contextmanager
def _asks_at_each_look() -> Iterator[None]:
    """Each look at a group that is being deleted asks for its deletion again."""

    with _replaced(deletions, "is_due", lambda asked, now, look: True):
        yield


@contextlib.contextmanager
def _follows_the_last_list() -> Iterator[None]:
    """Desired inputs come from the last list, which may lag behind: what it does not name is gone."""

    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced(releases, "LOOKS", 1))
        stack.enter_context(_replaced(releases, "SPAN", timedelta(0)))
        for module in (staleness, plan):
            stack.enter_context(_replaced(module, "find_step_down", lambda head, world: None))
        yield


@contextlib.contextmanager
def _deletes_without_budget() -> Iterator[None]:
    """Deletions are not counted."""

    with _replaced(CapacityStore, "buy_deletion", lambda store, now: None):
        yield


@contextlib.contextmanager
def _withdraws_nothing() -> Iterator[None]:
    """A release that was seen once stays the one to build from, whatever the Marketplace says."""

    def withdraw(known: FollowedSource, *given: object) -> FollowedSource:
        return replace(known, missed=None, examined_at=known.looked_at)

    with _replaced(releases, "withdraw", withdraw):
        yield


@contextlib.contextmanager
def _blames_the_input() -> Iterator[None]:
    """A build that did not find its release blocks its input, as one with a broken step does."""

    with _replaced(claims, "lost_release", lambda build: None):
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
        Sabotage(rule="rule-4-forward-only", patch=_follows_the_last_list),
        Sabotage(rule="rule-5-own-version", patch=_same_version, faults="containers", images=6, slots=3),
        Sabotage(rule="rule-6-seq", change=_wordless, faults="races"),
        Sabotage(
            rule="rule-7-active-only",
            patch=_includes_anything,
            faults="races",
            directed="it needs a slow step of publishing and the reuse of a former version at the same moment",
        ),
        Sabotage(rule="rule-8-always-dispatch", change=_flagged),
        Sabotage(rule="rule-9-own-image", change=_deaf, faults="none"),
        Sabotage(rule="rule-10-transient-is-sent-again", change=_raising),
        Sabotage(rule="rule-16-withdrawn-release", patch=_withdraws_nothing, faults="none"),
        Sabotage(
            rule="rule-16-blames-no-input",
            patch=_blames_the_input,
            directed="it needs a release that comes back after a build has failed without it: one seed in thirty",
        ),
        Sabotage(rule="rule-21-asked-once", patch=_asks_at_each_look),
        Sabotage(rule="rule-21-budget", patch=_deletes_without_budget),
    )
}
