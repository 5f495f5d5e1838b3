"""The real services on a fleet that is seeded as current: every image once, parents first, slots in use."""

import pytest

from benchmarks.cascade import factory, fleet, models
from benchmarks.cascade.factory import StuckError
from benchmarks.cascade.fleet import SampleFleet
from benchmarks.cascade.models import POLICIES
from tests.unit.benchmarks.test_cascade_models import FAMILY, image

_LOOK = 5  # seconds until the deletion of a container group is looked for


def test_each_image_is_built_once_and_as_soon_as_it_can_be() -> None:
    run = factory.run(FAMILY, slots=2, creates_per_hour=100)
    assert run.builds == 3
    for place, ideal in enumerate((460, 720, 620)):
        assert ideal <= run.published[place] <= ideal + 2 * _LOOK


def test_an_hourly_budget_is_kept() -> None:
    run = factory.run(FAMILY, slots=2, creates_per_hour=2)
    assert run.builds == 3
    assert 7200 < run.makespan < 7200 + 3600


def test_the_longest_chain_goes_first_where_first_in_first_out_lets_it_wait() -> None:
    leaves = [image(f"leaf-{number:02d}", 0) for number in range(12)]
    chain = [image("link-0", 0), *(image(f"link-{number}", 12 + number) for number in range(1, 5))]
    made = SampleFleet(seed=1, images=(image("root"), *leaves, *chain))
    bound = made.lower_bound(slots=3, creates_per_hour=1000)
    ours = factory.run(made, slots=3, creates_per_hour=1000)
    theirs = models.run(made, POLICIES["fifo-events"], slots=3, creates_per_hour=1000)
    assert bound == 6 * 160  # the chain
    assert theirs.makespan >= 300 + 160 + 4 * 150 + 5 * 160  # the chain waits for the leaves
    assert ours.makespan <= theirs.makespan - 150


@pytest.mark.slow
def test_a_fleet_is_within_a_tenth_of_the_lower_bound() -> None:
    made = fleet.make(200, seed=2)
    bound = made.lower_bound(slots=4, creates_per_hour=3000)
    run = factory.run(made, slots=4, creates_per_hour=3000)
    assert run.builds == 200
    assert 1.0 <= run.makespan / bound <= 1.10


def test_the_same_fleet_gives_the_same_run() -> None:
    made = fleet.make(30, seed=5)
    first, second = (factory.run(made, slots=5, creates_per_hour=3000) for _ in range(2))
    assert first == second


def test_a_factory_without_slots_is_reported_as_stuck() -> None:
    with pytest.raises(StuckError, match="0 of 3"):
        factory.run(FAMILY, slots=0, creates_per_hour=100)
