"""`python -m simulation`: says what it did in its last line, and a broken invariant makes it fail and be shown."""

import json
import shlex

import pytest

from simulation import __main__ as program
from simulation import sabotage, seeds
from simulation.faults import STRUCK
from simulation.seeds import SeedPlan

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

FACTS = {"first_seed", "seeds", "deliveries", "faults", "publishes", "violations", "seconds"}
RULE = sabotage.ALL["rule-3-read-back"]
REPLAY = "  replay: python -m simulation "


@pytest.fixture(scope="module")
def missed() -> SeedPlan:
    """A seed that misses a rule; which one it is follows from everything that the services do."""
    plans = (
        SeedPlan(seed=seed, images=RULE.images, slots=RULE.slots, faults=RULE.faults, without=RULE.rule)
        for seed in range(1, 51)
    )
    return next(plan for plan in plans if seeds.run(plan).violations)


def _words(plan: SeedPlan) -> str:
    return plan.command().removeprefix("python -m simulation ")


def _run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, list[str]]:
    status = program.main(shlex.split(words))
    return status, capsys.readouterr().out.splitlines()


def _replays(lines: list[str]) -> list[str]:
    return [line.removeprefix(REPLAY) for line in lines if line.startswith(REPLAY)]


def test_the_last_line_counts_seeds_deliveries_faults_publishes_and_violations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, lines = _run(capsys, "--first-seed 4 --seeds 2 --images 8 --faults heavy --json")
    facts = json.loads(lines[-1])
    assert status == 0
    assert set(facts) == FACTS
    assert (facts["first_seed"], facts["seeds"], facts["violations"]) == (4, 2, 0)
    assert facts["deliveries"] > 2 * 8 * 20
    assert facts["faults"] > 100
    assert facts["publishes"] > 2 * 8
    assert len(lines) == 1


def test_without_faults_none_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = _run(capsys, "--seeds 1 --images 6 --faults none")
    facts = json.loads(lines[-1])
    assert (status, facts["faults"], facts["violations"]) == (0, 0, 0)


def test_with_only_no_faults_a_stormy_seed_is_calm(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = _run(capsys, "--seeds 1 --images 6 --faults heavy --only-faults none")
    facts = json.loads(lines[-1])
    assert (status, facts["faults"], facts["violations"]) == (0, 0, 0)
    assert facts["publishes"] >= 6


def test_a_rule_that_is_missed_gives_exit_status_1_and_every_violation_with_its_seed(
    missed: SeedPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = _run(capsys, f"{_words(missed)} --quick")
    assert status == 1
    told = [line for line in lines if line.startswith(f"seed {missed.seed}: ")]
    assert len(told) == json.loads(lines[-1])["violations"] > 0
    assert _replays(lines) == [_words(missed)]


def test_the_first_failing_seed_is_made_small_reported_and_replayed(
    missed: SeedPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines = _run(capsys, _words(missed))
    whole, small = _replays(lines)
    assert whole == _words(missed)
    assert small.startswith(f"{whole} --only-faults ")
    struck = [line for line in lines if line.startswith(f"  | {STRUCK}")]
    assert 1 <= len(struck) <= 3

    enough = next(line.partition("are enough: ")[2] for line in lines if "are enough: " in line)
    status, again = _run(capsys, f"{small} --quick")
    assert status == 1
    assert f"seed {missed.seed}: {enough}" in again
    assert json.loads(again[-1])["faults"] == len(small.rpartition(" ")[2].split(",")) == len(struck)


@pytest.mark.process
def test_two_processes_come_to_the_same_numbers_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--first-seed 9 --seeds 3 --images 5 --slots 2 --faults heavy --jobs"
    _, alone = _run(capsys, f"{words} 1")
    _, shared = _run(capsys, f"{words} 2")
    one, two = json.loads(alone[-1]), json.loads(shared[-1])
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


@pytest.mark.parametrize("words", ["--faults storm", "--without gravity", "--seeds many"])
def test_what_is_not_known_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        program.main(shlex.split(words))
    assert refused.value.code == 2
    assert words.split(maxsplit=1)[0] in capsys.readouterr().err


@pytest.mark.process
def test_the_comparison_of_policies_still_starts_by_its_old_name(capfd: pytest.CaptureFixture[str]) -> None:
    status = program.main(shlex.split("cascade --images 4 --slots 2 --policy fifo-events --json --workers 1"))
    shown = capfd.readouterr()
    assert status == 0
    assert json.loads(shown.out)["images"] == 4
    assert shown.err.splitlines() == ["`python -m simulation cascade` is now `python -m benchmarks.cascade`"]
