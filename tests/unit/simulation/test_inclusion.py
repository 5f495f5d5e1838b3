"""What must not get into `latest` is named: below SecOps' floor, or with tags that its copy did not have."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.ports import VersionState
from simulation import sabotage
from simulation.chapters.by_hand import ByHand
from simulation.chapters.policies import PolicyChanges
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, FIRST, JAVA, LIVE, find, rested, working

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

_LATER = timedelta(minutes=15)


def _story(made: SimulatedWorld) -> SeedStory:
    parents = {str(BASE): None, str(JAVA): str(BASE)}
    return SeedStory(world=made, chance=random.Random(1), images=2, parents=parents)


def _policies(made: SimulatedWorld) -> PolicyChanges:
    chapter = PolicyChanges(_story(made), random.Random(1))
    chapter.story.chapters.append(chapter)
    made.chapters.append(chapter)
    return chapter


def test_a_version_that_the_gates_let_in_below_the_floor_is_named() -> None:
    made = rested()
    _policies(made)._out_of_reach()
    made.ports.clock.advance(_LATER)
    with sabotage.ALL["floor-at-the-gates"].patch():
        made.register(str(JAVA), str(BASE), text="edited")
        made.settle()
    (line,) = made.findings
    assert line.startswith("(38) rhel9-java@9.20261121.2 is in latest, below the floor: simulated_rule_0")


def test_a_version_that_was_judged_while_the_floor_rose_may_be_in_latest() -> None:
    made = rested()
    chapter = _policies(made)
    chapter._reachable()
    made.register(str(JAVA), str(BASE), text="edited")
    while not any(build.phase == "publishing" for build in made.safety.builds.values()):
        made.run_until(made.ports.clock.now() + timedelta(seconds=30))
    chapter._out_of_reach()
    made.settle()
    assert made.findings == []
    assert '"sequence":2' in str(find(made, "images", str(JAVA), "head").cells["value"])


def test_a_definition_below_the_floor_that_is_accepted_is_named() -> None:
    made = rested()
    chapter = _policies(made)
    chapter._reachable()
    chapter._ask_for_less()
    assert made.findings == []
    with sabotage.ALL["floor-at-registration"].patch():
        chapter._ask_for_less()
    (line,) = made.findings
    assert line.startswith("(38) rhel9-")


def _by_hand(made: SimulatedWorld) -> ByHand:
    chapter = ByHand(_story(made), random.Random(1))
    made.chapters.append(chapter)
    return chapter


def test_a_version_with_tags_that_its_copy_did_not_have_is_named() -> None:
    made = rested()
    _by_hand(made)
    working(made, "publishing")
    version = replace(FIRST, sequence=2)
    while (shown := made.ports.galleries.find_version(LIVE, BASE, version)) is None:
        made.run_until(made.ports.clock.now() + timedelta(seconds=30))
    tags = {**shown.tags, "imagefactory-provenance": "0"}
    made.ports.galleries.add_version(replace(shown, state=VersionState.READY, tags=tags))
    made.faulty.galleries.set_excluded(LIVE, BASE, version, excluded=False)
    assert "(39) rhel9-base@9.20261121.2 is in latest with tags that its copy did not have" in made.findings


def test_a_forged_copy_is_kept_out_and_the_image_becomes_current_all_the_same() -> None:
    made = rested()
    chapter = _by_hand(made)
    working(made, "verifying")
    chapter._forge()
    forged = replace(FIRST, sequence=2)
    made.settle()
    assert made.findings == []
    assert made.ports.galleries.latest(LIVE, BASE) != forged
