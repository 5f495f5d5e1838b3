"""Every rule is needed and watched: without it some seed breaks an invariant, and with it the same seeds hold."""

import pytest

from simulation import sabotage, seeds
from simulation.sabotage import Sabotage
from simulation.seeds import SeedPlan

SEEDS = 50  # within so many the lack of a rule must be found
HEALTHY = 6  # of each kind of world in which a rule is missed
MUTATIONS = {rule: each for rule, each in sabotage.ALL.items() if not each.directed}
WORLDS = sorted(
    {(each.faults, each.images, each.slots, each.chapters, each.days) for each in MUTATIONS.values()}
)


def _plan(seed: int, rule: Sabotage, *, without: str) -> SeedPlan:
    return SeedPlan(
        seed=seed,
        images=rule.images,
        slots=rule.slots,
        faults=rule.faults,
        without=without,
        chapters=rule.chapters,
        days=rule.days,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", MUTATIONS)
def test_a_rule_that_is_taken_away_is_missed(rule: str) -> None:
    mutation = MUTATIONS[rule]
    outcomes = ((seed, seeds.run(_plan(seed, mutation, without=rule))) for seed in range(1, SEEDS + 1))
    missed = next(((seed, outcome) for seed, outcome in outcomes if outcome.violations), None)
    assert missed is not None, f"no seed of {SEEDS} misses {rule}: it is not needed, or nothing watches it"
    seed, _ = missed
    assert seeds.run(_plan(seed, mutation, without="")).violations == ()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "world",
    WORLDS,
    ids=["-".join(["+".join(e) if isinstance(e, tuple) else str(e) for e in each]) for each in WORLDS],
)
def test_healthy(world: tuple[str, int, int, tuple[str, ...], int]) -> None:
    faults, images, slots, chapters, days = world
    for seed in range(1, HEALTHY + 1):
        plan = SeedPlan(seed=seed, images=images, slots=slots, faults=faults, chapters=chapters, days=days)
        assert seeds.run(plan).violations == (), plan.command()
