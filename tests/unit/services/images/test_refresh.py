"""A refresh moves a whole chain: each image is built once in a period, and a child never goes first."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Build
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.reasons import ReasonKind
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

WEEK = timedelta(days=7)
CHAIN = {"rhel9-base": None, "java-app": "rhel9-base", "app": "java-app"}
NAMES = tuple(map(ImageName, CHAIN))
BASE, MIDDLE, LEAF = NAMES


def _chain(**base: Any) -> SimulatedWorld:
    made = scenes.registered({})
    for name, parent in CHAIN.items():
        made.register(name, parent, maxAge="7d", **(base if parent is None else {}))
    made.drain()
    return made


def _days(made: SimulatedWorld, days: int) -> None:
    for _ in range(days * 4):
        made.ports.clock.advance(timedelta(hours=6))
        made.factory.sweeper.sweep()
        made.drain()


def _refreshes(made: SimulatedWorld, image: ImageName) -> list[Build]:
    return scenes.builds(made, image)[1:]


def test_names_before_the_roots_are_built_once_in_a_period_too() -> None:
    made = _chain()
    _days(made, 21)
    assert {str(name): len(_refreshes(made, name)) for name in NAMES} == dict.fromkeys(CHAIN, 3)


def test_a_child_never_goes_first() -> None:
    made = _chain()
    made.ports.clock.advance(WEEK)
    scenes.look(made, LEAF)
    scenes.look(made, MIDDLE)
    assert scenes.rest_of(made, LEAF) == scenes.rest_of(made, MIDDLE) == "waits-for-ancestor"
    assert not [*_refreshes(made, LEAF), *_refreshes(made, MIDDLE)]


def test_a_refresh_waits_for_the_window_of_the_base_above() -> None:
    made = _chain(window="Mon-Mon 06:00-20:00 UTC")
    _days(made, 28)
    counts = {str(name): len(_refreshes(made, name)) for name in NAMES}
    assert len(set(counts.values())) == 1, counts
    assert counts["app"] in (3, 4)


def test_below_an_ancestor_that_rests_for_long_a_refresh_goes_by_its_own_clock_and_says_so() -> None:
    made = _chain()
    made.register("rhel9-base", None, maxAge="7d", suspend=True)
    _days(made, 7)
    assert not _refreshes(made, BASE)
    (build,) = _refreshes(made, MIDDLE)
    (reason,) = build.reasons
    assert reason.kind is ReasonKind.REFRESH_DUE
    assert reason.new.endswith("by its own clock, because rhel9-base is suspended")
    assert len(_refreshes(made, LEAF)) == 1
    shown = made.factory.queries.image(LEAF).image.conditions
    assert [each.reason for each in shown if each.type is ConditionType.HELD_BACK] == ["AncestorSuspended"]


@pytest.mark.parametrize("age", ["7d", "14d"])
def test_an_older_child_is_refreshed_by_its_parent(age: str) -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.register("app", "rhel9-base", maxAge=age)
    made.drain()
    _days(made, 28)
    assert len(_refreshes(made, LEAF)) == len(_refreshes(made, BASE)) == 4
