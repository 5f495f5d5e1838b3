"""Worlds for tests of services: the real services on twins, one event at a time, and ways to break a port.

Nothing here decides anything; a scene is made by registering, delivering and moving time, never by hand.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.deployment import Deployment
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event
from pipeline_core.domain.names import BuildId, CampaignId, Digest, ImageName, TeamName
from pipeline_core.domain.plan import DoNothing
from pipeline_core.domain.tools import SERVED, ToolRecord, ToolState
from pipeline_core.ports import Ports, Principal, Row, TableWrite
from pipeline_core.settings import Limits
from pipeline_core.state import images as records
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.records import Stored
from pipeline_core.state.sources import SourceStore
from pipeline_core.wire.messages import QUEUES, RebuildMessage, StepMessage
from pipeline_core.wiring.foundation import foundation_of
from simulation import fleet, world
from simulation.world import SimulatedWorld

NEXT_RELEASE = "9.8.2026062323"
BASE, JAVA, PYTHON = ImageName("rhel9-base"), ImageName("rhel9-java"), ImageName("rhel9-python")
VAULT, PAYMENTS, ML = ImageName("rhel9-vault"), ImageName("payments-api"), ImageName("ml-worker")
SIX = (BASE, JAVA, PYTHON, VAULT, PAYMENTS, ML)
WAIT = timedelta(seconds=30)
ADMIN = world.ADMIN
LIMITS = Limits(slots=8, creates_per_hour=10_000, team_slots=8, wait=WAIT)


def principal(*teams: str, roles: Sequence[str] = ()) -> Principal:
    """A member of these teams."""
    name = "-".join(teams) or "nobody"
    return Principal(
        subject=name,
        name=name.title(),
        roles=frozenset(roles),
        teams=frozenset(map(TeamName, teams)),
    )


def registered(parents: Mapping[str, str | None] = fleet.SIX, **options: Any) -> SimulatedWorld:
    """A world in which these images are registered and nothing has been delivered yet."""
    made = world.make(**options)
    for name, parent in parents.items():
        made.register(name, parent)
    return made


def settled(parents: Mapping[str, str | None] = fleet.SIX, **options: Any) -> SimulatedWorld:
    """A world in which these images are built and current, and no message is left."""
    made = registered(parents, **options)
    made.drain()
    assert all(made.versions().values()), made.versions()
    return made


def released(made: SimulatedWorld, version: str = NEXT_RELEASE) -> None:
    """A new release on the Marketplace, seen by the timer."""
    made.publish_release(version)
    made.factory.poller.poll()


def limited(
    made: SimulatedWorld, *, slots: int = 8, creates_per_hour: int = 10_000, team_slots: int = 8
) -> SimulatedWorld:
    """The same world with other limits."""
    limits = Limits(slots=slots, creates_per_hour=creates_per_hour, team_slots=team_slots, wait=WAIT)
    made.rewire(foundation_of(made.ports, deployment_of(made), limits))
    return made


def rewired(made: SimulatedWorld, **ports: Any) -> None:
    """The same factory on other implementations of some ports; the world keeps its own."""
    made.rewire(foundation_of(replace(ports_of(made), **ports), deployment_of(made), LIMITS))


def ports_of(made: SimulatedWorld) -> Ports:
    """The world's own twins."""
    return Ports(**{port.name: getattr(made.ports, port.name) for port in fields(Ports)})


def admit(made: SimulatedWorld, catalog: Mapping[str, Any]) -> None:
    """The files of these entries are admitted, as if somebody had brought them; their content is another one."""
    entries = catalog.get("entries")
    for entry in entries if isinstance(entries, list) else ():
        sha256 = entry.get("sha256") if isinstance(entry, dict) else None
        if isinstance(sha256, str) and Digest.pattern.fullmatch(sha256):
            admit_file(made, Digest(sha256))


def admit_file(made: SimulatedWorld, digest: Digest) -> None:
    """As `admit`, for one file."""
    now = made.ports.clock.now()
    if made.base.records.tools.find(digest) is None:
        made.ports.blobs.create(SERVED, str(digest), b"x", media_type="text/plain")
        record = ToolRecord(sha256=digest, state=ToolState.ADMITTED, at=now, size=1, scanned_by="a scanner")
        made.base.records.tools.save(record, etag=None)


