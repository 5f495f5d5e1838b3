"""What is known of a version comes back with it: its scan and its demands, by record, row, or signed statement."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.state.galleries.versions import put_version
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _register(made: SimulatedWorld, text: str, score: int) -> None:
    document: dict[str, Any] = fleet.document("rhel9-base", None)
    document["spec"]["verify"]["compliance"]["minScore"] = score
    made.factory.registrar.register(
        BASE,
        document,
        world.upload(made, text),
        ADMIN,
        expected=scenes.head(made, BASE).document_etag,
        create_only=False,
    )
    made.settle()


def _current(made: SimulatedWorld) -> PublishedVersion:
    found = scenes.head(made, BASE).current
    assert found is not None
    return found


def _twice() -> tuple[SimulatedWorld, PublishedVersion]:
    """A base whose second version was judged by other demands, and the facts of the first."""
    made = scenes.registered(ONE)
    made.platform.scores = {"rhel9-base": 94}
    made.drain()
    first = _current(made)
    assert first.scan is not None
    assert first.gates
    _register(made, "second", 80)
    assert _current(made).gates not in ("", first.gates)
    return made, first


def _conditions(made: SimulatedWorld) -> list[str]:
    shown = made.factory.queries.image(BASE).image.conditions
    return [each.type.value for each in shown if each.type.value in ("VerifyChanged", "BelowFloor")]


def _lose_rows(made: SimulatedWorld) -> None:
    losses.lose_tables(made, "images", only=lambda row: row.key.startswith("build:"))


def _take_out(made: SimulatedWorld) -> None:
    made.ports.galleries.set_excluded(LIVE, BASE, _current(made).version, excluded=True)
    made.factory.galleries.observe()


@pytest.mark.parametrize("is_row_lost", [False, True])
def test_a_version_that_is_reused_keeps_its_scan_and_its_demands(is_row_lost: bool) -> None:
    made, first = _twice()
    if is_row_lost:
        _lose_rows(made)
    _register(made, "content", 80)
    again = _current(made)
    assert (again.version, again.scan, again.gates) == (first.version, first.scan, first.gates)
    assert _conditions(made) == ["VerifyChanged"]


@pytest.mark.parametrize("is_row_lost", [False, True])
def test_a_version_that_is_current_again_by_a_fall_keeps_its_scan_and_its_demands(is_row_lost: bool) -> None:
    made, first = _twice()
    if is_row_lost:
        _lose_rows(made)
    _take_out(made)
    again = _current(made)
    assert (again.version, again.scan, again.gates) == (first.version, first.scan, first.gates)
    assert (again.build, again.inputs, again.lane) == (first.build, first.inputs, first.lane)
    assert _conditions(made) == ["VerifyChanged"]


def test_a_record_of_an_older_release_that_lacks_the_facts_is_completed() -> None:
    made, first = _twice()
    _register(made, "content", 80)  # the record of the first version is written
    found = made.base.records.versions.find(BASE, first.version)
    assert found is not None
    assert found.value.published is not None
    poor = replace(found.value, published=replace(found.value.published, scan=None, gates=""))
    scenes.images(made).commit([put_version(poor, etag=found.etag)])
    _register(made, "third", 80)
    _take_out(made)
    again = _current(made)
    assert (again.version, again.scan, again.gates) == (first.version, first.scan, first.gates)


def test_a_scan_that_cannot_be_had_is_not_taken_as_passed() -> None:
    made, first = _twice()
    _lose_rows(made)
    for facts in made.ports.blobs.list("builds", f"{first.build}/verify-"):
        if facts.name.endswith(attempts.REPORT):
            losses.lose_blob(made, "builds", facts.name)
    _take_out(made)
    again = _current(made)
    assert (again.version, again.scan, again.gates) == (first.version, None, first.gates)
