"""An input that a gate refused: it stays refused until what is asked of it changes, and then it is built again."""

from typing import Any

from pipeline_core.domain.builds import Result
from pipeline_core.domain.images import ImageHead
from simulation import fleet, world
from simulation.world import ADMIN, World
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _refused() -> World:
    """A base that scored 85 of at least 90, for fifteen rules."""
    made = scenes.registered(ONE)
    made.platform.scores = {"rhel9-base": 85}
    made.drain()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED]
    assert scenes.rest_of(made, BASE) == "blocked"
    return made


def _waiver(number: int) -> dict[str, str]:
    return {
        "rule": f"simulated_rule_{number}",
        "reason": "mended in the next release",
        "owner": "secops@example.com",
        "expires": "2027-06-30",
    }


def _register(made: World, **changes: Any) -> ImageHead:
    document = fleet.document("rhel9-base", None)
    document["metadata"] |= changes.pop("metadata", {})
    document["spec"]["verify"]["compliance"] |= changes
    head = scenes.head(made, BASE)
    registered = made.factory.registrar.register(
        BASE,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=str(head.registration.definition),
        create_only=False,
    )
    made.drain()
    return registered.head


def test_a_waiver_renews_the_claim_and_the_same_input_is_published() -> None:
    made = _refused()
    _register(made, waivers=[_waiver(number) for number in range(6)])
    first, second = scenes.builds(made, BASE)
    assert (first.fingerprint, first.generation, second.generation) == (second.fingerprint, 1, 2)
    assert second.result is Result.SUCCEEDED
    assert scenes.rest_of(made, BASE) == "current"


def test_too_few_waivers_are_tried_once_and_refused_again() -> None:
    made = _refused()
    _register(made, waivers=[_waiver(0)])
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED, Result.FAILED]
    assert scenes.rest_of(made, BASE) == "blocked"


def test_a_change_that_no_gate_looks_at_builds_nothing() -> None:
    made = _refused()
    _register(made, metadata={"owners": ["somebody@example.com"]})
    assert len(scenes.builds(made, BASE)) == 1
    assert scenes.rest_of(made, BASE) == "blocked"


def test_what_failed_in_a_stage_is_not_renewed_by_a_waiver() -> None:
    made = scenes.registered(ONE, failing={("rhel9-base", "build"): "provisioner"})
    made.drain()
    _register(made, waivers=[_waiver(0)])
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED]
