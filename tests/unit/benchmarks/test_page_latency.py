"""The benchmark of pages: its fleet is in the middle of a cascade, its answers are whole, and it says what it met."""

import json
import random

import pytest

from benchmarks import page_latency

pytestmark = pytest.mark.slow  # a fleet, and a real Azurite


def _chance() -> random.Random:
    return random.Random(1)


def test_the_fleet_is_in_the_middle_of_a_cascade() -> None:
    fleet = page_latency.in_cascade(100)
    page = fleet.world.factory.queries.images(limit=200)
    states = {(view.state, view.active_phase) for view in page.images}
    assert states == {("current", None), ("stale", "pending"), ("stale", "publishing"), ("stale", None)}
    names = [view.name for view in page.images]
    made = page_latency.answers(fleet, names)
    assert len(json.loads(made["list_first_100"](_chance()))["images"]) == 100
    assert json.loads(made["image"](_chance()))["name"] in names
    page = json.loads(made["lineage_200"](_chance()))
    assert page["parents"]
    assert set(page["parents"]) < set(names)
    assert len(json.loads(made["lineage_below_50"](_chance()))["parents"]) == 51
    assert len(json.loads(made["lineage_leaf"](_chance()))["parents"]) == 3


@pytest.mark.process
def test_each_answer_is_measured_on_a_real_store(capsys: pytest.CaptureFixture[str]) -> None:
    page_latency.main(["--images", "40", "--answers", "2"])
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 5 <= facts["list_100"]["requests"] <= 8
    assert facts["lineage_200"]["requests"] == 2
    assert facts["list_100"]["cpu"] > 0
    assert facts["list_100"]["p95"] >= facts["list_100"]["median"] > 0
    assert set(facts["slow"]) <= set(facts)
