"""(20) A version that a person took away is not used long afterwards, unless a person has let it in again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.ports import VersionState
from simulation.chapters.by_hand import ByHand
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, FIRST, LIVE, job_of_child, told

LONG = timedelta(hours=13)  # more than the time in which the factory has to see it


def _taken_out() -> tuple[SimulatedWorld, ByHand]:
    """A person took the base's version out of `latest`."""
    made, chapter = told(ByHand, seed=1)
    chapter.story.parents = {str(BASE): None}
    chapter._take_out()
    assert made.ports.galleries.latest(LIVE, BASE) is None
    return made, chapter


def _use_it_later(made: SimulatedWorld) -> list[str]:
    """What is said against a build of the child that starts from the base's version hours later."""
    made.ports.clock.advance(LONG)
    made.faulty.containers.create_group(job_of_child(made))
    return [each.partition("starts from ")[2] for each in made.safety.broken if each.startswith("(20)")]


def test_a_version_that_was_taken_out_long_ago_is_not_used() -> None:
    made, _ = _taken_out()
    assert _use_it_later(made) == [f"{BASE}@{FIRST}, which was taken away 13:00:00 ago"]


@pytest.mark.parametrize("let_in", [ByHand._let_in, ByHand._include], ids=["in the gallery", "by command"])
def test_a_version_that_a_person_let_in_again_is_used_like_any_other(
    let_in: Callable[[ByHand], None],
) -> None:
    made, chapter = _taken_out()
    let_in(chapter)
    assert _use_it_later(made) == []


def test_a_version_that_was_let_in_and_taken_away_again_is_not_used() -> None:
    made, chapter = _taken_out()
    chapter._let_in()
    chapter._delete()
    (line,) = _use_it_later(made)
    assert line.startswith(f"{BASE}@{FIRST}, which was taken away")


def test_a_version_that_cannot_be_let_in_stays_taken_away() -> None:
    made, chapter = _taken_out()
    made.ports.galleries.begin_delete(LIVE, BASE, FIRST)
    found = made.ports.galleries.find_version(LIVE, BASE, FIRST)
    assert found is None or found.state is VersionState.DELETING
    chapter._include()
    assert len(_use_it_later(made)) == 1
