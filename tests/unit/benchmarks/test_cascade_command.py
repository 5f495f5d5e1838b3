"""`python -m benchmarks.cascade`: its last line, its plot, and that it repeats itself."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.cascade import command, factory, fleet, models, plot, report
from benchmarks.cascade.report import Setting

POLICIES = {"factory", "weekly-cron", "daily-cron", "nightly-all", "fifo-events"}
FIGURES = {
    "makespan_seconds",
    "ratio",
    "exposure_p50_seconds",
    "exposure_p95_seconds",
    "builds",
    "builds_avoided",
}


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], dict[str, Any]]:
    status = command.main(["--images", "12", "--slots", "3", *words])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    return lines, json.loads(lines[-1])


def test_the_last_line_has_every_figure_of_every_policy(capsys: pytest.CaptureFixture[str]) -> None:
    lines, facts = _run(capsys, "--policy", "all", "--json", "--workers", "1")
    assert len(lines) == 1
    assert {"images", "slots", "lower_bound_seconds", "policies"} <= set(facts)
    assert (facts["images"], facts["slots"], facts["creates_per_hour"]) == (12, 3, 3000)
    assert set(facts["policies"]) == POLICIES
    assert all(set(figures) == FIGURES for figures in facts["policies"].values())
    assert facts["azure_default"]["creates_per_hour"] == 300
    assert set(facts["azure_default"]["policies"]) == POLICIES


def test_figures_follow_from_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    _, facts = _run(capsys, "--policy", "all", "--json", "--workers", "1")
    made = fleet.make(12, seed=1)
    weekly = models.run(made, models.POLICIES["weekly-cron"], slots=3, creates_per_hour=3000)
    figures = facts["policies"]["weekly-cron"]
    assert figures["makespan_seconds"] == weekly.makespan == max(weekly.published)
    assert figures["ratio"] == pytest.approx(weekly.makespan / facts["lower_bound_seconds"], rel=0.01)
    assert figures["exposure_p50_seconds"] == sorted(weekly.published)[5]
    assert (figures["builds"], figures["builds_avoided"]) == (12, 12 * 41)
    assert facts["policies"]["nightly-all"]["builds_avoided"] == 0


@pytest.mark.process
def test_two_processes_say_the_same_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    alone, together = (_run(capsys, "--json", "--workers", workers)[0] for workers in ("1", "2"))
    assert alone == together


def test_one_policy_may_be_asked_for_alone_at_azures_default(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--policy", "fifo-events", "--creates-per-hour", "300", "--workers", "1")
    lines, facts = _run(capsys, *words)
    assert set(facts["policies"]) == {"fifo-events"}
    assert facts["azure_default"]["policies"] == facts["policies"]
    assert lines[0] == "12 images, 3 slots, 300 creations per hour: lower bound 1.2 h"
    assert lines[2].split()[0] == "fifo-events"


def test_another_seed_is_another_fleet(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--policy", "fifo-events", "--workers", "1", "--seed")
    assert _run(capsys, *words, "1")[1] != _run(capsys, *words, "2")[1]


def test_an_image_left_behind_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stuck(*_: Any, **__: Any) -> models.Run:
        raise factory.StuckError("image-00003 is not current")

    monkeypatch.setattr(factory, "run", stuck)
    assert command.main(["--images", "4", "--workers", "1"]) == 1
    assert "image-00003 is not current" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--slots", "0"], ["--images", "-1"], ["--policy", "other"]], ids=str)
def test_what_cannot_be_compared_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(words)
    assert refused.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_plot_has_a_rising_line_for_each_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "plot.svg"
    _run(capsys, "--workers", "1", "--plot", str(target))
    root = ElementTree.fromstring(target.read_text(encoding="utf-8"))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(POLICIES)
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert points == sorted(points, key=lambda point: (point[0], -point[1]))
        assert points[-1][1] == 40.0  # all of the fleet
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= POLICIES


def test_a_title_is_text_and_nothing_else() -> None:
    made = fleet.make(3, seed=1)
    run = models.run(made, models.POLICIES["fifo-events"], slots=1, creates_per_hour=10)
    assert "<b>" not in plot.svg("<b>", [run], 100.0)


def test_a_table_has_a_line_for_each_policy() -> None:
    made = fleet.make(3, seed=1)
    runs = [models.run(made, policy, slots=1, creates_per_hour=10) for policy in models.POLICIES.values()]
    compared = report.compare(Setting(fleet=made, slots=1, creates_per_hour=10), runs)
    assert len(report.table(compared).splitlines()) == 2 + len(runs)
