"""A campaign can be stopped and goes on; its results are those of one state of the code."""

import json
from pathlib import Path

import pytest

from simulation import campaign, seeds
from simulation.chapters import contents
from simulation.seeds import SeedOutcome, SeedPlan


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were run, each with an outcome that seed 4 alone breaks."""
    numbers: list[int] = []

    def run(plan: SeedPlan) -> SeedOutcome:
        numbers.append(plan.seed)
        broken = ("(1) image-0 has no version",) if plan.seed == 4 else ()
        return SeedOutcome(deliveries=10, faults=2, publishes=3, violations=broken)

    monkeypatch.setattr(seeds, "run", run)
    return numbers


def _run(into: Path, first: int, count: int) -> int:
    return campaign.main(
        ["--first-seed", str(first), "--seeds", str(count), "--jobs", "1", "--into", str(into)]
    )


def test_it_goes_on_where_it_stopped(
    tmp_path: Path, ran: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, 1, 2) == 0
    (record,) = tmp_path.iterdir()
    assert record.name == f"{campaign.digest_of_code()}.jsonl"
    with record.open("a") as lines:
        lines.write('{"seed": 3, "vio')  # stopped in the middle of a line
    capsys.readouterr()
    assert _run(tmp_path, 1, 3) == 0
    assert ran == [1, 2, 3]
    facts = json.loads(capsys.readouterr().out)
    assert {name: facts[name] for name in ("seeds", "deliveries", "faults", "publishes", "violations")} == {
        "seeds": 3,
        "deliveries": 30,
        "faults": 6,
        "publishes": 9,
        "violations": 0,
    }


def test_a_seed_that_broke_an_invariant_fails_it_each_time(
    tmp_path: Path, ran: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, 3, 3) == 1
    shown = capsys.readouterr().out
    assert "seed 4: (1) image-0 has no version" in shown
    assert campaign.plan_of(4).command() in shown
    assert _run(tmp_path, 3, 3) == 1
    assert ran == [3, 4, 5]


def test_other_code_is_another_campaign(tmp_path: Path) -> None:
    (tmp_path / "pipeline_core").mkdir()
    module = tmp_path / "pipeline_core" / "one.py"
    module.write_text("A = 1\n")
    before = campaign.digest_of_code(tmp_path)
    module.write_text("A = 2\n")
    assert campaign.digest_of_code(tmp_path) != before


def test_two_thousand_seeds_have_two_hundred_heavy_ones_and_every_chapter() -> None:
    plans = [campaign.plan_of(seed) for seed in range(1, 2001)]
    assert sum(plan.faults == "heavy" for plan in plans) == 200
    assert {plan.chapters for plan in plans} == {tuple(contents.ALL)}
    heavy = {plan.days for plan in plans if plan.faults == "heavy"}
    assert heavy == {plan.days for plan in plans} == {0, 1, 2, 3, 7}


def test_it_really_runs_the_story(tmp_path: Path) -> None:
    plan = campaign.plan_of(6)
    assert campaign.main(["--first-seed", "6", "--seeds", "1", "--jobs", "1", "--into", str(tmp_path)]) == 0
    (record,) = tmp_path.iterdir()
    line = json.loads(record.read_text())
    assert line["publishes"] >= plan.images
