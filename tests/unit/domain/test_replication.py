"""A copy that fails: growing waits for a week, and regions that are left out for now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import replication
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import missing_regions
from tests.unit.domain import factories as make


def test_the_waits_grow_up_to_four_hours() -> None:
    minutes = [replication.wait_after(tries) / timedelta(minutes=1) for tries in range(1, 11)]
    assert minutes == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240]


def test_a_copy_is_given_up_after_a_week_and_not_before() -> None:
    last = next(tries for tries in range(1, 1000) if replication.is_over(tries))
    waited = sum((replication.wait_after(tries) for tries in range(1, last)), timedelta(0))
    assert timedelta(days=7) <= waited < timedelta(days=7, hours=4)
    assert not replication.is_over(last - 1)


@pytest.mark.parametrize(
    ("failed", "left_out"),
    [
        ((), ()),
        (("northeurope",), ("northeurope",)),
        (("North Europe", "East US"), ("northeurope", "eastus")),
        (("westeurope",), ()),
        (("West Europe", "northeurope"), ()),
        (("southcentralus",), ()),
    ],
    ids=["unknown", "one", "as Azure writes them", "its own", "its own and another", "one that nobody wants"],
)
def test_regions_that_fail_are_left_out_but_never_its_own(
    failed: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    wanted = ("westeurope", "northeurope", "eastus")
    assert replication.to_leave_out(wanted, failed, "westeurope") == left_out


def test_a_region_of_a_live_version_has_a_turn_after_an_hour_and_later_after_four() -> None:
    assert [replication.turn_after(tries) / timedelta(minutes=1) for tries in (1, 2, 3)] == [64, 128, 240]


@pytest.mark.parametrize("left_out", [(), ("northeurope",)])
def test_a_version_that_becomes_current_lacks_what_its_copy_left_out(left_out: tuple[str, ...]) -> None:
    built = replace(make.build(Phase.FINISHED), left_out=left_out, left_out_why="no room")
    missing = missing_regions(built, make.NOW)
    if not left_out:
        assert missing is None
        return
    assert missing is not None
    assert (missing.names, missing.tries, missing.why) == (left_out, 1, "no room")
    assert missing.after > make.NOW
