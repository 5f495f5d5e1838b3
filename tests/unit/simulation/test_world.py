"""The simulated world itself: its faults and its host are real, and time is nobody's but its own."""

from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.errors import AlreadyExists
from simulation import fleet, rest, world
from simulation.faults import Faults, Killed, Kind
from simulation.world import FAULTS, RestlessError, SimulatedWorld

pytestmark = pytest.mark.slow

ONE_AT_A_TIME = {
    Kind.LOST: Faults(lost=0.2),
    Kind.DOUBLED: Faults(doubled=0.2),
    Kind.DELAYED: Faults(delayed=0.5),
    Kind.KILLED: Faults(killed=0.02),
    Kind.REFUSED: Faults(refused=0.05),
    Kind.UNANSWERED: Faults(unanswered=0.05),
    Kind.CONFLICTING: Faults(conflicting=0.1),
    Kind.STALE: Faults(stale=0.5),
    Kind.OVERTAKEN: Faults(overtaken=0.05),
    Kind.EVICTED: Faults(evicted=0.2),
    Kind.SILENT: Faults(silent=0.2),
    Kind.TWICE: Faults(twice=0.5),
    Kind.EXHAUSTED: Faults(exhausted=0.5),
    Kind.SKEWED: Faults(skewed=0.5),
}


def _stormy(seed: int, faults: Faults) -> SimulatedWorld:
    """A fleet of six, registered in peace, after a storm of two releases, come to rest."""
    made = world.make(seed=seed, faults=faults)
    made.injector.enabled = False
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.injector.enabled = True
    for version in ("9.7.2026050111", "9.8.2026060111"):
        made.publish_release(version)
        made.run_until(made.ports.clock.now() + timedelta(hours=5))
    made.injector.enabled = False
    made.settle()
    return made


def test_the_same_seed_gives_the_same_world() -> None:
    first, second = (_stormy(7, FAULTS["light"]) for _ in range(2))
    assert (first.deliveries, first.injected) == (second.deliveries, second.injected)
    assert first.ports.logs.lines == second.ports.logs.lines
    assert first.ports.clock.now() == second.ports.clock.now()


def test_another_seed_gives_another_world() -> None:
    assert _stormy(1, FAULTS["light"]).ports.logs.lines != _stormy(2, FAULTS["light"]).ports.logs.lines


def test_every_kind_of_fault_has_a_storm_of_its_own() -> None:
    assert set(ONE_AT_A_TIME) == set(Kind)


@pytest.mark.parametrize("kind", list(Kind), ids=[kind.value for kind in Kind])
def test_a_fleet_becomes_current_whatever_one_kind_of_fault_does(kind: Kind) -> None:
    made = _stormy(3, ONE_AT_A_TIME[kind])
    assert {fault.kind for fault in made.injector.struck} == {kind}
    assert rest.violations(made) == []
    assert set(made.versions()) == set(fleet.SIX)


def test_a_world_without_faults_comes_to_rest_and_stays_there() -> None:
    made = _stormy(0, FAULTS["none"])
    assert (made.injected, made.ports.queues.names()) == (0, [])
    before = made.deliveries
    made.settle()
    assert made.deliveries == before
    assert rest.violations(made) == []


def test_the_services_see_the_ports_behind_faults_and_the_world_its_bare_twins() -> None:
    made = world.make(faults=Faults(killed=1.0))
    with pytest.raises(Killed, match=r"tables\.find:sources/a/b"):
        made.faulty.tables.find("sources", "a", "b")
    assert made.ports.tables.find("sources", "a", "b") is None
    assert isinstance(made.ports, MemoryPorts)


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
    with pytest.raises(RestlessError, match="did not come to rest"):
        made.settle(limit=20)


def test_a_bundle_is_the_same_bytes_for_the_same_text() -> None:
    assert fleet.bundle("a") == fleet.bundle("a")
    assert fleet.bundle("a")[0] != fleet.bundle("b")[0]


def test_uploading_the_same_bundle_twice_is_not_a_conflict() -> None:
    made = world.make()
    assert world.upload(made, "x") == world.upload(made, "x")
    with pytest.raises(AlreadyExists):
        made.ports.blobs.create("bundles", f"{world.upload(made, 'x')}.tar.gz", b"", media_type="x/y")
