"""The comparison of a run's outcome with its scenario: each broken promise is reported."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from local.run import expectations, scenarios
from local.run.scenarios import BAD_CHILD, RELEASE, UnknownScenarioError
from local.run.story import Story, StoryError

PASSED = {"gate": "boot", "passed": True, "score": None, "evidence": "", "simulated": True}
SCANNED = {"gate": "compliance", "passed": True, "score": 96.0, "evidence": "", "simulated": True}
REFUSED = {"gate": "compliance", "passed": False, "score": 41.5, "evidence": "41.5 of 90", "simulated": True}
HELD = {"type": "HeldBack", "message": "its parent rhel9-java stays on 1.1.1: build b failed: compliance"}


def _build(number: int, result: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {"id": f"b.{number}", "result": result, "failure": None, "gates": [PASSED, SCANNED], **changes}


def _view(name: str, version: str, *builds: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    view = {"name": name, "version": version, "state": "current", "detail": "", "conditions": []}
    return {**view, "builds": list(builds), **changes}


FIRST = {name: {"version": "1.1.1"} for name in ("rhel9-base", "rhel9-java", "payments-api")}
BASE = _view("rhel9-base", "1.1.2", _build(2), _build(1))
FAILED = _build(2, "failed", gates=[PASSED, REFUSED], failure="compliance: 41.5 of 90")
JAVA = _view("rhel9-java", "1.1.1", FAILED, _build(1), state="blocked", detail="failed: compliance: 41.5")
LEAF = _view("payments-api", "1.1.1", _build(1), conditions=[HELD], detail=HELD["message"])
GOOD = {view["name"]: view for view in (BASE, JAVA, LEAF)}


def test_a_bad_child_with_its_subtree_held_back_is_as_promised() -> None:
    assert expectations.broken(BAD_CHILD, FIRST, GOOD) == []
    assert expectations.leaked(BAD_CHILD, FIRST, [("rhel9-java", "1.1.1"), ("rhel9-base", "1.1.2")]) == []


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("rhel9-base", {"version": "1.1.1"}, "stayed at 1.1.1, although a new version was due"),
        ("rhel9-base", {"state": "stale", "detail": "d"}, "rhel9-base is stale: d"),
        ("rhel9-base", {"builds": [_build(2, "failed", failure="smoke")]}, "b.2 ended failed: smoke"),
        ("rhel9-base", {"builds": [_build(2, gates=[])]}, "without a verdict of any gate"),
        ("rhel9-base", {"builds": [_build(2, gates=[REFUSED])]}, "although compliance refused it"),
        ("rhel9-java", {"version": "1.1.2"}, "is at 1.1.2, although it had to stay at 1.1.1"),
        ("rhel9-java", {"state": "current"}, "not blocked by compliance"),
        ("rhel9-java", {"detail": "failed: smoke"}, "not blocked by compliance"),
        ("rhel9-java", {"builds": [_build(2)]}, "refused by no gate, and had to fail by compliance"),
        ("rhel9-java", {"builds": [FAILED, _build(1, "failed")]}, "b.1 ended failed"),
        ("payments-api", {"version": "1.1.2"}, "had to stay at 1.1.1"),
        ("payments-api", {"conditions": []}, "does not say that rhel9-java holds it back"),
        ("payments-api", {"builds": [_build(2), _build(1)]}, "was built 2 times"),
        ("payments-api", {"state": "waits-for-ancestor"}, "payments-api is waits-for-ancestor"),
    ],
)
def test_what_does_not_come_true_is_reported(name: str, changes: dict[str, Any], words: str) -> None:
    found = expectations.broken(BAD_CHILD, FIRST, {**GOOD, name: {**GOOD[name], **changes}})
    assert any(words in each for each in found), found


def test_a_version_that_reached_the_live_gallery_all_the_same_is_reported() -> None:
    (told,) = expectations.leaked(BAD_CHILD, FIRST, [("rhel9-java", "1.1.2"), ("rhel9-base", "1.1.2")])
    assert told.startswith("rhel9-java@1.1.2 is in the live gallery")


def test_in_an_ordinary_release_nothing_stays() -> None:
    found = expectations.broken(RELEASE, FIRST, GOOD)
    assert any("rhel9-java stayed at 1.1.1" in each for each in found)
    assert any("payments-api stayed at 1.1.1" in each for each in found)
    assert expectations.leaked(RELEASE, FIRST, [("rhel9-java", "1.1.2")]) == []


def test_an_unknown_scenario_is_refused_with_the_list() -> None:
    assert scenarios.find("bad-child") is BAD_CHILD
    with pytest.raises(UnknownScenarioError, match=r"no scenario 'nope'(.|\n)*release(.|\n)*bad-child"):
        scenarios.find("nope")


def test_the_scenario_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text("{}", encoding="utf-8")
    story = cast(Story, _Teller(file))
    Story.let_go_wrong(story, {"rhel9-java": {"verify": "fail-compliance"}})
    assert json.loads(file.read_text(encoding="utf-8")) == {"rhel9-java": {"verify": "fail-compliance"}}
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(StoryError, match="without a scenario file"):
        Story.let_go_wrong(cast(Story, _Teller(None)), {})


class _Teller:
    """The part of a story that needs no stack."""

    def __init__(self, scenario: Path | None) -> None:
        self.scenario = scenario
