"""Registered definitions are read as they were accepted; what nobody can read ends the build and frees its slot."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.wire.image_yaml import accepted, read, rules
from pipeline_core.wire.problems import InvalidDocument, Problem
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _tightened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose rules refuse what was registered."""

    def broken(document: Mapping[str, object]) -> list[Problem]:
        return [Problem(path="spec.build", message="is too short", remedy="make it longer")]

    monkeypatch.setattr(rules, "broken_rules", broken)


def _unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(document: Mapping[str, object]) -> Any:
        raise ValueError("no sense")

    monkeypatch.setattr(accepted, "read", refuse)


def _restarted(made: SimulatedWorld) -> None:
    """A new process: it keeps no parsed definition."""
    scenes.limited(made)


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_a_build_goes_on_by_the_rules_under_which_its_definition_was_accepted(
    phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """r17: the slot was held, and 288 messages poisoned, in two days."""
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, phase)
    _tightened(monkeypatch)
    _restarted(made)
    made.settle()
    assert made.versions()["rhel9-base"]
    assert made.poisoned == []
    with pytest.raises(InvalidDocument, match="too short"):
        made.register("rhel9-base", None, text="new")


def test_a_definition_that_nobody_can_read_ends_the_build_by_the_factorys_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    _tightened(monkeypatch)
    _unreadable(monkeypatch)
    _restarted(made)
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.INTERNAL
    assert ended.failure.error_class.owner == Owner.PLATFORM
    assert "this release cannot read the registered definition" in ended.failure.message
    assert made.base.records.capacity.holders() == ()
    assert made.poisoned == []


def test_such_a_definition_is_a_permanent_error_for_every_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenes.registered(ONE)
    digest = scenes.head(made, BASE).registration.definition
    _tightened(monkeypatch)
    _unreadable(monkeypatch)
    _restarted(made)
    with pytest.raises(PermanentError, match=f"definition {digest}: spec.build: is too short"):
        made.base.effects.documents.definition(digest)
    assert made.factory.pruner.prune() == 0
    assert made.factory.queries.images().images


def test_a_definition_of_a_newer_release_is_read_without_what_is_new() -> None:
    made = scenes.registered({})
    bundle = world.upload(made, "content")
    document = fleet.document("rhel9-base", None)
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    from_old = made.base.effects.documents.definition(scenes.head(made, BASE).registration.definition)
    newer = {**document, "spec": {**document["spec"], "channels": {"stable": {"soak": "48h"}}}}
    digest = made.base.effects.documents.store(read.definition_blob(newer, bundle))
    assert made.base.effects.documents.definition(digest) == from_old
