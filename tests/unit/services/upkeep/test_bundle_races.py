"""A bundle is removed while others want it, and by a process that dies: nobody loses one that was registered."""

import contextlib
from collections.abc import Callable
from functools import partial

import pytest

from pipeline_core.domain.errors import FactoryError, NotFound
from pipeline_core.domain.names import TeamName
from pipeline_core.state.bundles import BundleStore
from pipeline_core.wire.problems import InvalidDocument
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.losses import Calls, Died
from tests.unit.services.meanwhile import Meanwhile, Side
from tests.unit.services.upkeep import lone_bundles as lone

# What others do, whole, at each call of a removal, and each call of theirs at which a removal comes, whole.
WANTED: dict[str, Callable[[SimulatedWorld], object]] = {
    "upload": lone.upload,
    "share": lone.share,
    "register": lone.register,
    "upload and register": lambda made: (lone.upload(made), lone.register(made)),
    "another removal": lambda made: lone.rounds(made, 1),
}
PORTS = ("tables", "blobs")


def _calls_of(action: Callable[[SimulatedWorld], object]) -> list[tuple[str, str, int]]:
    """Each call of tables and blobs that the action makes: port, method, and its number among those of the method."""
    made, seen = lone.unused(), []
    counts: dict[tuple[str, str], int] = {}

    def note(port: str, method: str) -> None:
        counts[port, method] = counts.get((port, method), 0) + 1
        seen.append((port, method, counts[port, method]))

    wired = {port: lone.Noting(getattr(made.ports, port), partial(note, port)) for port in PORTS}
    scenes.rewired(made, **wired)
    with contextlib.suppress(FactoryError):
        action(made)
    return seen


def _slowly(
    made: SimulatedWorld,
    action: Callable[[SimulatedWorld], object],
    at: tuple[str, str, int],
    meanwhile: Callable[[], object],
    side: Side,
) -> None:
    """The action, which is slow at this call: others act there, whole, on the ports as they are."""
    port, method, number = at
    left = [number]

    def fits(*given: object, **named: object) -> bool:
        left[0] -= 1
        return left[0] == 0

    def others() -> None:
        slow_factory = made.factory
        scenes.rewired(made)
        with contextlib.suppress(FactoryError):
            meanwhile()
        made.factory = slow_factory

    slow = Meanwhile(getattr(made.ports, port), method, others, side=side, fits=fits)
    scenes.rewired(made, **{port: slow})
    with contextlib.suppress(FactoryError):
        action(made)
    assert slow.came
    scenes.rewired(made)


def _goes_on(made: SimulatedWorld) -> None:
    """Nothing was lost, later rounds lose nothing either, and an upload makes the bundle usable whatever happened."""
    lone.demand_whole(made)
    lone.rounds(made, 2)
    lone.demand_whole(made)
    lone.upload(made)
    lone.register(made, "later")
    lone.demand_whole(made)
    assert lone.rounds(made, 2) == 0
    lone.demand_whole(made)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", WANTED)
def test_others_want_it_at_each_call_of_a_removal(name: str, side: Side) -> None:
    for at in _calls_of(lone.remove):
        made = lone.unused()
        _slowly(made, lone.remove, at, partial(WANTED[name], made), side)
        _goes_on(made)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["upload", "share", "register"])
def test_a_removal_comes_at_each_call_of_others(name: str, side: Side) -> None:
    for at in _calls_of(WANTED[name]):
        made = lone.unused()
        _slowly(made, WANTED[name], at, partial(lone.remove, made), side)
        _goes_on(made)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["removal", "upload of what is doomed"])
def test_a_process_that_dies_at_each_call_leaves_nothing_that_is_not_repaired(name: str, after: bool) -> None:
    begun = _doomed if name != "removal" else lone.unused
    action = lone.upload if name != "removal" else lone.remove
    fatal = 0
    while True:
        fatal += 1
        made, calls = begun(), Calls(fatal=fatal, after=after)
        losses.counted(made, calls)
        with contextlib.suppress(Died):
            action(made)
        scenes.rewired(made)
        if calls.count < fatal:
            break
        _goes_on(made)
    assert fatal > 5


def _doomed() -> SimulatedWorld:
    """A removal has died before it deleted the content."""
    made = lone.unused()

    def die() -> None:
        raise Died

    slow = Meanwhile(made.ports.blobs, "delete", die, side="before")
    scenes.rewired(made, blobs=slow)
    with contextlib.suppress(Died):
        lone.remove(made)
    scenes.rewired(made)
    assert slow.came
    return made


def test_no_image_is_registered_with_what_is_being_removed() -> None:
    made = _doomed()
    assert lone.has(made)
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        lone.register(made)
    with pytest.raises(NotFound):
        lone.share(made)


def test_platform_steps_are_not_put_in_force_from_what_is_being_removed() -> None:
    made = _doomed()
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        made.factory.platforms.put(lone.LONE, {}, ADMIN)


def test_the_owners_of_a_removed_bundle_are_not_those_of_the_next_upload() -> None:
    made = lone.unused()
    lone.share(made)
    made.ports.clock.advance(lone.AGES)
    assert lone.remove(made) == 1
    lone.upload(made)
    stored = BundleStore(made.ports.tables).find(lone.LONE)
    assert stored is not None
    assert TeamName("guests") not in stored.value.owners
