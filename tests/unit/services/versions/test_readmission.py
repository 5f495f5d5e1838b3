"""A version that was taken out by hand comes back by the command, for its team and SecOps, if it is proven."""

from dataclasses import replace

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.version_records import Intent, Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import VersionState
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE
from tests.unit.services.versions.test_observer import current, exclude, observe, record, twice_built


def _taken_out() -> tuple[SimulatedWorld, GalleryVersion, GalleryVersion]:
    made, first, second = twice_built()
    exclude(made, second)
    observe(made)
    return made, first, second


def test_an_included_version_is_current_again_where_its_input_is_desired() -> None:
    made, _, second = _taken_out()
    answer = made.factory.readmission.include(BASE, second, ADMIN, "it was not the cause")
    assert (answer.standing, answer.actor) == (Standing.LIVE, ADMIN.name)
    made.settle()
    assert current(made).version == second
    assert made.ports.galleries.latest(LIVE, BASE) == second
    assert scenes.entry_of(made, BASE, Event.INCLUDED).detail == "it was not the cause"
    assert record(made, second).intent is None


def test_an_older_version_is_let_in_below_the_current_one() -> None:
    made, _, second = _taken_out()
    made.register("rhel9-base", None, text="third")
    made.settle()
    made.factory.readmission.include(BASE, second, ADMIN, "")
    made.settle()
    third = current(made).version
    assert third > second
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    assert not live.excluded_from_latest
    made.register("rhel9-base", None, text="second")
    made.settle()
    assert current(made).version == second


def test_a_slow_gallery_lets_an_older_version_in_later() -> None:
    made, _, second = _taken_out()
    made.register("rhel9-base", None, text="third")
    made.settle()
    made.ports.galleries.update_failures = ["InternalError"]
    made.factory.readmission.include(BASE, second, ADMIN, "")
    assert record(made, second).intent is Intent.INCLUDE
    made.register("rhel9-base", None, text="second")
    made.settle()
    assert current(made).version == second


def test_asking_twice_is_asking_once() -> None:
    made, _, second = _taken_out()
    for _ in range(2):
        made.factory.readmission.include(BASE, second, ADMIN, "")
    made.settle()
    assert current(made).version == second


def test_only_its_team_and_secops_include_a_version() -> None:
    made, _, second = _taken_out()
    with pytest.raises(PermanentError) as refused:
        made.factory.readmission.include(BASE, second, scenes.principal("payments"), "")
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert record(made, second).standing is Standing.EXCLUDED


def test_what_the_gallery_does_not_hold_cannot_be_included() -> None:
    made, _, _ = _taken_out()
    with pytest.raises(NotFound, match=r"holds no rhel9-base@9\.20990101\.1"):
        made.factory.readmission.include(BASE, GalleryVersion.parse("9.20990101.1"), ADMIN, "")


def test_what_is_not_whole_or_not_proven_is_not_included() -> None:
    made, _, second = _taken_out()
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    made.ports.galleries.add_version(replace(live, state=VersionState.CREATING))
    with pytest.raises(PermanentError, match="is creating: wait for its end"):
        made.factory.readmission.include(BASE, second, ADMIN, "")
    made.ports.galleries.add_version(replace(live, tags={}))
    with pytest.raises(PermanentError, match="is not proven"):
        made.factory.readmission.include(BASE, second, ADMIN, "")


def test_a_version_whose_tags_were_lost_frees_no_claim_by_itself() -> None:
    made, _, second = _taken_out()
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    made.ports.galleries.add_version(replace(live, tags={}, excluded_from_latest=False))
    made.factory.galleries.observe()
    made.drain()
    assert scenes.rest_of(made, BASE) == "blocked"
