"""An image that only the clock could rebuild, and that nobody refreshed, is named at rest."""

import random
from datetime import timedelta

import pytest

from simulation import world
from simulation.chapters.refreshes import Refreshes
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


def _told() -> tuple[SimulatedWorld, Refreshes]:
    made = world.make()
    made.dozes = True
    chapter = Refreshes(SeedStory(world=made, chance=random.Random(1), images=1), random.Random(1))
    made.chapters.append(chapter)
    made.register(str(BASE), None, **chapter.document(str(BASE)))
    made.settle()
    return made, chapter


def test_a_version_that_is_older_than_its_max_age_is_named() -> None:
    made, chapter = _told()
    made.ports.clock.advance(timedelta(days=4))
    (line,) = chapter.violations()
    assert line.startswith("(40) the version of rhel9-base is from 2026-11-21 09:")


def test_a_version_that_the_clock_rebuilt_is_young_enough() -> None:
    made, chapter = _told()
    chapter.end()
    made.settle()
    assert chapter.violations() == []
    assert sum(made.safety.publishes.values()) >= 2
