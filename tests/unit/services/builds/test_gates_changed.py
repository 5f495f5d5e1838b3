"""An input that a gate refused: it stays refused until what is asked of it changes, and then it is built again."""

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.images import ImageHead
from pipeline_core.services.policies.waivers import WaiverSubject
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _refused() -> SimulatedWorld:
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
        "reason": "repaired in the next release",
    }


def _register(made: SimulatedWorld, **changes: Any) -> ImageHead:
    document = fleet.document("rhel9-base", None)
    document["metadata"] |= changes.pop("metadata", {})
    deliver = changes.pop("deliver", True)
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
    if deliver:
        made.drain()
    return registered.head


def _grant(made: SimulatedWorld, count: int) -> None:
    for number in range(count):
        subject = WaiverSubject(image=BASE, kind=WaiverKind.SCAN, rule=f"simulated_rule_{number}")
        made.factory.waivers.grant(subject, ADMIN, until=date(2027, 6, 30), reason="seen")


def test_granted_waivers_renew_the_claim_and_the_same_input_is_published() -> None:
    made = _refused()
    _register(made, deliver=False, waivers=[_waiver(number) for number in range(6)])
    _grant(made, 6)
    made.drain()
    first, second = scenes.builds(made, BASE)
    assert (first.fingerprint, first.generation, second.generation) == (second.fingerprint, 1, 2)
    assert second.result is Result.SUCCEEDED
    assert scenes.rest_of(made, BASE) == "current"


def test_waivers_that_nobody_granted_are_tried_once_and_refused_again() -> None:
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


def _floored(**floor: Any) -> SimulatedWorld:
    """A base that reached its own goal of 90 and not SecOps' floor."""
    made = scenes.registered(ONE)
    policies.put(made, compliance=floor)
    made.drain()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED]
    assert scenes.rest_of(made, BASE) == "blocked"
    return made


def _swept(made: SimulatedWorld) -> list[Result | None]:
    """What the builds ended with, after the next sweep and all that follows of it."""
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    made.drain()
    return [build.result for build in scenes.builds(made, BASE)]


def test_a_lowered_floor_renews_what_it_had_refused_with_the_next_sweep() -> None:
    made = _floored(minScore=99)
    policies.put(made, compliance={"minScore": 95})
    assert _swept(made) == [Result.FAILED, Result.SUCCEEDED]
    first, second = scenes.builds(made, BASE)
    assert (first.fingerprint, second.generation) == (second.fingerprint, 2)
    assert scenes.claim(made, second).floor is None


@pytest.mark.parametrize(
    "floor",
    [{"minScore": 99}, {"minScore": 100}, {"minScore": 99, "alwaysFail": ["high"]}],
    ids=["same", "higher", "stricter"],
)
def test_a_floor_that_asks_for_no_less_renews_nothing(floor: dict[str, Any]) -> None:
    made = _floored(minScore=99)
    policies.put(made, compliance=floor, maxAge="300d")
    assert _swept(made) == [Result.FAILED]


def test_a_floor_that_is_lowered_too_little_is_tried_once() -> None:
    made = _floored(minScore=99)
    policies.put(made, compliance={"minScore": 98})
    assert _swept(made) == _swept(made) == [Result.FAILED, Result.FAILED]


def test_a_floor_of_another_base_renews_nothing() -> None:
    made = _floored(minScore=99)
    policies.put(made, compliance={"minScore": 99}, bases={"rhel10-base": {"minScore": 10}})
    assert _swept(made) == [Result.FAILED]
    policies.put(made, compliance={"minScore": 99}, bases={"rhel9-base": {"minScore": 10}})
    assert _swept(made) == [Result.FAILED, Result.SUCCEEDED]


def test_a_lost_policy_renews_nothing() -> None:
    made = _floored(minScore=99)
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    assert _swept(made) == [Result.FAILED]
    assert scenes.rest_of(made, BASE) == "blocked"


def test_what_another_gate_refused_is_not_renewed_by_a_lowered_floor() -> None:
    made = scenes.registered(ONE, failing={("rhel9-base", "verify"): "hygiene"})
    policies.put(made, compliance={"minScore": 90})
    made.drain()
    policies.put(made, compliance={"minScore": 10})
    assert _swept(made) == [Result.FAILED]


def test_a_child_goes_on_when_the_floor_that_refused_its_parent_is_lowered() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    policies.put(made, compliance={"minScore": 99})
    made.drain()
    assert not any(made.versions().values())
    policies.put(made, compliance={"minScore": 90})
    _swept(made)
    assert all(made.versions().values())
