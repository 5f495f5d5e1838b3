"""The simulated world itself: the same seed gives the same world, and its faults and its host are real."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import AlreadyExists
from simulation import fleet, world
from simulation.world import FAULTS, Faults, World


def _cascade(seed: int, faults: Faults) -> World:
    made = world.make(seed=seed, faults=faults)
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.settle()
    return made


def test_the_same_seed_gives_the_same_world() -> None:
    first, second = (_cascade(7, FAULTS["light"]) for _ in range(2))
    assert (first.deliveries, first.injected) == (second.deliveries, second.injected)
    assert first.ports.logs.lines == second.ports.logs.lines
    assert first.ports.clock.now() == second.ports.clock.now()


def test_another_seed_gives_another_world() -> None:
    first, second = _cascade(1, FAULTS["light"]), _cascade(2, FAULTS["light"])
    assert first.ports.logs.lines != second.ports.logs.lines


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost=0.2),
        Faults(doubled=0.1),
        Faults(delayed=0.5),
        Faults(killed=0.3),
        Faults(lost=0.1, doubled=0.08, delayed=0.2, killed=0.1),
    ],
    ids=["lost", "doubled", "delayed", "killed", "all"],
)
def test_a_fleet_becomes_current_whatever_happens_to_messages_and_containers(faults: Faults) -> None:
    made = _cascade(3, faults)
    assert all(made.versions().values())
    assert made.ports.containers.names() == []
    assert made.poisoned == []
    if not faults.killed:
        assert made.injected > 0


def test_a_world_without_faults_comes_to_rest_and_stays_there() -> None:
    made = _cascade(0, FAULTS["none"])
    assert (made.injected, made.ports.queues.names()) == (0, [])
    before = made.deliveries
    made.settle()
    assert made.deliveries == before


def test_time_moves_by_messages_and_containers_and_never_by_this_machine() -> None:
    made = world.make()
    made.register("rhel9-base", None)
    began = made.ports.clock.now()
    made.drain()
    took = made.ports.clock.now() - began
    assert timedelta(minutes=8 * 0.7 + 4 * 0.7 + 3) <= took <= timedelta(minutes=8 * 1.3 + 4 * 1.3 + 3 + 2)


def test_a_world_that_never_rests_is_given_up() -> None:
    made = world.make()
    made.register("rhel9-base", None)
    with pytest.raises(RuntimeError, match="did not come to rest"):
        made.settle(limit=20)


def test_a_bundle_is_the_same_bytes_for_the_same_text() -> None:
    assert fleet.bundle("a") == fleet.bundle("a")
    assert fleet.bundle("a")[0] != fleet.bundle("b")[0]


def test_uploading_the_same_bundle_twice_is_no_conflict() -> None:
    made = world.make()
    assert world.upload(made, "x") == world.upload(made, "x")
    with pytest.raises(AlreadyExists):
        made.ports.blobs.create("bundles", f"{world.upload(made, 'x')}.tar.gz", b"", media_type="x/y")
