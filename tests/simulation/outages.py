"""Outages of the platform in a simulated world: for a time, everything of one kind fails with one class of error."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.errors import ErrorClass, FactoryError, Owner
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import NewContainerGroup
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.messages import BUILD_STEPS, StepMessage
from simulation import world
from simulation.faults import Faults, Injector, Kind
from simulation.region import BudgetedContainers
from simulation.world import SimulatedWorld

LATENCY = timedelta(seconds=3)  # of a call that the platform refuses


@dataclass(slots=True, kw_only=True)
class Outage:
    """What fails, while `until` is not over. `creation` refuses the creation of container groups, `report` is what
    the builder reports in `stages`, `fault` is what becomes of a container."""

    clock: Callable[[], datetime] = datetime.now
    advance: Callable[[timedelta], object] = print
    until: datetime | None = None
    creation: Callable[[], FactoryError] | None = None
    report: ErrorClass | None = None
    stages: frozenset[str] = frozenset({"build"})
    fault: Kind | None = None
    struck: int = 0

    @property
    def lasts(self) -> bool:
        """True while it lasts."""
        return self.until is not None and self.clock() < self.until


@dataclass(slots=True, kw_only=True)
class _Containers(BudgetedContainers):
    outage: Outage

    def create_group(self, new: NewContainerGroup) -> None:
        if self.outage.lasts and self.outage.creation is not None:
            self.outage.struck += 1
            self.outage.advance(LATENCY)
            raise self.outage.creation()
        BudgetedContainers.create_group(self, new)


@dataclass(slots=True, kw_only=True)
class _Injector(Injector):
    outage: Outage

    def draw(self, place: str, kinds: tuple[Kind, ...]) -> tuple[Kind | None, float]:
        if self.outage.lasts and self.outage.fault is not None and place.startswith("container:"):
            self.outage.struck += 1
            return self.outage.fault, 0.5
        return Injector.draw(self, place, kinds)


@dataclass(slots=True, kw_only=True)
class _Failing(Mapping[tuple[str, str], str]):
    outage: Outage

    def __getitem__(self, key: tuple[str, str]) -> str:
        if self.outage.lasts and self.outage.report is not None and key[1] in self.outage.stages:
            self.outage.struck += 1
            return self.outage.report.value
        raise KeyError(key)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def __len__(self) -> int:
        return 0


def make(outage: Outage, *, slots: int = 20, seed: int = 0) -> SimulatedWorld:
    """A world in which this outage is to come. It begins by `outage.until`."""

    def wrap(bare: MemoryPorts) -> MemoryPorts:
        known = bare.containers
        given = {each.name: getattr(known, each.name) for each in fields(known) if each.init}
        bare = replace(bare, containers=_Containers(**given, outage=outage))
        outage.clock, outage.advance = bare.clock.now, bare.clock.advance
        return bare

    injector = _Injector(seed=seed, faults=Faults(), outage=outage)
    made = world.make(seed=seed, slots=slots, wrap=wrap, injector=injector)
    made.platform.failing = _Failing(outage=outage)
    return made


def builds(made: SimulatedWorld) -> list[Build]:
    """Every build of the registered images."""
    store = ImageStore(made.ports.tables)
    return [
        build for name in sorted(made.registered, key=str) for build in store.list_builds(name, limit=1000)
    ]


def hurt(made: SimulatedWorld) -> list[Build]:
    """The builds that failed."""
    return [build for build in builds(made) if build.result is Result.FAILED]


def alerts(made: SimulatedWorld) -> int:
    """How many alerts the log has."""
    return sum(line.event == "platform-breaker-opened" for line in made.ports.logs.lines)


def current(made: SimulatedWorld) -> int:
    """How many images have a version of their desired input."""
    shown = made.factory.queries.images(limit=200)
    found = [image.state for image in shown.images]
    while shown.next is not None:
        shown = made.factory.queries.images(after=shown.next, limit=200)
        found += [image.state for image in shown.images]
    return found.count("current")


def swept(made: SimulatedWorld) -> set[ImageName]:
    """The images whose builds the next sweep asks for a step, after every other message to them was lost."""
    for message in made.ports.queues.messages(BUILD_STEPS):
        made.ports.queues.delete(BUILD_STEPS, message)
    made.factory.sweeper.sweep()
    steps = [StepMessage.from_wire(each.text) for each in made.ports.queues.messages(BUILD_STEPS)]
    return {BuildId(step.build).image for step in steps}


def is_of_team(error_class: ErrorClass) -> bool:
    """True for a class that a team owns where nobody knows more."""
    return error_class.owner is Owner.TEAM
