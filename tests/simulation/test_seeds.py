"""Whole fleets through every fault: nothing is lost, nothing doubled, nothing stuck, and nothing left behind.

A seed that fails prints what is violated and the command that shows it again, made small. Every run of the tests has
forty seeds of heavy faults and twenty-five of races; the others are a campaign (`make test MARKS=campaign`).
"""

import pytest

from simulation import campaign, seeds
from simulation.seeds import SeedPlan

FLEET = 60
HEAVY = [range(first, first + 20) for first in range(1, 201, 20)]
RACES = [range(first, first + 25) for first in range(1, 101, 25)]


def _hold(numbers: range, *, images: int, slots: int, faults: str) -> None:
    failed: list[str] = []
    for seed in numbers:
        plan = SeedPlan(seed=seed, images=images, slots=slots, faults=faults)
        failed += [f"{plan.command()}: {line}" for line in seeds.run(plan).violations[:5]]
    assert failed == [], "\n".join(failed)


def _parts(parts: list[range], *, always: int) -> list[object]:
    return [
        pytest.param(
            part,
            id=f"{part.start}-{part.stop - 1}",
            marks=[] if number < always else [pytest.mark.campaign],
        )
        for number, part in enumerate(parts)
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("numbers", _parts(HEAVY, always=2))
def test_fleets_of_sixty_come_through_heavy_faults(numbers: range) -> None:
    _hold(numbers, images=FLEET, slots=8, faults="heavy")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("numbers", _parts(RACES, always=1))
def test_small_fleets_come_through_races(numbers: range) -> None:
    _hold(numbers, images=12, slots=4, faults="races")


@pytest.mark.timeout(300)
def test_fleets_without_faults_need_no_sweep() -> None:
    _hold(range(1, 21), images=20, slots=8, faults="none")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, 7))
def test_the_whole_story_holds_in_a_sample_of_the_campaign(seed: int) -> None:
    """`make campaign` runs two thousand of them, most over days."""
    plan = campaign.plan_of(seed)
    assert seeds.run(plan).violations == (), plan.command()
