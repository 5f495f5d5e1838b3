"""Chains of the fleet: written where they moved, bounded, and never on what somebody else has changed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline_core.domain.chains import DEFAULT_SECONDS
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import TableWrite
from pipeline_core.services.upkeep import critical_path
from pipeline_core.services.upkeep.critical_path import Chains
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS

CHAIN = {"rhel9-base": None, "rhel9-java": "rhel9-base", "payments-api": "rhel9-java"}


def _service(made: SimulatedWorld) -> Chains:
    return Chains(images=scenes.images(made), projection=made.base.effects.projection)


def _heads(made: SimulatedWorld) -> dict[ImageName, ImageHead]:
    """The fleet's copies, as the sweep reads them."""
    return {head.name: head for head in scenes.index(made).fleet().heads}


def _set(made: SimulatedWorld, image: ImageName, seconds: int) -> None:
    found = scenes.images(made).get_head(image)
    scenes.images(made).commit(
        [records.put_head(replace(found.value, build_seconds=seconds), etag=found.etag)]
    )
    made.base.effects.projection.project(image)


def _known(made: SimulatedWorld) -> dict[str, int | None]:
    return {str(name): head.chain_seconds for name, head in _heads(made).items()}


def test_chains_are_written_from_what_was_measured() -> None:
    made = scenes.registered(CHAIN)
    for image, seconds in ((BASE, 900), (JAVA, 700), (PAYMENTS, 500)):
        _set(made, image, seconds)
    assert _service(made).refresh(_heads(made)) == 2
    assert _known(made) == {"rhel9-base": 1200, "rhel9-java": 500, "payments-api": None}
    assert scenes.head(made, BASE).chain_seconds == 1200


def test_a_fleet_whose_chains_stand_costs_no_read_and_no_write() -> None:
    made = scenes.settled(CHAIN)
    service = _service(made)
    service.refresh(_heads(made))
    heads = _heads(made)
    before = made.ports.tables.operations
    assert service.refresh(heads) == 0
    assert made.ports.tables.operations == before


def test_images_that_were_never_measured_need_no_write_where_levels_say_the_same() -> None:
    made = scenes.registered(CHAIN)
    assert _service(made).refresh(_heads(made)) == 0
    _set(made, PAYMENTS, DEFAULT_SECONDS // 2)
    assert _service(made).refresh(_heads(made)) == 2


def test_what_is_written_at_once_is_bounded_and_the_rest_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critical_path, "_MOST", 1)
    made = scenes.registered(CHAIN)
    _set(made, PAYMENTS, 300)
    _set(made, JAVA, 300)
    written = [_service(made).refresh(_heads(made)) for _ in range(3)]
    assert written == [1, 1, 0]
    # The base moved by more, so it came first.
    assert _known(made) == {"rhel9-base": 600, "rhel9-java": 300, "payments-api": None}


def test_a_head_that_somebody_changes_meanwhile_is_left_for_the_next_time() -> None:
    made = scenes.registered(CHAIN)
    _set(made, PAYMENTS, 300)
    change = scenes.once(lambda: scenes.touch(made, JAVA))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images" and writes[0].row.partition == str(JAVA):
            change()

    tables = scenes.WatchedTables(inner=made.ports.tables, before=before)
    service = Chains(images=ImageStore(tables), projection=made.base.effects.projection)
    assert service.refresh(_heads(made)) == 1
    assert scenes.head(made, JAVA).chain_seconds is None
    assert service.refresh(_heads(made)) == 1
    assert scenes.head(made, JAVA).chain_seconds == 300


def test_a_copy_that_lags_is_copied_again_and_one_of_no_image_is_passed_over() -> None:
    made = scenes.registered(CHAIN)
    _set(made, PAYMENTS, 300)
    old = _heads(made)
    _service(made).refresh(old)
    ghost = ImageName("ghost")
    copy = old[BASE]
    lagging = {
        **old,
        ghost: replace(copy, registration=replace(copy.registration, name=ghost), height=1),
    }
    for name in (BASE, JAVA):
        scenes.index(made).project(name, old[name])
    assert _service(made).refresh(lagging) == 2
    assert _known(made) == {"rhel9-base": 2100, "rhel9-java": 300, "payments-api": None}
