"""Hypothesis drives the real services on twins: it chooses what people do, what is delivered, and what goes wrong.

Other than the seeds of `python -m simulation`, nothing is drawn by rates, and a failing run is made small.
`IMAGEFACTORY_EXAMPLES=500` runs more of it, and other examples each time.
"""

import os
import random
from collections.abc import Callable
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline_core.domain.names import BuildId, ImageName
from simulation import rest, world
from simulation.faults import LEVELS, Injector, Kind, StruckFault
from simulation.story import SeedStory

_EXAMPLES = int(os.environ.get("IMAGEFACTORY_EXAMPLES", "0"))
_ROOTS = ("image-0", "image-1")
_NAMES = (*_ROOTS, "image-2", "image-3", "image-4", "image-5")
_TEXTS = ("edit-0", "edit-1")
_DOUBLES = 6  # messages at most, so that their number does not grow without end
_FIRST = "9.6.2025112113"

_AT_A_CALL = (
    Kind.KILLED,
    Kind.REFUSED,
    Kind.UNANSWERED,
    Kind.CONFLICTING,
    Kind.OVERTAKEN,
    Kind.STALE,
)
_ACTS = ("edit", "ask", "cancel", "poll", "sweep")
_OF_A_CONTAINER = (Kind.EVICTED, Kind.SILENT, Kind.TWICE)
_OF_A_MESSAGE = (Kind.LOST, Kind.DOUBLED, Kind.DELAYED)


class Forced(Injector):
    """Faults strike where they were asked for, once each, and nowhere else."""

    def __init__(self) -> None:
        super().__init__(seed=0, faults=LEVELS["heavy"])  # the rates say only that something may go wrong
        self.wanted: list[tuple[Kind, int]] = []  # with the number of places that are passed by before

    def draw(self, place: str, kinds: tuple[Kind, ...]) -> tuple[Kind | None, float]:
        """The first wanted fault that can strike here, if its turn has come."""
        if not self.enabled:
            return None, 0.0
        for position, (kind, left) in enumerate(self.wanted):
            if kind not in kinds:
                continue
            if left:
                self.wanted[position] = (kind, left - 1)
                continue
            del self.wanted[position]
            self.struck.append(StruckFault(id=str(len(self.struck)), kind=kind, place=place))
            return kind, 0.5
        return None, 0.0


