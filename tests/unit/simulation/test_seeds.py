"""One seed is one story, in this process and in any other; a failing one is made small."""

import gc
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simulation import sabotage, seeds
from simulation.faults import LEVELS, STRUCK, Injector, Kind
from simulation.seeds import SeedOutcome, SeedPlan

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

ROOT = Path(__file__).parents[3]
STORMY = SeedPlan(seed=11, images=6, slots=3, faults="heavy")
MISSED = SeedPlan(seed=1, images=5, slots=2, faults="answers", without="rule-3-read-back")
_SHOW = "from simulation import seeds; print(seeds.run(seeds.SeedPlan(seed=11, images=6, slots=3, faults='heavy')))"


@pytest.fixture(scope="module")
def stormy() -> SeedOutcome:
    return seeds.run(STORMY)


def test_the_same_seed_gives_the_same_outcome_twice(stormy: SeedOutcome) -> None:
    assert stormy.faults > 50
    assert seeds.run(STORMY) == stormy


def test_to_be_traced_changes_nothing(stormy: SeedOutcome) -> None:
    traced = seeds.run(STORMY, trace=True)
    assert replace(traced, trace=()) == stormy
    assert len([line for line in traced.trace if line.startswith(STRUCK)]) == stormy.faults


@pytest.mark.process
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_comes_to_the_same(stormy: SeedOutcome, hash_seed: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", _SHOW],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.strip() == str(stormy)


def test_another_seed_gives_another_outcome(stormy: SeedOutcome) -> None:
    assert seeds.run(replace(STORMY, seed=12)).struck != stormy.struck


def test_naming_every_fault_that_struck_is_naming_no_choice(stormy: SeedOutcome) -> None:
    assert seeds.run(replace(STORMY, only=stormy.struck)) == stormy


def test_a_fault_can_be_left_out_alone(stormy: SeedOutcome) -> None:
    left_out = stormy.struck[0]
    again = seeds.run(replace(STORMY, only=stormy.struck[1:]))
    assert left_out not in again.struck
    assert set(again.struck) <= set(stormy.struck)


def test_a_seed_that_fails_by_a_fault_is_made_small_to_few() -> None:
    tried = ((plan, seeds.run(plan)) for plan in (replace(MISSED, seed=seed) for seed in range(1, 51)))
    plan, whole = next((plan, outcome) for plan, outcome in tried if outcome.violations)
    assert len(whole.struck) > 20
    small, again = seeds.shrink(plan, whole.struck)
    assert small.only is not None
    assert 1 <= len(small.only) <= 3
    assert again.violations
    assert again.struck == small.only


def test_a_seed_that_fails_by_no_fault_at_all_is_made_small_to_none() -> None:
    plan = SeedPlan(seed=1, images=3, slots=2, faults="heavy", without="reaper")
    small, again = seeds.shrink(plan, seeds.run(plan).struck)
    assert small.only == ()
    assert again.violations
    assert small.command().endswith(" --without reaper --only-faults none")


def test_a_story_keeps_every_fault_and_what_names_the_subject_of_the_violation() -> None:
    filler = tuple(f"21 09:{number:02}:00 build-steps image-3" for number in range(70))
    trace = (f"{STRUCK}killed at x", "21 09:00:00 build-steps image-31", *filler)
    story = seeds.story_of(
        SeedOutcome(
            deliveries=0, faults=1, publishes=0, violations=("(1) image-3 has no version",), trace=trace
        )
    )
    assert story[0] == f"{STRUCK}killed at x"
    assert story[-1] == filler[-1]
    assert "21 09:00:00 build-steps image-31" not in story
    assert len(story) == 61


def test_whether_a_fault_strikes_depends_on_seed_place_and_visit_alone() -> None:
    kinds = (Kind.KILLED, Kind.REFUSED, Kind.OVERTAKEN)
    first, second = (Injector(seed=5, faults=LEVELS["heavy"]) for _ in range(2))
    places = [f"place-{number % 40}" for number in range(4000)]
    drawn = [first.draw(place, kinds) for place in places]
    assert sorted(second.draw(place, kinds)[1] for place in reversed(places)) == sorted(f for _, f in drawn)
    rate = len(first.struck) / len(places)
    assert 0.5 * 0.023 < rate < 2 * 0.023
    assert all(0 <= fraction < 1 for _, fraction in drawn)


def test_a_rule_that_no_seed_can_miss_says_why() -> None:
    directed = {rule for rule, each in sabotage.ALL.items() if each.directed}
    assert directed == {
        "rule-7-active-only",
        "pause-closes-what-was-paid",
        "rule-13-after-a-wait",
        "rule-13-parent",
        "rule-16-blames-no-input",
        "rule-20-order-of-moves",
    }
    assert all(rule == each.rule for rule, each in sabotage.ALL.items())


def test_no_search_for_garbage_interrupts_a_seed_and_the_collector_is_on_again() -> None:
    searched: list[str] = []

    def note(phase: str, details: dict[str, int]) -> None:
        searched.append(f"{phase} {details['generation']}")

    gc.callbacks.append(note)
    try:
        seeds.run(SeedPlan(seed=2, images=4, slots=2))
    finally:
        gc.callbacks.remove(note)
    assert searched[:2] == ["start 0", "stop 0"]
    assert len(searched) <= 4  # once the collector is on again, it may search at once
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        seeds.run(SeedPlan(seed=2, images=2, slots=2))
        assert not gc.isenabled()
    finally:
        gc.enable()
