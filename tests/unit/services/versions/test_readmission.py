"""A version that was taken out by hand comes back by the command, for its team and SecOps, if it is proven."""

from dataclasses import replace

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.version_records import Intent, Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
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
    assert (answer.standing, answer.actor, answer.identity) == (Standing.LIVE, ADMIN.name, "user:admin")
    made.settle()
    assert current(made).version == second
    assert made.ports.galleries.latest(LIVE, BASE) == second
    entry = scenes.entry_of(made, BASE, Event.INCLUDED)
    assert (entry.detail, entry.identity) == ("it was not the cause", "user:admin")
    assert record(made, second).intent is None


def test_a_current_version_that_nobody_took_out_is_not_reported_as_included() -> None:
    made, _, second = twice_built()
    assert made.factory.readmission.include(BASE, second, ADMIN, "").standing is Standing.LIVE
    assert Event.INCLUDED not in scenes.events(made, BASE)


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


def test_a_version_that_was_taken_out_and_then_deleted_is_not_named_any_more() -> None:
    made, _, second = _taken_out()
    assert ConditionType.TAKEN_OUT in _conditions(made)
    made.ports.galleries.begin_delete(LIVE, BASE, second)
    made.register("rhel9-base", None, text="third")
    made.settle()
    observe(made)
    assert scenes.head(made, BASE).taken_out == ()
    assert ConditionType.TAKEN_OUT not in _conditions(made)
    assert (record(made, second).standing, record(made, second).intent) == (Standing.GONE, None)
    assert scenes.entry_of(made, BASE, Event.GONE).version == str(second)
    rows = made.ports.tables.rows("images")
    observe(made)
    assert made.ports.tables.rows("images") == rows


@pytest.mark.parametrize("missing", ["list_versions", "find_image"])
def test_what_only_a_list_or_a_lost_definition_hides_stays_taken_out(missing: str) -> None:
    made, _, second = _taken_out()
    whole = made.ports.galleries
    if missing == "find_image":
        whole.begin_delete(LIVE, BASE, second)

    class Hiding:
        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def list_versions(self, gallery: GalleryName, image: ImageName) -> list[GalleryImageVersion]:
            return [each for each in whole.list_versions(gallery, image) if each.version != second]

        def find_image(self, gallery: GalleryName, image: ImageName) -> object:
            return None if missing == "find_image" else whole.find_image(gallery, image)

    scenes.rewired(made, galleries=Hiding())
    observe(made)
    assert scenes.head(made, BASE).taken_out == (second,)
    assert record(made, second).standing is Standing.EXCLUDED


def _conditions(made: SimulatedWorld) -> set[ConditionType]:
    return {each.type for each in made.factory.queries.image(BASE).image.conditions}
