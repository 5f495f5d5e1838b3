"""The fleet's copy of a head: written over what was there before the change, and never over something newer."""

from dataclasses import replace

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.services.effects.projection import Projection
from pipeline_core.state import images as records
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _projection(made: SimulatedWorld) -> Projection:
    return made.base.effects.projection


def _fail_more(made: SimulatedWorld, failures: int) -> ImageHead:
    """Commit a head that differs, without any copy of it."""
    stored = scenes.images(made).get_head(BASE)
    changed = replace(stored.value, failures=failures)
    scenes.images(made).commit([records.put_head(changed, etag=stored.etag)])
    return changed


def _copied(made: SimulatedWorld) -> dict[ImageName, int]:
    return {head.name: head.failures for head in scenes.index(made).fleet().heads}


def test_a_committed_head_is_copied_by_two_operations() -> None:
    made = scenes.settled(ONE)
    copy = _projection(made).find(BASE)
    changed = _fail_more(made, 1)
    before = made.ports.tables.operations
    _projection(made).follow(changed, copy)
    assert made.ports.tables.operations - before == 1  # and one for `find`
    assert _copied(made) == {BASE: 1}


def test_a_copy_that_others_have_renewed_meanwhile_is_not_set_back() -> None:
    made = scenes.settled(ONE)
    copy = _projection(made).find(BASE)
    older = _fail_more(made, 1)
    _fail_more(made, 2)
    _projection(made).project(BASE)
    _projection(made).follow(older, copy)
    assert _copied(made) == {BASE: 2}


def test_a_first_copy_that_another_was_faster_with_is_not_set_back() -> None:
    made = scenes.settled(ONE)
    older = _fail_more(made, 1)
    _fail_more(made, 2)
    _projection(made).project(BASE)
    _projection(made).follow(older, None)
    assert _copied(made) == {BASE: 2}


def test_an_image_that_was_deleted_meanwhile_does_not_come_back_into_the_fleet() -> None:
    made = scenes.settled(ONE)
    copy = _projection(made).find(BASE)
    older = _fail_more(made, 1)
    stored = scenes.images(made).get_head(BASE)
    scenes.images(made).commit([records.delete_head(BASE, etag=stored.etag)])
    _projection(made).project(BASE)
    _projection(made).follow(older, copy)
    assert _copied(made) == {}
