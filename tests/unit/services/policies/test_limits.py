"""Limits of a team at registration: how many images, and what a definition may ask for. What exists goes on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row
from pipeline_core.wire.problems import InvalidDocument, Problem
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


class _CountedScans(scenes.WatchedTables):
    """Tables that count the reads of the fleet."""

    fleets = 0

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        self.fleets += (table, partition) == ("index", "fleet")
        return super().scan(table, partition, **bounds)


def _refused(made: SimulatedWorld, name: str, **changes: Any) -> list[Problem]:
    with pytest.raises(InvalidDocument) as refused:
        made.register(name, "rhel9-base", **changes)
    return list(refused.value.problems)


def _limits(made: SimulatedWorld, **limits: Any) -> None:
    policies.put(made, limits=limits)


def test_a_team_has_no_more_images_than_its_limit_and_other_teams_are_not_asked() -> None:
    """Security finding 12: one team registered 120 images, without an end."""
    made = scenes.registered({"rhel9-base": None})
    _limits(made, images=2, teams={"data": {"images": 1}})
    made.register("pay-1", "rhel9-base", team="payments")
    made.register("pay-2", "rhel9-base", team="payments")
    (problem,) = _refused(made, "pay-3", team="payments")
    assert problem.path == "metadata.team"
    assert problem.message == "payments has 2 images, and the limit in policy 1 allows 2"
    assert "limits.images" in problem.remedy
    made.register(
        "pay-1", "rhel9-base", team="payments", size="Standard_B2s"
    )  # a change of its own is no new one
    made.register("data-1", "rhel9-base", team="data")
    (problem,) = _refused(made, "data-2", team="data")
    assert problem.message == "data has 1 images, and the limit of team data in policy 1 allows 1"


def test_an_image_that_changes_its_team_counts_for_the_new_one() -> None:
    made = scenes.registered({"rhel9-base": None})
    _limits(made, images=1)
    made.register("pay-1", "rhel9-base", team="payments")
    made.register("data-1", "rhel9-base", team="data")
    assert [problem.path for problem in _refused(made, "data-1", team="payments")] == ["metadata.team"]


def test_a_deleted_image_makes_room() -> None:
    made = scenes.registered({"rhel9-base": None})
    _limits(made, images=1)
    made.register("pay-1", "rhel9-base", team="payments")
    made.settle()
    name = ImageName("pay-1")
    made.factory.registrar.unregister(name, ADMIN, scenes.head(made, name).document_etag)
    made.register("pay-2", "rhel9-base", team="payments")


def test_the_fleet_is_not_read_while_it_is_smaller_than_the_limit() -> None:
    made = scenes.registered(TWO)
    tables = _CountedScans(inner=made.ports.tables, before=lambda _table, _writes: None)
    scenes.rewired(made, tables=tables)
    made.register("pay-1", "rhel9-base", team="payments")
    assert tables.fleets == 0
    _limits(made, images=3)
    made.register("pay-2", "rhel9-base", team="payments")
    assert tables.fleets == 1


def test_a_limit_below_what_exists_stops_nothing_and_is_asked_at_the_next_change() -> None:
    made = scenes.settled(TWO)
    before = made.versions()
    day = made.ports.clock.now() + timedelta(days=30)
    policies.put(
        made,
        limits={"images": 0, "machineSizes": ["Standard_B2s"], "timeout": "5m"},
        enforcedFrom=f"{day:%Y-%m-%d}",
    )
    shown = made.factory.queries.image(JAVA).image
    (below,) = [each for each in shown.conditions if each.type is ConditionType.BELOW_FLOOR]
    assert (shown.state, below.reason, below.since) == ("current", "FloorAnnounced", None)
    assert below.message.startswith(
        f"from {day:%Y-%m-%d}: spec.build.vmSize: is Standard_D2s_v5, which the limit"
    )
    assert "spec.build.timeout: is 1h, and the limit in policy 1 allows 5m at most" in below.message
    scenes.released(made)
    made.settle()
    after = made.versions()
    assert [name for name in before if after[name] == before[name]] == []
    assert {problem.path for problem in _refused(made, "rhel9-java")} == {
        "spec.build.vmSize",
        "spec.build.timeout",
    }
    assert scenes.head(made, BASE).current is not None


def test_a_machine_with_more_cores_than_the_team_may_use_is_refused_and_what_is_registered_goes_on() -> None:
    made = scenes.registered({"rhel9-base": None})
    made.register("pay-1", "rhel9-base", team="payments", size="Standard_D8s_v5")
    _limits(made, teams={"payments": {"cores": 4}})
    (problem,) = _refused(made, "pay-2", team="payments", size="Standard_D8s_v5")
    assert problem.path == "spec.build.vmSize"
    assert problem.message == (
        "is Standard_D8s_v5 with 8 cores, and the limit of team payments in policy 1 allows 4 for all builds of the"
        " team"
    )
    (problem,) = _refused(made, "pay-2", team="payments", size="Standard_Large")
    assert problem.message.startswith("is Standard_Large, whose name does not say how many cores it has")
    made.register("data-1", "rhel9-base", team="data", size="Standard_Large")
    shown = made.factory.queries.image(ImageName("pay-1")).image
    assert ConditionType.BELOW_FLOOR in {each.type for each in shown.conditions}
    made.settle()
    assert scenes.head(made, ImageName("pay-1")).current is not None
