"""Observed means observed: what a live gallery does not hold, offer or prove is never shown as current."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Intent, Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import VersionState
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
LATER = timedelta(minutes=5)


def current(made: SimulatedWorld, name: ImageName = BASE) -> PublishedVersion:
    """What the head points at."""
    found = scenes.head(made, name).current
    assert found is not None
    return found


def twice_built(
    parents: Mapping[str, str | None] = ONE,
) -> tuple[SimulatedWorld, GalleryVersion, GalleryVersion]:
    """A base with two versions, the second current."""
    made = scenes.settled(parents)
    first = current(made).version
    made.register("rhel9-base", None, text="second")
    made.settle()
    return made, first, current(made).version


def delete(made: SimulatedWorld, version: GalleryVersion, name: ImageName = BASE) -> None:
    """Somebody deletes a live version."""
    made.ports.galleries.begin_delete(LIVE, name, version)


def exclude(made: SimulatedWorld, version: GalleryVersion, name: ImageName = BASE) -> None:
    """Somebody takes a live version out of `latest`."""
    made.ports.galleries.set_excluded(LIVE, name, version, excluded=True)


def observe(made: SimulatedWorld) -> None:
    """One run of the timer."""
    made.factory.galleries.observe()
    made.drain()


def record(made: SimulatedWorld, version: GalleryVersion) -> VersionRecord:
    """The version's record."""
    found = made.base.records.versions.find(BASE, version)
    assert found is not None
    return found.value


def test_where_all_is_well_a_run_changes_no_row_of_an_image() -> None:
    made = scenes.settled(TWO)
    rows = made.ports.tables.rows("images")
    observe(made)
    assert made.ports.tables.rows("images") == rows
    assert scenes.logged(made, "galleries-observed", images=2, differed=0)


def test_a_current_version_that_is_gone_is_not_shown_as_current_from_the_first_look_on() -> None:
    made, _, second = twice_built()
    delete(made, second)
    observe(made)
    assert made.factory.queries.image(BASE).image.state == "unknown"
    assert "no longer holds" in made.factory.queries.image(BASE).image.detail
    (listed,) = made.factory.queries.images().images
    assert listed.state == "unknown"


def test_a_current_version_that_is_gone_falls_back_at_the_second_look_and_is_built_again() -> None:
    made, first, second = twice_built()
    delete(made, second)
    observe(made)
    observe(made)  # at the same moment: not a second look
    assert current(made).version == second
    made.ports.clock.advance(LATER)
    made.factory.galleries.observe()
    assert current(made).version == first
    assert scenes.head(made, BASE).pointer_revision == 3
    assert record(made, second).standing is Standing.GONE
    assert {Event.GONE, Event.FELL_BACK} <= set(scenes.events(made, BASE))
    made.settle()
    built = scenes.builds(made, BASE)[-1]
    assert (built.result, built.generation) == (Result.SUCCEEDED, 2)
    assert current(made).version > second
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version


def test_an_only_version_that_is_gone_is_built_again_and_its_children_follow() -> None:
    made = scenes.settled(TWO)
    gone = current(made).version
    delete(made, gone)
    observe(made)
    assert scenes.rest_of(made, JAVA) == "unknown"
    made.ports.clock.advance(LATER)
    observe(made)
    made.settle()
    assert current(made).version > gone
    assert str(current(made, JAVA).inputs.origin) == f"rhel9-base@{current(made).version}"


def test_a_version_that_is_there_again_is_believed_again() -> None:
    made, _, second = twice_built()
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    delete(made, second)
    observe(made)
    made.ports.galleries.add_version(live)
    observe(made)
    assert scenes.head(made, BASE).doubt is None
    assert made.factory.queries.image(BASE).image.state == "current"
    assert made.factory.suspicion.seen().suspects == ()
    made.ports.clock.advance(LATER)
    observe(made)
    assert current(made).version == second


def test_a_list_that_lacks_a_version_which_a_get_finds_changes_nothing() -> None:
    made, _, second = twice_built()
    whole = made.ports.galleries

    class Lagging:
        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def list_versions(self, gallery: object, image: object) -> list[object]:
            return []

    scenes.rewired(made, galleries=Lagging())
    for _ in range(3):
        observe(made)
        made.ports.clock.advance(LATER)
    assert current(made).version == second
    assert scenes.head(made, BASE).doubt is None


