"""The story of one seed: a fleet is registered, and people, upstream and SecOps act while faults strike.

The faults last some hours of virtual time. Then they end, people look at everything that waits for a person, and the
world must come to rest.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pipeline_core.domain import attempts, plan, releases
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
    UnreadableRow,
)
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.plan import DoNothing, RestReason
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import TaggedResource
from pipeline_core.services.policies.policy import etag_of
from pipeline_core.wire import messages
from simulation import fleet, rest, world
from simulation.chapters.chapter import Chapter
from simulation.faults import Killed
from simulation.world import ADMIN, SimulatedWorld

_TRIES = 40  # tries of a person, who does not give up sooner
_PATIENCE = timedelta(minutes=1)
_BETWEEN = timedelta(minutes=25)  # between two events, on average
_PER_DAY = 6  # events a day of a long story
_LEASES = timedelta(hours=6)  # longer than any lease of a build's resources
_ROUNDS = 6  # in which people look at everything that waits for a person
_BY_PERSON = frozenset({RestReason.BREAKER_OPEN, RestReason.BLOCKED})
FAR = timedelta(days=400)


@dataclass(slots=True, kw_only=True)
class SeedStory:
    """The events of one seed. The base story draws all from `chance`; each chapter draws from its own.

    With `days`, the events are spread over so many days of virtual time. Otherwise they fill some hours.
    """

    world: SimulatedWorld
    chance: random.Random
    images: int
    patience: int = 2500  # deliveries per image until rest; a working world needs about a tenth of them
    days: int = 0
    chapters: list[Chapter] = field(default_factory=list)
    parents: dict[str, str | None] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    releases: int = 0
    _policy: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Run the whole story. A world that does not come to rest is a finding."""
        self._invite_stranger()
        for chapter in self.chapters:
            self.world.chapters.append(chapter)
            chapter.begin()
        self.parents = dict(fleet.forest(self.images, self.chance))
        for name, parent in self.parents.items():
            self._register(name, parent)
        events, between = self._pace()
        for _ in range(events):
            pause = between * (2 * self.chance.random())
            self.world.run_until(self.world.ports.clock.now() + pause)
            self._something_happens()
            for chapter in self.chapters:
                chapter.act()
        self.world.run_until(self.world.ports.clock.now() + timedelta(hours=1))
        self.world.injector.enabled = False
        for chapter in self.chapters:
            chapter.end()
        self._come_to_rest()

    def _pace(self) -> tuple[int, timedelta]:
        """How many events there are, and how much time is between two of them on average."""
        events = max(6, self.images // 5)
        if not self.days:
            return events, _BETWEEN
        events = max(events, self.days * _PER_DAY)
        return events, timedelta(days=self.days) / events

    def _come_to_rest(self) -> None:
        limit = self.patience * self.images
        try:
            self._settle_with_people(limit)
            # A release that is deprecated and still listed is found within a day.
            self.world.ports.clock.advance(releases.EXAMINED)
            self._settle_with_people(limit)
            self.world.ports.clock.advance(_LEASES)
            self.world.settle(limit=limit, sweeps=3)
        except world.RestlessError as error:
            self.world.findings.append(f"(1) {error}")

    def _settle_with_people(self, limit: int) -> None:
        for _ in range(_ROUNDS):
            self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=40))
            self.world.settle(limit=limit, sweeps=4)
            if not self._people_look():
                return

    def _something_happens(self) -> None:
        happenings: list[tuple[float, Callable[[], None]]] = [
            (4, self.release),
            (2, self._withdraw),
            (1, self._deprecate),
            (1, self._give_back),
            (1, self._hide),
            (4, self._edit),
            (3, self._ask),
            (3, self._cancel),
            (2, self._delete),
            (1, self._move),
            (1, self._platform),
            (1, self._garbage),
        ]
        chosen = self.chance.choices([each for _, each in happenings], [weight for weight, _ in happenings])
        chosen[0]()

    def release(self) -> None:
        """The publisher offers a newer release."""
        self.releases += 1
        self.world.publish_release(f"9.{7 + self.releases}.20260{600 + self.releases:03d}11")

    def _withdraw(self) -> None:
        newest = self._newest()
        if newest is not None:
            self.world.ports.marketplace.withdraw(world.SOURCE, newest)

    def _deprecate(self) -> None:
        """The publisher deprecates its newest release, which stays in the list."""
        newest = self._newest()
        if newest is not None:
            deprecated = SourceImage(
                version=newest, deprecation=Deprecation(state=OfferState.DEPRECATED, at=None)
            )
            self.world.ports.marketplace.describe(world.SOURCE, deprecated)

    def _give_back(self) -> None:
        """A release that was taken back is offered again."""
        market = self.world.ports.marketplace
        gone = sorted(each for _, each in market.taken_back if not market.is_offered(world.SOURCE, each))
        if gone:
            market.describe(world.SOURCE, SourceImage(version=self.chance.choice(gone)))

    def _hide(self) -> None:
        """For a poll or two, the list leaves out the newest release, which is offered all the same."""
        newest, unlisted = self._newest(), self.world.ports.marketplace.unlisted
        if newest is not None:
            unlisted.add((world.SOURCE.key, newest))
            self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=7))
            unlisted.discard((world.SOURCE.key, newest))

    def _newest(self) -> MarketplaceVersion | None:
        """The newest release that is offered; None where it is the first one, which always stays."""
        newest = self.world.ports.marketplace.newest_offered(world.SOURCE)
        return None if newest == MarketplaceVersion.parse("9.6.2025112113") else newest

    def register(self, name: str) -> None:
        """Register an image as it is meant now: its parent, its content and what the chapters say of it."""
        self._register(name, self.parents[name])

    def _register(self, name: str, parent: str | None) -> None:
        text, changes = self.texts.get(name, "content"), self._document(name)
        self.insist(lambda: self.world.register(name, parent, text=text, **changes))

    def _document(self, name: str) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for chapter in self.chapters:
            changes |= chapter.document(name)
        return changes

    def _edit(self) -> None:
        name = self.some_image()
        self.texts[name] = f"edit-{self.chance.randrange(3)}"  # sometimes the content that it had before
        self._register(name, self.parents[name])

    def _move(self) -> None:
        """An image gets another parent that is not below it."""
        name = self.some_image()
        others = self.possible_parents(name)
        if not others or self.parents[name] is None:
            return
        self.parents[name] = self.chance.choice(others)
        self._register(name, self.parents[name])

    def possible_parents(self, name: str) -> list[str]:
        """The images that this one may move below."""
        below = self.below(name)
        return [each for each in self.parents if each not in below and self._may_be_parent(each)]

    def _may_be_parent(self, name: str) -> bool:
        return all(chapter.may_be_parent(name) for chapter in self.chapters)

    def below(self, name: str) -> set[str]:
        """The image and all that is built from it."""
        found, grown = {name}, {name}
        while grown:
            grown = {other for other, parent in self.parents.items() if parent in grown} - found
            found |= grown
        return found

    def _ask(self) -> None:
        name, key = ImageName(self.some_image()), f"key-{self.chance.randrange(10**9)}"
        self.insist(lambda: self.world.factory.requests.request(name, world.ADMIN, "asked", key))

    def _cancel(self) -> None:
        active = [build.id for build in self.world.safety.builds.values() if build.phase != "finished"]
        if not active:
            return
        build = BuildId(self.chance.choice(sorted(active)))
        cancel = self.world.factory.canceller.cancel
        self.insist(lambda: cancel(build, world.ADMIN, "no longer wanted"))

    def _delete(self) -> None:
        """A leaf is deleted, and sometimes registered again unchanged."""
        leaves = [name for name in self.parents if name not in self.parents.values()]
        if len(leaves) < 2:
            return
        name = self.chance.choice(leaves)
        parent = self.parents[name]
        if not self.delete(name):
            return
        if self.chance.random() < 0.5:
            self.parents[name] = parent
            self._register(name, parent)

    def delete(self, name: str) -> bool:
        """Delete an image without children. False if a build prevents its deletion."""
        image = ImageName(name)
        for _ in range(_TRIES):
            try:
                head = self.world.base.records.images.find_head(image)
                if head is not None:
                    self.world.factory.registrar.unregister(image, world.ADMIN, head.value.document_etag)
            except (TransientError, StaleWrite, UnreadableRow, Killed):
                self.wait()
                continue
            except AlreadyExists:
                return False
            self.world.registered.discard(image)
            del self.parents[name]
            return True
        raise RuntimeError(f"{image} could not be deleted in {_TRIES} tries")

    def _platform(self) -> None:
        text = f"platform-{self.chance.randrange(3)}"
        self.insist(lambda: world.put_platform(self.world, text))

    def _garbage(self) -> None:
        """A message that no factory wrote, or one of a later version of the factory."""
        queue = self.chance.choice(messages.QUEUES)
        text = self.chance.choice(('{"schema":2}', "not json", '{"schema":1,"image":"../up","reason":"x"}'))
        self.world.ports.queues.send(queue, text)

    def _people_look(self) -> int:
        """Request the images that wait for a person's request. Returns the number of requested images."""
        asked = 0
        for name in sorted(self.world.registered, key=str):
            now = self.world.ports.clock.now()
            snapshot = self.world.parts.images.observer.observe(name, now).snapshot
            decision = plan.plan(snapshot, now)
            if isinstance(decision, DoNothing) and decision.why is RestReason.RELEASE_WITHDRAWN:
                self._accept()
                asked += 1
            if not isinstance(decision, DoNothing) or decision.why not in _BY_PERSON:
                continue
            # The claim on what is wanted now: an older release, wanted again, may have failed for its own reason.
            if decision.why is RestReason.BLOCKED and rest.found_nothing(
                self.world, snapshot.find_claim(name)
            ):
                self.world.findings.append(f"(1) {name} is blocked because its release was withdrawn")
            if rest.last_failed(self.world, name):
                continue  # its input fails permanently until a person changes it
            if not all(chapter.is_for_people(str(name)) for chapter in self.chapters):
                continue  # the factory has to repair it by itself
            key = f"look-{self.chance.randrange(10**9)}"
            self.world.factory.requests.request(name, world.ADMIN, "looked at", key)
            asked += 1
        return asked + sum(chapter.people_look() for chapter in self.chapters)

    def _accept(self) -> None:
        """SecOps decides for the newest release that is offered."""
        followed = self.world.base.records.sources.find(world.SOURCE)
        if followed is not None and followed.value.newest is not None:
            release, accept = followed.value.newest, self.world.factory.sources.accept
            self.insist(lambda: accept(world.SOURCE.key, release, world.ADMIN, "it will not come back"))

    def _invite_stranger(self) -> None:
        """Add another factory's machine to the same group. No row of this factory names it, and its lease is long."""
        lease = self.world.ports.clock.now() + FAR
        tags = {
            attempts.BUILD_TAG: "other.0123456789ab.1",
            attempts.IMAGE_TAG: "other",
            attempts.LEASE_TAG: f"{lease:%Y-%m-%dT%H:%M:%SZ}",
            attempts.STAGE_TAG: "build",
            attempts.ATTEMPT_TAG: "1",
        }
        stranger = TaggedResource(
            id="Microsoft.Compute/disks/stranger", type="Microsoft.Compute/disks", tags=tags
        )
        self.world.ports.resources.add(stranger)
        self.world.strangers.add(stranger.id)

    def some_image(self) -> str:
        """The name of an image of the story, drawn by the base story."""
        return self.chance.choice(sorted(self.parents))

    def put_policy(self, spec: Mapping[str, Any]) -> None:
        """SecOps change these keys of the policy, and leave the others as they put them in force last."""

        def put() -> None:
            stored = self.world.base.records.policies.find_current()
            self.world.factory.policy.put(
                {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": self._policy},
                ADMIN,
                expected=None if stored is None else etag_of(stored.value),
                create_only=stored is None,
            )

        self._policy = {**self._policy, **spec}
        self.insist(put)

    def insist(self, act: Callable[[], object]) -> None:
        """A person repeats an action after each error until it is done."""
        for _ in range(_TRIES):
            try:
                act()
            except (TransientError, StaleWrite, UnreadableRow, Killed):
                self.wait()
            except AlreadyExists as error:
                self.world.findings.append(f"a person's own work was reported as another person's: {error}")
                return
            except NotFound:
                return
            except PermanentError as error:
                if error.error_class is not ErrorClass.CONFLICT:  # a build that has ended is not cancelled
                    self.world.findings.append(f"a person was refused: {error}")
                return
            except FactoryError as error:
                self.world.findings.append(f"a person was refused: {type(error).__name__}: {error}")
                return
            else:
                return
        raise RuntimeError(f"a person gave up after {_TRIES} tries")

    def wait(self) -> None:
        """A person pauses before the next try."""
        self.world.run_until(self.world.ports.clock.now() + _PATIENCE)
