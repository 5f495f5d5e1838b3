"""A policy that a newer release wrote: a floor that this release does not understand is never passed."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import AlreadyExists, UnreadableRow
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.state.policy import PolicyStore
from pipeline_core.wire import policy as wire
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
# What a newer release may have written at each place where a floor can be.
FLOORS: dict[str, dict[str, Any]] = {
    "a key of spec": {"freshness": {"security": "7d"}},
    "a key of compliance": {"compliance": {**policies.FLOOR, "maxCritical": 0}},
    "a key of a base": {"bases": {"rhel9-base": {"maxCritical": 0}}},
    "a key of waivers": {"waivers": {"approvers": 2}},
    "a value": {"compliance": {"profile": "cis_server_l1", "alwaysFail": ["critical"]}},
}


def _newer(made: SimulatedWorld, document: dict[str, Any]) -> None:
    """A newer release puts this document in force."""
    content = wire.policy_blob(document)
    digest = image_yaml.digest_of(content)
    with contextlib.suppress(AlreadyExists):
        made.ports.blobs.create(
            "definitions", f"policies/{digest}.json", content, media_type="application/json"
        )
    store = PolicyStore(made.ports.tables)
    row = store.find_row()
    assert row is not None
    version = PolicyVersion(
        revision=row.value.revision + 1, digest=digest, actor="sec", at=made.ports.clock.now()
    )
    store.put(version, etag=row.etag)


def _at_the_gate() -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(ONE)
    policies.put(made, compliance=policies.FLOOR)
    return made, scenes.in_phase(made, BASE, Phase.VERIFYING)


@pytest.mark.parametrize("spec", FLOORS.values(), ids=FLOORS)
def test_a_floor_that_is_not_understood_holds_a_build_at_its_gate_and_never_fails_it(
    spec: dict[str, Any],
) -> None:
    made, build = _at_the_gate()
    _newer(made, policies.document(**spec))
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    held = scenes.stored(made, build.id).value
    assert (held.phase, held.result, held.verdicts) == (Phase.VERIFYING, None, ())
    assert made.ports.galleries.list_versions(LIVE, BASE) == []
    assert made.poisoned == []


def test_the_build_goes_on_by_itself_when_a_policy_in_force_is_understood_again() -> None:
    made, build = _at_the_gate()
    _newer(made, policies.document(**FLOORS["a key of spec"]))
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    _newer(made, policies.document(compliance=policies.FLOOR))
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.floor) == (Result.SUCCEEDED, made.factory.policy.floor_of(BASE))
    assert len(scenes.builds(made, BASE)) == 1


def test_nothing_is_registered_and_every_image_says_why() -> None:
    made = scenes.settled(ONE)
    policies.put(made, compliance=policies.FLOOR)
    _newer(made, policies.document(**FLOORS["a key of spec"]))
    with pytest.raises(
        UnreadableRow, match=r"cannot read policy 2, and waits: spec.freshness is not a key of spec"
    ):
        made.register("rhel9-base", None, text="edited")
    shown = made.factory.queries.image(BASE).image
    (listed,) = made.factory.queries.images().images
    assert shown.state == listed.state == "current"
    for view in (shown, listed):
        (condition,) = view.conditions
        assert (condition.type.value, condition.reason) == ("Unreadable", "PolicyUnreadable")
        assert "cannot read policy 2" in condition.message
        assert "spec.freshness" in condition.message
    made.settle()  # nothing of the fleet falls, or is built, because of it
    assert made.poisoned == []
    assert len(scenes.builds(made, BASE)) == 1


def test_a_note_for_people_that_is_not_known_holds_nothing_back() -> None:
    made, build = _at_the_gate()
    document = policies.document(compliance=policies.FLOOR)
    _newer(made, {**document, "metadata": {"description": "of 2028", "ticket": "SEC-1"}})
    made.settle()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_what_a_person_sends_is_read_strictly_all_the_same() -> None:
    made = scenes.registered({})
    document = {**policies.document(), "metadata": {"ticket": "SEC-1"}}
    with pytest.raises(InvalidDocument):
        made.factory.policy.put(document, ADMIN, expected=None, create_only=True)