@dataclass(slots=True, kw_only=True)
class WatchedTables:
    """Tables that call `before` ahead of each write: it may change what is there, or raise."""

    inner: MemoryTables
    before: Callable[[str, Sequence[TableWrite]], None]

    def find(self, table: str, partition: str, key: str) -> Row | None:
        return self.inner.find(table, partition, key)

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        return self.inner.scan(table, partition, **bounds)

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        self.before(table, writes)
        return self.inner.write(table, writes)


@dataclass(slots=True, kw_only=True)
class Failing:
    """Any port of `inner` whose method `name` raises the errors that are left in `errors`, one per call."""

    inner: Any
    name: str
    errors: list[Exception]

    def __getattr__(self, name: str) -> Any:
        return self._call if name == self.name else getattr(self.inner, name)

    def _call(self, *given: Any, **named: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return getattr(self.inner, self.name)(*given, **named)


def deployment_of(made: SimulatedWorld) -> Deployment:
    """Where the world's factory works."""
    return made.base.deployment


def images(made: SimulatedWorld) -> ImageStore:
    """The images' records."""
    return ImageStore(made.ports.tables)


def index(made: SimulatedWorld) -> Index:
    """The indexes."""
    return Index(made.ports.tables)


def sources(made: SimulatedWorld) -> SourceStore:
    """What is followed."""
    return SourceStore(made.ports.tables)


def is_announced(made: SimulatedWorld, build: BuildId) -> bool:
    """True for a build that has ended and has no row among the active ones any more."""
    return stored(made, build).value.is_finished and not index(made).is_active(build)


def capacity(made: SimulatedWorld, *, slots: int = 8) -> CapacityStore:
    """The capacity's rows."""
    return CapacityStore(made.ports.tables, slots=slots, creates_per_hour=10_000, team_slots=slots)


def head(made: SimulatedWorld, image: ImageName) -> ImageHead:
    """The head of a registered image."""
    return images(made).get_head(image).value


def builds(made: SimulatedWorld, image: ImageName) -> list[Build]:
    """Every build of an image, oldest first."""
    return sorted(
        images(made).list_builds(image, limit=1000), key=lambda build: (build.created_at, build.seq)
    )


def active(made: SimulatedWorld, image: ImageName) -> Stored[Build]:
    """The build of an image that has not ended."""
    running = head(made, image).active
    assert running is not None, f"{image} has no active build"
    return stored(made, running.build)


def stored(made: SimulatedWorld, build: BuildId) -> Stored[Build]:
    """A build as it is now, with its ETag."""
    found = images(made).find_build(build)
    assert found is not None, build
    return found


def claim(made: SimulatedWorld, build: Build) -> Claim:
    """The claim on a build's input."""
    found = images(made).find_claim(build.image, build.fingerprint)
    assert found is not None, build.id
    return found.value


def events(made: SimulatedWorld, image: ImageName) -> list[Event]:
    """The events of the image's journal, oldest first."""
    return [entry.event for entry in images(made).list_journal(image, limit=1000)]


def entry_of(made: SimulatedWorld, image: ImageName, event: Event) -> Entry:
    """The one journal entry of an event."""
    (entry,) = [one for one in images(made).list_journal(image, limit=1000) if one.event is event]
    return entry


def logged(made: SimulatedWorld, event: str, **fields: object) -> bool:
    """True if the log has such a line."""
    return any(
        line.event == event and all(line.fields.get(key) == value for key, value in fields.items())
        for line in made.ports.logs.lines
    )


def look(made: SimulatedWorld, image: ImageName, reason: str = "look") -> None:
    """One rebuild message, handled now."""
    made.factory.reconciler.handle(RebuildMessage(image=str(image), reason=reason, campaign="test"))


def rest_of(made: SimulatedWorld, image: ImageName) -> str:
    """What is decided about an image now: why it rests, or the name of what is begun."""
    decision = made.factory.reconciler.reconcile(image, CampaignId("test"))
    return decision.why.value if isinstance(decision, DoNothing) else type(decision).__name__


def step(made: SimulatedWorld, build: Build, *, seq: int | None = None, redelivered: bool = False) -> None:
    """One step message for a build, handled now; at its own transition unless `seq` says otherwise."""
    message = StepMessage(build=str(build.id), seq=build.seq if seq is None else seq)
    made.factory.driver.step(message, redelivered=redelivered)


def texts(made: SimulatedWorld, queue: str) -> list[str]:
    """The messages of a queue, visible or not."""
    return [message.text for message in made.ports.queues.messages(queue)]


def asked(made: SimulatedWorld) -> list[str]:
    """The images that a rebuild message in the queue points at."""
    return [RebuildMessage.from_wire(text).image for text in texts(made, "rebuild-requests")]


def lose(made: SimulatedWorld, *queues: str) -> None:
    """Lose every message of these queues; of all queues where none is named."""
    for queue in queues or QUEUES:
        for message in made.ports.queues.messages(queue):
            made.ports.queues.delete(queue, message)


def until(made: SimulatedWorld, holds: Callable[[], bool], *, limit: int = 5_000) -> None:
    """Deliver one message after the other until something holds."""
    for _ in range(limit):
        if holds():
            return
        before = made.deliveries
        made.drain(limit=0)
        if made.deliveries == before:
            break
    assert holds(), "the world came to rest before it held"


def in_phase(made: SimulatedWorld, image: ImageName, phase: Phase) -> Build:
    """Deliver until the image's build is in a phase, and its step message is the next to be handled."""

    def holds() -> bool:
        running = head(made, image).active
        return running is not None and stored(made, running.build).value.phase is phase

    until(made, holds)
    return active(made, image).value


def phases(made: SimulatedWorld) -> Iterator[Phase]:
    """The phases of the active builds."""
    for identity in index(made).active():
        yield stored(made, identity).value.phase


def of_team(name: str, parent: str | None, team: str, **changes: Any) -> dict[str, Any]:
    """A document of another team than SecOps."""
    return fleet.document(name, parent, team=team, **changes)


def register_for(made: SimulatedWorld, name: str, parent: str | None, team: str, **changes: Any) -> ImageHead:
    """Register an image of a team as a member of it, who uploads the bundle too."""
    digest, content = fleet.bundle("content")
    made.factory.registrar.store_bundle(digest, content, principal(team))
    return made.factory.registrar.register(
        ImageName(name),
        of_team(name, parent, team, **changes),
        digest,
        principal(team),
        expected=None,
        create_only=True,
    ).head


def sha256(content: bytes) -> str:
    """The digest of bytes."""
    return hashlib.sha256(content).hexdigest()


def transient(*, retry_after: timedelta | None = None) -> TransientError:
    """Something that time repairs."""
    return TransientError(ErrorClass.NETWORK, "no answer", retry_after=retry_after)


def set_platform(made: SimulatedWorld, text: str) -> None:
    """New platform steps, without a tool in the catalog."""
    world.set_platform(made, world.upload(made, text))


def team(name: str) -> TeamName:
    """A team's name."""
    return TeamName(name)


def once(action: Callable[[], object]) -> Callable[[], None]:
    """An action that happens at its first call only."""
    left = [action]

    def run() -> None:
        if left:
            left.pop()()

    return run


def touch(made: SimulatedWorld, image: ImageName) -> None:
    """Somebody else writes the image's head, changing nothing that matters: its ETag moves."""
    found = images(made).get_head(image)
    images(made).commit([records.put_head(replace(found.value, height=found.value.height), etag=found.etag)])


def wants(made: SimulatedWorld, image: ImageName, *events: Event) -> None:
    """Some webhook of the image wants these events."""
    store = images(made)
    head = store.get_head(image)
    registration = replace(head.value.registration, notify=frozenset(event.value for event in events))
    store.commit([records.put_head(replace(head.value, registration=registration), etag=head.etag)])


class Died(BaseException):
    """The process has ended. Nothing of the product catches it."""


def die_at_exclusion(patch: pytest.MonkeyPatch, made: SimulatedWorld, *, is_done: bool) -> None:
    """End the process at its next call that changes `latest`: before the call is made, or after it."""
    galleries, lives = type(made.ports.galleries), [True]
    change = galleries.set_excluded

    def die(*place: Any, excluded: bool) -> None:
        if is_done or not lives:
            change(*place, excluded=excluded)
        if lives:
            lives.clear()
            raise Died

    patch.setattr(galleries, "set_excluded", die)
