"""Containers that cannot be had, or never begin: what waits and what is tried again."""

from datetime import timedelta

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass
from simulation.world import World
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _now(made: World, build: Build) -> Build:
    return scenes.stored(made, build.id).value


def test_a_quota_queues_a_build_however_long_and_never_fails_it() -> None:
    made = scenes.registered(ONE)
    made.ports.containers.limit = 0
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    for _ in range(3):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(hours=8))
    assert _now(made, build) == build
    made.ports.containers.limit = 10
    scenes.step(made, build)
    made.drain()
    assert [ended.result for ended in scenes.builds(made, BASE)] == [Result.SUCCEEDED]


def test_a_group_whose_container_never_begins_is_given_up_as_a_lack_of_capacity() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    (name,) = made.ports.containers.names()
    made.ports.clock.advance(timedelta(minutes=29))
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is not None
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, build)
    assert made.ports.containers.names() == []
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    assert (after.attempt, after.failure.error_class) == (2, ErrorClass.CAPACITY)