def test_a_version_that_was_taken_out_by_hand_leaves_current_and_is_not_offered_again() -> None:
    made, first, second = twice_built()
    exclude(made, second)
    observe(made)
    assert current(made).version == first
    assert scenes.head(made, BASE).taken_out == (second,)
    assert record(made, second).standing is Standing.EXCLUDED
    assert scenes.claim(made, scenes.builds(made, BASE)[1]).outcome is Outcome.WITHHELD
    assert scenes.rest_of(made, BASE) == "blocked"
    for text in ("third", "second"):
        made.register("rhel9-base", None, text=text)
        made.settle()
        observe(made)
    assert made.ports.galleries.latest(LIVE, BASE) != second
    assert current(made).version > second  # the third stays: the input of the second is held


def test_a_version_that_was_taken_out_unseen_is_not_offered_by_a_reuse() -> None:
    """No look came between the exclusion by hand and the edit: the reuse itself sees the mark."""
    made, _, second = twice_built()
    exclude(made, second)
    made.register("rhel9-base", None, text="third")
    made.settle()
    made.register("rhel9-base", None, text="second")
    made.settle()
    assert scenes.rest_of(made, BASE) == "blocked"
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version != second
    assert record(made, second).standing is Standing.EXCLUDED
    assert Event.EXCLUDED in scenes.events(made, BASE)


def test_children_go_back_with_a_parent_whose_version_was_taken_out() -> None:
    made, first, second = twice_built(TWO)
    assert str(current(made, JAVA).inputs.origin) == f"rhel9-base@{second}"
    exclude(made, second)
    observe(made)
    made.settle()
    assert str(current(made, JAVA).inputs.origin) == f"rhel9-base@{first}"


def test_a_version_that_is_let_in_again_in_the_gallery_is_current_again() -> None:
    made, _, second = twice_built()
    exclude(made, second)
    observe(made)
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    observe(made)
    made.settle()
    assert current(made).version == second
    assert scenes.head(made, BASE).taken_out == ()
    assert Event.INCLUDED in scenes.events(made, BASE)
    assert made.ports.galleries.latest(LIVE, BASE) == second


def test_our_own_exclusion_that_was_not_finished_is_no_strangers() -> None:
    made, _, second = twice_built()
    failing = scenes.Failing(
        inner=made.ports.galleries,
        name="list_versions",
        errors=[],
    )
    scenes.rewired(made, galleries=failing)
    made.ports.galleries.updating = timedelta(minutes=1)
    made.register("rhel9-base", None, text="content")
    with pytest.raises(TransientError):
        scenes.look(made, BASE)  # the exclusion of the second has begun
    made.register("rhel9-base", None, text="second")  # and is not wanted any more
    assert record(made, second).intent is Intent.EXCLUDE
    made.ports.clock.advance(LATER)
    made.ports.galleries.updating = timedelta(0)
    made.drain()
    assert made.ports.galleries.latest(LIVE, BASE) != second
    observe(made)
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version == second


def test_a_change_of_the_current_version_that_failed_is_made_again() -> None:
    """Its marks say that it is in `latest`, and machines do not get it."""
    made, first, second = twice_built()
    made.ports.galleries.update_failures = ["InternalError: the region was lost"]
    exclude(made, second)
    made.ports.galleries.set_excluded(LIVE, BASE, first, excluded=True)
    assert made.ports.galleries.latest(LIVE, BASE) == second
    observe(made)
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    assert (live.state, live.excluded_from_latest) == (VersionState.READY, False)
    assert current(made).version == second


def test_a_version_above_the_pointer_is_taken_out_by_the_timer_too() -> None:
    made, _, second = twice_built()
    made.register("rhel9-base", None, text="content")
    made.settle()
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    observe(made)
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version != second


def test_a_withdrawn_version_that_somebody_lets_in_is_taken_out_again() -> None:
    made = scenes.settled(ONE)
    made.register("rhel9-base", None, text="bad")
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    made.register("rhel9-base", None, text="content")
    made.settle()
    assert build.version is not None
    made.ports.galleries.set_excluded(LIVE, BASE, build.version, excluded=False)
    observe(made)
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version != build.version


def test_a_gallery_that_does_not_answer_is_logged_and_hides_no_other_image() -> None:
    made = scenes.settled(TWO)
    exclude(made, current(made, JAVA).version, JAVA)
    failing = scenes.Failing(
        inner=made.ports.galleries,
        name="list_versions",
        errors=[TransientError(ErrorClass.NETWORK, "no answer")],
    )
    scenes.rewired(made, galleries=failing)
    made.factory.galleries.observe()
    assert scenes.logged(made, "observe-failed-at", subject="rhel9-base")
    assert scenes.head(made, JAVA).current is None
