"""Retention: what no rule keeps is excluded, then deleted after its grace period. What is used is never touched."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.journal import Event
from pipeline_core.domain.version_records import Standing
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA
from tests.unit.services.upkeep.aging import (
    GRACE,
    LOOSE,
    base_with,
    four,
    next_round,
    offered,
    prune,
    put,
    standings,
    versions,
)


def test_what_no_rule_keeps_is_excluded_with_its_end_of_life_and_stays_for_its_grace_period() -> None:
    made = four()
    assert next_round(made) == 2
    assert (versions(made), offered(made)) == ([1, 2, 3, 4], [3, 4])
    first = made.ports.galleries.list_versions(LIVE, BASE)[0]
    assert first.end_of_life == made.ports.clock.now() + timedelta(days=7)
    assert standings(made) == {1: Standing.PRUNING, 2: Standing.PRUNING}
    assert scenes.events(made, BASE).count(Event.RETIRED) == 2
    for _ in range(6):
        assert next_round(made) == 0
    assert versions(made) == [1, 2, 3, 4]


def test_after_the_grace_period_it_is_deleted_and_its_claim_says_so() -> None:
    made = four()
    prune(made)
    assert versions(made) == [3, 4]
    outcomes = [scenes.claim(made, build).outcome for build in scenes.builds(made, BASE)]
    assert outcomes == [Outcome.PRUNED, Outcome.PRUNED, Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert scenes.events(made, BASE).count(Event.PRUNED) == 2
    assert standings(made) == {1: Standing.PRUNED, 2: Standing.PRUNED}
    assert next_round(made) == 0


def test_the_last_good_version_stays_beside_the_current_one() -> None:
    made = base_with(LOOSE, "one", "two")
    prune(made)
    assert versions(made) == [1, 2]


def test_a_version_left_by_a_reuse_does_not_replace_the_one_that_the_image_falls_back_to() -> None:
    """Two was left for one, and three was built after that: where three is lost, only one is in `latest`."""
    made = base_with(LOOSE, "one", "two", "one", "three")
    assert (versions(made), offered(made)) == ([1, 2, 3], [1, 3])
    prune(made)
    assert versions(made) == [1, 3]
    lost = scenes.head(made, BASE).current
    assert lost is not None
    made.ports.galleries.begin_delete(LIVE, BASE, lost.version)
    made.factory.galleries.observe()
    made.drain()
    made.ports.clock.advance(timedelta(minutes=5))
    made.factory.galleries.observe()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1


def test_an_input_whose_version_was_pruned_is_built_again() -> None:
    made = four()
    prune(made)
    put(made, "rhel9-base", None, "one", LOOSE)
    builds = scenes.builds(made, BASE)
    assert [build.generation for build in builds] == [1, 1, 1, 1, 2]
    assert scenes.head(made, BASE).current is not None
    assert len(versions(made)) == 3


def test_what_may_be_in_use_stays_and_the_image_says_why() -> None:
    made = four({"keep": 1, "keepInUse": True})
    prune(made)
    assert versions(made) == [1, 2, 3, 4]
    (condition,) = made.factory.queries.image(BASE).image.conditions
    assert (condition.type.value, condition.reason) == ("VersionsKept", "UseUnknown")
    assert "2 live versions" in condition.message
    assert "keepInUse: false" in condition.message
    (listed,) = made.factory.queries.images().images
    assert listed.conditions == (condition,)


def test_the_condition_ends_with_its_cause() -> None:
    made = four({"keep": 1, "keepInUse": True})
    next_round(made)
    put(made, "rhel9-base", None, "four", {"keep": 4, "keepInUse": True})
    next_round(made)
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_the_number_to_keep_is_kept() -> None:
    made = four({"keep": 3, "keepInUse": False})
    prune(made)
    assert versions(made) == [2, 3, 4]


def _moving_on(made: SimulatedWorld) -> None:
    for text in ("two", "three", "four"):
        put(made, "rhel9-base", None, text, LOOSE)
    made.ports.clock.advance(GRACE)


def test_the_version_that_a_child_is_built_from_stays() -> None:
    made = scenes.registered({})
    put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    made.register("rhel9-java", "rhel9-base", suspend=True)
    _moving_on(made)
    prune(made)
    assert versions(made) == [1, 3, 4]
    assert scenes.rest_of(made, JAVA) == "suspended"


def test_the_version_that_a_moved_child_is_built_from_stays() -> None:
    """It is a child of another image now, and its current version still comes from this one."""
    made = scenes.registered({})
    put(made, "rhel9-base", None, "one", LOOSE)
    made.register("other-base", None)
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    made.register("rhel9-java", "other-base", suspend=True)
    _moving_on(made)
    prune(made)
    assert versions(made) == [1, 3, 4]


@pytest.mark.usefixtures("first_steps_by_message")
def test_the_version_that_a_running_build_of_a_child_is_made_from_stays() -> None:
    made = scenes.registered({})
    put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    build = scenes.in_phase(made, JAVA, Phase.BUILDING)
    scenes.lose(made)  # the child's build stands still
    _moving_on(made)
    assert scenes.active(made, JAVA).value == build
    prune(made)
    assert versions(made) == [1, 3, 4]


def test_the_current_version_stays_even_where_it_is_the_oldest() -> None:
    made = four()
    put(made, "rhel9-base", None, "one", LOOSE)  # back to the first input: its version is current again
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1
    prune(made)
    assert versions(made) == [1, 2, 4]


def test_a_copy_of_the_fleet_that_lags_decides_nothing() -> None:
    """The handler that made the old version current died before it wrote the fleet's copy."""
    made = four()
    before = scenes.head(made, BASE)
    put(made, "rhel9-base", None, "one", LOOSE)
    index = scenes.index(made)
    assert index.replace_copy(BASE, before, over=index.find_copy(BASE))
    prune(made)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert (current.version.sequence, versions(made)) == (1, [1, 2, 4])
    assert made.ports.galleries.latest(LIVE, BASE) == current.version