class Factory(RuleBasedStateMachine):
    """A fleet of at most six images, two of them bases."""

    def __init__(self) -> None:
        super().__init__()
        self.forced = Forced()
        made = world.make(slots=2, wait=timedelta(seconds=60), injector=self.forced)
        made.ports.containers.deletion = made.ports.resources.deletion = timedelta(seconds=20)
        made.ports.galleries.deletion = timedelta(seconds=40)
        self.world = made
        self.story = SeedStory(world=made, chance=random.Random(0), images=len(_NAMES))
        self.requests = 0

    @initialize(children=st.integers(0, 3))
    def begin(self, children: int) -> None:
        """A base, and images below it."""
        self.story._invite_stranger()
        for name in (_NAMES[0], *_NAMES[2 : 2 + children]):
            parent = None if name in _ROOTS else _ROOTS[0]
            self._register(name, parent)

    # What people, SecOps and upstream do.

    @rule(name=st.sampled_from(_NAMES), below=st.integers(0, 5), text=st.sampled_from(_TEXTS))
    def register(self, name: str, below: int, text: str) -> None:
        """A new image, or another content, or another parent for one that is there."""
        self.story.texts[name] = text
        if name in _ROOTS:
            self._register(name, None)
            return
        others = sorted(set(self.story.parents) - self.story.below(name))
        if others:
            self._register(name, others[below % len(others)])

    @rule(which=st.integers(0, 5), text=st.sampled_from(_TEXTS))
    def edit(self, which: int, text: str) -> None:
        """Another content, or the one that it had before."""
        name = self._one_of(which)
        self.story.texts[name] = text
        self._register(name, self.story.parents[name])

    @rule(which=st.integers(0, 5))
    def delete(self, which: int) -> None:
        """An image that no other is built from goes; a build may keep it."""
        parents = self.story.parents
        leaves = [name for name in sorted(parents) if name not in parents.values()]
        if len(leaves) > 1:
            self.story.delete(leaves[which % len(leaves)])

    @rule(hours=st.sampled_from((0, 0, 1, 3)))
    def release(self, hours: int) -> None:
        """Upstream offers a newer version, and may take it back some hours later."""
        self.story.release()
        if hours:
            self._until(timedelta(hours=hours))
            self.withdraw()

    @rule()
    def withdraw(self) -> None:
        """Upstream takes its newest version back."""
        self.story._withdraw()

    @rule()
    def deprecate(self) -> None:
        """The publisher deprecates its newest version."""
        self.story._deprecate()

    @rule()
    def give_back(self) -> None:
        """A version that was taken back is offered again."""
        self.story._give_back()

    @rule()
    def hide(self) -> None:
        """The list leaves out the newest version for a while."""
        self.story._hide()

    @rule(which=st.integers(0, 5))
    def ask(self, which: int) -> None:
        """A person asks for a rebuild."""
        self.requests += 1
        name, key = ImageName(self._one_of(which)), f"key-{self.requests}"
        request = self.world.factory.requests.request
        self.story.insist(lambda: request(name, world.ADMIN, "asked", key))

    @precondition(lambda self: self._active())
    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        """A person cancels a build."""
        active = self._active()
        build = BuildId(active[which % len(active)])
        cancel = self.world.factory.canceller.cancel
        self.story.insist(lambda: cancel(build, world.ADMIN, "no longer wanted"))

    @rule(text=st.sampled_from(("platform", "platform-1")))
    def platform(self, text: str) -> None:
        """Other platform steps come into force, or those of before."""
        self.story.insist(lambda: world.set_platform(self.world, world.upload(self.world, text)))

    @rule()
    def garbage(self) -> None:
        """A message that no factory wrote."""
        self.story._garbage()

    # What the host, the timers and time do.

    @rule(turn=st.integers(0, 11), count=st.integers(1, 25))
    def deliver(self, turn: int, count: int) -> None:
        """Some messages, beginning with some queue; time moves on where nothing is to be delivered."""
        self.world.host._turn = turn
        for _ in range(count):
            self._deliver()

    @rule(kind=st.sampled_from(_OF_A_MESSAGE), count=st.integers(1, 5))
    def message_goes_astray(self, kind: Kind, count: int) -> None:
        """The next messages are lost, doubled or late."""
        self._strike([(kind, 0)] * count, deliveries=count)

    @rule(kind=st.sampled_from(_AT_A_CALL), nth=st.integers(0, 8), turn=st.integers(0, 11))
    def call_fails(self, kind: Kind, nth: int, turn: int) -> None:
        """The n-th call from now on at which this can happen goes wrong."""
        self.world.host._turn = turn
        self._strike([(kind, nth)], deliveries=12)

    @rule(nth=st.integers(0, 12), then=st.integers(0, 8), kind=st.sampled_from(_AT_A_CALL))
    def handler_is_overtaken(self, nth: int, then: int, kind: Kind) -> None:
        """Messages are there twice; others run between two calls of a handler, and a fault strikes after."""
        queues = self.world.ports.queues
        waiting = [(queue, each.text) for queue in queues.names() for each in queues.messages(queue)]
        for queue, text in waiting[: max(0, _DOUBLES - len(waiting) // 2)]:
            queues.send(queue, text)
        self._strike([(Kind.OVERTAKEN, nth), (kind, then)], deliveries=12)

    @rule(nth=st.integers(0, 20), act=st.sampled_from(_ACTS), which=st.integers(0, 5))
    def handler_is_interrupted(self, nth: int, act: str, which: int) -> None:
        """Between two calls of a handler a person or a timer does something."""
        calls = self.world.faulty.calls
        others = calls.overtake

        def overtake() -> None:
            calls.overtake = others
            match act:
                case "edit":
                    self.edit(which, _TEXTS[which % 2])
                case "poll":
                    self.world.host.fire("poll", self.world.factory.poller.poll)
                case "sweep":
                    self.world._sweep()
                case "cancel" if self._active():
                    self.cancel(which)
                case _:
                    self.ask(which)

        calls.overtake = overtake
        self._strike([(Kind.OVERTAKEN, nth)], deliveries=12)
        calls.overtake = others

    @rule(kind=st.sampled_from(_OF_A_CONTAINER))
    def container_fails(self, kind: Kind) -> None:
        """The next container that starts is evicted, falls silent, or reports twice."""
        self.forced.wanted.append((kind, 0))

    @rule(minutes=st.sampled_from((1, 10, 45, 120)))
    def time_passes(self, minutes: int) -> None:
        """With both timers."""
        self._until(timedelta(minutes=minutes))

    @rule()
    def poll(self) -> None:
        """The timer of the poll, now."""
        self.world.host.fire("poll", self.world.factory.poller.poll)

    @rule(nth=st.one_of(st.none(), st.integers(0, 40)))
    def sweep(self, nth: int | None) -> None:
        """The timer of the sweep, now; it may die on its way."""
        if nth is not None:
            self.forced.wanted.append((Kind.KILLED, nth))
        self.world._sweep()
        self._forget()

    @invariant()
    def nothing_was_violated(self) -> None:
        """Whatever has happened so far."""
        _demand_none([*self.world.safety.broken, *self.world.host.findings, *self.world.findings])

    def teardown(self) -> None:
        """Nothing goes wrong from here on: people look, and the world must come to rest as it should."""
        if not self.story.parents:
            return
        self.forced.enabled = False
        self.story._come_to_rest()
        _demand_none(rest.violations(self.world))

    def _register(self, name: str, parent: str | None) -> None:
        self.story._register(name, parent)
        self.story.parents[name] = parent

    def _one_of(self, which: int) -> str:
        names = sorted(self.story.parents)
        return names[which % len(names)]

    def _active(self) -> list[str]:
        return sorted(build.id for build in self.world.safety.builds.values() if build.phase != "finished")

    def _strike(self, faults: list[tuple[Kind, int]], *, deliveries: int) -> None:
        self.forced.wanted += faults
        for _ in range(deliveries):
            self._deliver()
            if all(kind in _OF_A_CONTAINER for kind, _ in self.forced.wanted):
                break
        self._forget()

    def _forget(self) -> None:
        """What did not strike does not lie in wait, but for what is to happen to a container."""
        self.forced.wanted = [each for each in self.forced.wanted if each[0] in _OF_A_CONTAINER]

    def _deliver(self) -> None:
        made = self.world
        made.platform.advance()
        if made.host.deliver_one():
            return
        moments = [made.ports.queues.next_visible(), made.platform.next_end()]
        later = min((moment for moment in moments if moment is not None), default=None)
        if later is not None:
            made.ports.clock.set(max(made.ports.clock.now(), later))

    def _until(self, later: timedelta) -> None:
        self.world.run_until(self.world.ports.clock.now() + later)


def _demand_none(found: list[str]) -> None:
    assert not found, "\n".join(found)


def _profile() -> settings:
    many = _EXAMPLES > 0
    return settings(
        derandomize=not many,
        database=None,
        max_examples=_EXAMPLES or 100,
        stateful_step_count=40 if many else 30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )


TestFactory: Callable[..., object] = Factory.TestCase
TestFactory.settings = _profile()  # type: ignore[attr-defined]
