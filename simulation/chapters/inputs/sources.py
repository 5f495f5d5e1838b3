"""A second source beside the first: roots join and leave it, and for a while it gives nothing.

The chapter keeps its own record of who is built from which source, from the heads as they are written, and counts the
list calls of each poll.
"""

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, TransientError, UnreadableRow
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.domain.releases import LOOKS
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.state.sources import SourceStore
from pipeline_core.wire.job import MarketplaceImage
from simulation import fleet, rest, rows
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.inputs.jobs import SeenJobs, heads_of
from simulation.world import POLL, SOURCE

if TYPE_CHECKING:
    from simulation.story import SeedStory

SECOND = MarketplaceSource(**fleet.SECOND, location=Region("westeurope"))
_MOST = 4  # roots that the chapter adds at most
# Polls in which a release that is offered again is believed: three must list it, and each asks for one release alone.
_BACK = 2 * LOOKS
_ROOTS = "roots:"
_MINUTE = timedelta(minutes=1)
_REPAIRED = timedelta(hours=1)  # a row of the index that a dead process left is found by the sweep


class TwoSources(Chapter):
    """Nobody follows the second source at first. One that nobody follows costs no call, whatever its publisher does."""

    name: ClassVar[str] = "sources"
    rate: ClassVar[float] = 0.6

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._second: set[str] = set()  # roots that are meant to be built from the second source
        self._numbers = 0
        self._releases = 0
        self._followers: defaultdict[str, set[str]] = defaultdict(set)  # images by the key of their source
        # When the last image of a source left it, or the last one began to follow it, in a row of the index.
        self._left: dict[str, datetime] = {}
        self._poll = 0  # which firing of a timer the calls are counted for
        self._calls: Counter[str] = Counter()
        self._jobs = SeenJobs(self.world.ports)

    def begin(self) -> None:
        """The publisher offers the second source, whether anybody follows it or not."""
        self._publish()

    def document(self, image: str) -> Mapping[str, Any]:
        """The source of a root; one that has a parent has none."""
        return {"source": fleet.SECOND} if image in self._second else {}

    def happenings(self) -> Sequence[Happening]:
        """Roots come and go about as often."""
        return (
            (3, self._publish),
            (4, self._join),
            (2, self._switch),
            (1, self._uproot),
            (2, self._delete),
            (2, self._give_a_parent),
            (2, self._fall_silent),
        )

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(31) A poll asks for each source that some image follows, once, and for no other."""
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                if write.row.key == "head":
                    self._look_at_head(write)
        elif name == "tables.write" and given[0] == "index":
            for key in (write.row.partition for write in given[1] if write.verb is WriteKind.INSERT):
                if key.startswith(_ROOTS):
                    self._left[key.removeprefix(_ROOTS)] = self.world.ports.clock.now()
        elif name == "containers.create_group":
            self._jobs.add(given[0])
        elif name == "marketplace.list_versions" and self.world.host.timer == "poll":
            self._count(given[0])

    def violations(self) -> Sequence[str]:
        """(31) Once more, exactly. (33) Each root was built from the newest release of its own source, by its job."""
        market, found = self.world.ports.marketplace, []
        heads = list(heads_of(self.world.ports))
        origins = [head.registration.origin for head in heads]
        followed = {each.key for each in origins if isinstance(each, MarketplaceSource)}
        before = len(market.asked)
        with self._calm():
            self.world.factory.poller.poll()
        asked = sorted(market.asked[before:])
        if asked != sorted(followed):
            found.append(
                f"(31) a poll asks for {', '.join(asked) or 'nothing'}, followed is {sorted(followed)}"
            )
        for head in heads:
            job, source = self._jobs.find(head, "build"), head.registration.origin
            if (
                not isinstance(source, MarketplaceSource)
                or job is None
                or rest.last_failed(self.world, head.name)
            ):
                continue
            built, newest = job.source, market.newest_offered(source)
            if not isinstance(built, MarketplaceImage) or built.sku != source.sku:
                found.append(f"(33) {head.name} was built from {built}, it follows {source.key}")
                continue
            version = MarketplaceVersion.parse(built.version)
            if version != newest and not self._was_taken_back(source, version):
                found.append(f"(33) {head.name} was built from {built.version}, {newest} is offered")
        return found

    def _was_taken_back(self, source: MarketplaceSource, version: MarketplaceVersion | None) -> bool:
        """True where a release was ever withdrawn or deprecated, even if it is offered again."""
        return (source.key, version) in self.world.ports.marketplace.taken_back

    def _publish(self) -> None:
        self._releases += 1
        version = f"9.{1 + self._releases}.20260{300 + self._releases:03d}11"
        self.world.ports.marketplace.publish(SECOND, MarketplaceVersion.parse(version))

    def _join(self) -> None:
        """A new root of the second source."""
        if self._numbers < _MOST:
            self._numbers += 1
            self._follow(f"other-{self._numbers}", SECOND)

    def _switch(self) -> None:
        """A root moves to the other source."""
        roots = sorted(name for name, parent in self.story.parents.items() if parent is None)
        name = self.chance.choice(roots)
        self._follow(name, SOURCE if name in self._second else SECOND)

    def _uproot(self) -> None:
        """An image without children becomes a root."""
        leaves = self._leaves(is_root=False)
        if leaves:
            self._follow(self.chance.choice(leaves), SECOND)

    def _delete(self) -> None:
        leaves = [name for name in self._leaves(is_root=True) if name in self._second]
        if leaves:
            name = self.chance.choice(leaves)
            if self.story.delete(name):
                self._second.discard(name)

    def _give_a_parent(self) -> None:
        """A root of the second source goes below another tree."""
        roots = sorted(name for name in self._second if name in self.story.parents)
        if not roots:
            return
        name = self.chance.choice(roots)
        parents = self.story.possible_parents(name)
        if parents:
            self._second.discard(name)
            self.story.parents[name] = self.chance.choice(parents)
            self.story.register(name)

    def _leaves(self, *, is_root: bool) -> list[str]:
        parents = self.story.parents
        childless = set(parents) - set(parents.values())
        return sorted(name for name in childless if (parents[name] is None) is is_root)

    def _follow(self, image: str, source: MarketplaceSource) -> None:
        """(32) A source that nobody followed is at its current release within a poll of its first image."""
        was_left = not self._followers[source.key]
        (self._second.add if source == SECOND else self._second.discard)(image)
        self.story.parents[image] = None
        self.story.register(image)
        if not was_left or not self._followers[source.key]:
            return
        with self._calm():
            self._let_polls_pass(1)
            self._demand_newest(source, "was followed again")

    def _fall_silent(self) -> None:
        """(32) For a while, the list is empty or refused. Images say so, and no longer once it gives again."""
        market = self.world.ports.marketplace
        followed = [each for each in (SOURCE, SECOND) if self._followers[each.key]]
        source = self.chance.choice(followed or [SECOND])
        error = TransientError(ErrorClass.NETWORK, "the Marketplace does not answer for this SKU")
        market.silent[source.key] = self.chance.choice((None, error))
        self.world.run_until(self.world.ports.clock.now() + self.chance.choice((2, 40, 90)) * _MINUTE)
        with self._calm():
            self._let_polls_pass(LOOKS + 1)
            self._demand_said(source, is_silent=True)
            del market.silent[source.key]
            (self._publish if source == SECOND else self.story.release)()
            self._let_polls_pass(1)
            self._demand_said(source, is_silent=False)
            self._demand_newest(source, "gave something again")

    def _demand_newest(self, source: MarketplaceSource, since: str) -> None:
        """A release that was taken back needs some polls to return. A deprecated one may stay: (1) ends it, at rest."""
        offered = self.world.ports.marketplace.newest_offered(source)
        if self._seen(source) != offered and self._was_taken_back(source, offered):
            self._let_polls_pass(_BACK)
        seen = self._seen(source)
        if self._followers[source.key] and seen != offered and not self._is_deprecated(source, seen, offered):
            self.world.blame(f"(32) {source.key} {since}: it is at {seen}, offered is {offered}")

    def _is_deprecated(
        self, source: MarketplaceSource, seen: MarketplaceVersion | None, offered: MarketplaceVersion | None
    ) -> bool:
        """True where a newer release than the offered one is listed all the same: a GET tells, within a day."""
        if seen is None or (offered is not None and seen < offered):
            return False
        market = self.world.ports.marketplace
        return seen in market.list_versions(source) and not market.is_offered(source, seen)

    def _seen(self, source: MarketplaceSource) -> MarketplaceVersion | None:
        known = SourceStore(self.world.ports.tables).find(source)
        return None if known is None else known.value.newest

    def _demand_said(self, source: MarketplaceSource, *, is_silent: bool) -> None:
        for image in sorted(self._followers[source.key]):
            with contextlib.suppress(UnreadableRow):
                self._demand_image(image, is_silent=is_silent)

    def _demand_image(self, image: str, *, is_silent: bool) -> None:
        shown = self.world.factory.queries.image(ImageName(image)).image.conditions
        if any(each.type is ConditionType.SOURCE_SILENT for each in shown) is not is_silent:
            text = "does not say that its source is silent" if is_silent else "says that its source is silent"
            self.world.blame(f"(32) {image} {text}")

    def _let_polls_pass(self, count: int) -> None:
        for _ in range(count):
            self.world.wake()
            self.world.run_until(self.world.ports.clock.now() + POLL + _MINUTE)

    @contextlib.contextmanager
    def _calm(self) -> Iterator[None]:
        """No faults: what must be seen by a poll is not left to chance."""
        injector = self.world.injector
        was_enabled, injector.enabled = injector.enabled, False
        try:
            yield
        finally:
            injector.enabled = was_enabled

    def _look_at_head(self, write: TableWrite) -> None:
        image, key = write.row.partition, ""
        if write.verb is not WriteKind.DELETE:
            origin = rows.said_by(write.row)["registration"]["origin"]
            if "sku" in origin:
                key = MarketplaceSource(**{**origin, "location": Region(origin["location"]["value"])}).key
        for other, images in self._followers.items():
            if other != key and image in images:
                images.discard(image)
                if not images:
                    self._left[other] = self.world.ports.clock.now()
        if key:
            self._followers[key].add(image)

    def _count(self, source: MarketplaceSource) -> None:
        if self._poll != self.world.host.fired:
            self._poll, self._calls = self.world.host.fired, Counter()
        self._calls[source.key] += 1
        if self._calls[source.key] > 1:
            self.world.blame(f"(31) one poll asked {self._calls[source.key]} times for {source.key}")
        if self._followers[source.key]:
            return
        since = self._left.get(source.key)
        patience = _REPAIRED if self.world.injector.faults.any else timedelta(0)
        if since is None or self.world.ports.clock.now() - since > patience:
            self.world.blame(f"(31) a poll asked for {source.key}, which nobody follows")
