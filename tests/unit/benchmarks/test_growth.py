"""The growth table's bounds, at a size that a test can afford. `python -m benchmarks.growth` counts the large fleets.

A bound of DESIGN section 11 is for 10,000 images; the terms that grow with the fleet are a page of 1,000 rows and a
share of one in 36, so that 1,000 images show a constant that is too large as well as 10,000 do.
"""

import json

import pytest

from benchmarks.growth import __main__ as command
from benchmarks.growth import scenarios, seeded

pytestmark = pytest.mark.slow  # whole sweeps of fleets of 1,000

_SWEEP = 65  # operations at 1,000 images: 300 at 10,000, less the pages and the share that are larger there


def test_a_quiet_sweep_is_within_its_bound() -> None:
    assert scenarios.quiet_sweep(1_000)["tables"] <= _SWEEP


@pytest.mark.parametrize(
    "state", [scenarios.window, scenarios.suspended, scenarios.blocked, scenarios.waiting]
)
def test_a_sweep_of_resting_images_is_within_the_bound_of_a_quiet_one(state: scenarios.Scenario) -> None:
    found = state(1_000)
    assert found["tables"] + found["queues"] <= _SWEEP
    assert (found["look_tables"], found["look_queues"]) == (0, 0)
    assert found["sweeps_that_ask"] <= 1


def test_a_sweep_of_pending_builds_is_within_the_bound() -> None:
    found = scenarios.pending(1_000)
    assert found["tables"] + found["queues"] <= _SWEEP
    # Late builds are shown and put into their line a few at a time, however many there are.
    assert found["late_tables"] + found["late_queues"] <= _SWEEP + 125
    assert found["late_again_tables"] <= found["late_tables"]


def test_a_failed_base_wakes_each_image_below_it_once_for_few_operations() -> None:
    found = scenarios.failing_levels(3)
    assert found["operations_per_image"] <= 10
    assert found["deliveries"] <= found["below"] + 20  # the messages of the base's own build
    flat = scenarios.failing_flat(500)
    assert flat["operations_per_image"] <= 7


def test_a_build_in_a_cascade_with_sweeps_costs_little_more_than_one_alone() -> None:
    found = scenarios.platform_change(1)
    # 5 of these ask whether a build is still wanted: before it begins, where it has waited, and before `latest`. 2 read
    # the platform breakers.
    assert found["without_waiting"] <= 65
    assert found["group_deletions_per_build"] == 2


def test_each_group_is_deleted_by_one_request_although_azure_needs_a_minute() -> None:
    assert scenarios.slow_deletions(6) == {"deletions_per_build": 2}


def test_pages_and_polls_cost_the_same_in_every_fleet() -> None:
    assert scenarios.list_page(1_000) == scenarios.list_page(400)
    assert scenarios.poll(500) == scenarios.poll(50)
    assert scenarios.lineage(500)["tables"] == 1
    assert scenarios.one_image(50) == scenarios.one_image(500) == {"tables": 17}


def test_prune_is_counted() -> None:
    assert scenarios.prune(50)["arm"] == 50


def test_a_seeded_fleet_is_current() -> None:
    fleet = seeded.current(seeded.levels(2, 3))
    assert len(fleet.heads()) == 13
    fleet.world.factory.sweeper.sweep()
    assert fleet.counts["queues.send"] == 0


def test_the_command_prints_each_row_and_json_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--rows", "one build"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["one build, no sweep"]["6"]["without_waiting"] > 0
