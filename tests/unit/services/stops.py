"""Builds that are stopped: at which stages, by whom overtaken, and what may be left of them afterwards."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.ports import TableWrite
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE

ONE = {"rhel9-base": None}


def pending() -> SimulatedWorld:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    return made


def before_its_group() -> SimulatedWorld:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    return made


def building() -> SimulatedWorld:
    made = before_its_group()
    scenes.until(made, lambda: bool(made.ports.containers.names()))
    return made


def verifying() -> SimulatedWorld:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    build = scenes.active(made, BASE).value
    scenes.until(made, lambda: len(groups(made, build, stage="verify")) == 1)
    return made


def copying() -> SimulatedWorld:
    made = scenes.registered(ONE)
    made.ports.galleries.replication = timedelta(hours=2)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.until(made, lambda: bool(made.ports.galleries.list_versions(LIVE, BASE)))
    return made


def included() -> SimulatedWorld:
    made = copying()
    made.ports.clock.advance(timedelta(hours=3))
    version = scenes.active(made, BASE).value.version
    assert version is not None
    made.ports.galleries.set_excluded(LIVE, BASE, version, excluded=False)
    return made


STAGES = {
    "pending": pending,
    "before its group": before_its_group,
    "building": building,
    "verifying": verifying,
    "copying": copying,
    "included": included,
}


def cancel(made: SimulatedWorld, build: Build, reason: str = "wrong licence") -> Build:
    return made.factory.canceller.cancel(build.id, ADMIN, reason)


def groups(made: SimulatedWorld, build: Build, *, stage: str | None = None) -> list[str]:
    return [
        group.name
        for group in made.ports.containers.list_groups()
        if group.tags["imagefactory-build"] == str(build.id)
        and stage in (None, group.tags["imagefactory-stage"])
    ]


def left_of(made: SimulatedWorld, build: Build) -> list[str]:
    """Everything that a build could leave behind, and has."""
    galleries = made.ports.galleries
    found = [
        *groups(made, build),
        *(f"quarantined {each.version}" for each in galleries.list_versions(QUARANTINE, build.image)),
        *(f"live {each.version}" for each in galleries.list_versions(LIVE, build.image)),
        *(f"slot of {each}" for each in scenes.capacity(made).holders()),
        *(f"active {each}" for each in scenes.index(made).active()),
        *(f"pending {each.value.build}" for each in scenes.index(made).pending(limit=100)),
    ]
    head = scenes.head(made, build.image)
    return [*found, *([] if head.active is None else [f"head of {head.active.build}"])]


def demand_cancelled(made: SimulatedWorld, build: Build) -> None:
    """The build is cancelled, has reported that, and nothing of it is there."""
    after = scenes.stored(made, build.id).value
    assert after.result is Result.CANCELLED
    assert scenes.is_announced(made, build.id)
    assert left_of(made, build) == []
    assert scenes.claim(made, build).outcome is Outcome.CANCELLED
    assert scenes.head(made, build.image).current is None
    assert made.ports.queues.names() == []


def rewired(made: SimulatedWorld, **ports: Any) -> None:
    """The same factory on other implementations of some ports, also for what the host delivers."""
    scenes.rewired(made, **ports)


def slow_step(
    made: SimulatedWorld, build: Build, port: str, method: str, overtake: Callable[[], None]
) -> None:
    """A step in a handler that others overtake just before it calls this method."""
    slow = _Before(getattr(made.ports, port), method, scenes.once(overtake))
    rewired(made, **{port: slow})
    scenes.step(made, build)
    rewired(made)


def before_write(made: SimulatedWorld, is_meant: Callable[[str], bool], action: Callable[[], object]) -> None:
    """Do something once, just before a build's row of this kind is written."""
    left = [action]

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(
            write.row.key.startswith("build:") and is_meant(str(write.row.cells["value"])) for write in writes
        ):
            while left:
                left.pop()()

    rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))


class _Before:
    """A port that does something ahead of each call of one method."""

    def __init__(self, inner: object, name: str, action: Callable[[], None]) -> None:
        self._inner, self._name, self._action = inner, name, action

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            self._action()
        return getattr(self._inner, name)
