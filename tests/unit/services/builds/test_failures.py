"""What a failure stops, and what it does not: siblings go on, the subtree keeps its version, nobody waits for ever."""

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.domain.sources import ParentVersion
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, ML, PAYMENTS, PYTHON, VAULT

GATES = {
    "compliance": ErrorClass.COMPLIANCE,
    "hygiene": ErrorClass.HYGIENE,
    "boot": ErrorClass.SMOKE,
}


def _release_with(failing: dict[tuple[str, str], str]) -> SimulatedWorld:
    made = scenes.settled()
    made.platform.failing = failing
    scenes.released(made)
    made.drain()
    return made


@pytest.mark.parametrize(("gate", "error_class"), GATES.items())
def test_a_child_that_fails_a_gate_is_not_published_and_says_why(gate: str, error_class: ErrorClass) -> None:
    made = _release_with({("rhel9-java", "verify"): gate})
    old, failed = scenes.builds(made, JAVA)
    assert failed.result is Result.FAILED
    assert failed.failure is not None
    assert failed.failure.error_class is error_class
    assert gate in failed.failure.message
    assert failed.version is not None
    assert made.ports.galleries.find_version(LIVE, JAVA, failed.version) is None
    current = scenes.head(made, JAVA).current
    assert current is not None
    assert current.build == old.id
    assert made.ports.galleries.latest(LIVE, JAVA) == old.version


def test_the_claim_of_what_failed_is_blocked_with_the_reason() -> None:
    made = _release_with({("rhel9-java", "verify"): "compliance"})
    failed = scenes.builds(made, JAVA)[1]
    held = scenes.claim(made, failed)
    assert held.outcome is Outcome.FAILED
    assert "cis_server_l1 scored 50 of at least 90" in held.detail
    assert scenes.rest_of(made, JAVA) == "blocked"
    made.settle()
    assert len(scenes.builds(made, JAVA)) == 2


def test_the_subtree_of_what_failed_stays_on_the_old_version_and_siblings_go_on() -> None:
    made = _release_with({("rhel9-java", "verify"): "compliance"})
    assert [len(scenes.builds(made, image)) for image in (PAYMENTS, PYTHON, VAULT, ML)] == [1, 2, 2, 2]
    base = scenes.head(made, BASE).current
    assert base is not None
    for sibling in (PYTHON, VAULT):
        current = scenes.head(made, sibling).current
        assert current is not None
        assert current.inputs.origin == ParentVersion(image=BASE, version=base.version)
    payments, java = scenes.head(made, PAYMENTS).current, scenes.head(made, JAVA).current
    assert payments is not None
    assert java is not None
    assert payments.inputs.origin == ParentVersion(image=JAVA, version=java.version)
    assert scenes.rest_of(made, PAYMENTS) == "current"


def test_a_provisioner_failure_is_permanent_and_is_never_tried_again() -> None:
    made = _release_with({("rhel9-java", "build"): "provisioner"})
    failed = scenes.builds(made, JAVA)[1]
    assert failed.failure is not None
    assert (failed.result, failed.attempt) == (Result.FAILED, 1)
    assert failed.failure.error_class is ErrorClass.PROVISIONER
    assert failed.failure.message == "the simulated provisioner failed"
    assert made.ports.containers.names() == []
    assert scenes.capacity(made).holders() == ()
    assert scenes.events(made, JAVA).count(Event.FAILED) == 1


def test_a_new_release_unblocks_what_failed_with_the_old_one() -> None:
    made = _release_with({("rhel9-java", "verify"): "compliance"})
    made.platform.failing = {}
    scenes.released(made, "9.10.2026082323")
    made.drain()
    assert [build.result for build in scenes.builds(made, JAVA)][1:] == [Result.FAILED, Result.SUCCEEDED]
    assert scenes.head(made, JAVA).failures == 0
    assert scenes.rest_of(made, PAYMENTS) == "current"
    assert len(scenes.builds(made, PAYMENTS)) == 2


def test_the_failure_of_an_ancestor_wakes_descendants_that_waited_for_it() -> None:
    made = scenes.settled()
    made.platform.failing = {("rhel9-base", "verify"): "compliance"}
    scenes.released(made)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    made.register("payments-api", "rhel9-java", text="edited")
    scenes.look(made, PAYMENTS)
    assert scenes.rest_of(made, PAYMENTS) == "waits-for-ancestor"
    scenes.lose(made, "rebuild-requests")  # nothing but the failure reminds of it
    made.drain()
    old, new = scenes.builds(made, PAYMENTS)
    assert new.result is Result.SUCCEEDED
    assert [reason.kind for reason in new.reasons] == [ReasonKind.BUNDLE_CHANGED]
    assert new.inputs.origin == old.inputs.origin
    failed = scenes.builds(made, BASE)[1]
    assert new.created_at >= failed.phase_since


def test_the_failure_of_a_first_build_leaves_the_children_waiting_for_a_version() -> None:
    made = scenes.registered(failing={("rhel9-base", "build"): "provisioner"})
    made.drain()
    assert scenes.rest_of(made, BASE) == "blocked"
    assert {scenes.rest_of(made, image) for image in (JAVA, PAYMENTS)} == {"unknown"}
    assert made.ports.galleries.list_versions(LIVE, BASE) == []
    assert made.poisoned == []


def test_a_transient_failure_that_uses_up_its_tries_cools_down_and_is_then_tried_again() -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "build"): "throttled"})
    made.drain()
    (failed,) = scenes.builds(made, BASE)
    assert (failed.result, failed.attempt) == (Result.FAILED, 5)
    assert scenes.claim(made, failed).outcome is Outcome.EXHAUSTED
    assert scenes.rest_of(made, BASE) == "cooling-down"
    made.platform.failing = {}
    made.settle()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED, Result.SUCCEEDED]
    assert scenes.builds(made, BASE)[1].generation == 2


def test_every_gate_that_refused_is_named() -> None:
    made = scenes.registered({"rhel9-base": None})
    made.platform.failing = {("rhel9-base", "verify"): "boot"}
    made.drain()
    (failed,) = scenes.builds(made, BASE)
    assert failed.failure is not None
    assert failed.failure.who is Owner.TEAM
    assert made.factory.queries.build(failed.id).failure_class == "smoke"


def test_the_owners_are_notified_of_a_failure() -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "build"): "provisioner"})
    scenes.wants(made, BASE, Event.FAILED)
    scenes.until(made, lambda: Event.FAILED in scenes.events(made, BASE))
    assert len(scenes.texts(made, "notification-requests")) == 1


def test_an_image_name_that_only_looks_like_another_is_not_woken() -> None:
    made = scenes.settled({"a": None, "a-b": None, "c": "a", "d": "a-b"})
    made.register("a", None, text="edited")
    made.drain()
    assert [len(scenes.builds(made, ImageName(name))) for name in ("a", "c", "a-b", "d")] == [2, 2, 1, 1]
