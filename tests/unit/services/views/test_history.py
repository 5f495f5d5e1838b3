"""An image's history as people page through it: newest first, of images that build, that rest and that are gone."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
BUILDS = 70


@pytest.fixture(scope="module")
def long() -> SimulatedWorld:
    """A base that was built many times."""
    made = scenes.settled(ONE)
    for number in range(1, BUILDS):
        made.register("rhel9-base", None, text=f"content {number}")
        made.drain()
    return made


def _builds(made: SimulatedWorld, limit: int) -> list[str]:
    found, after = [], ""
    while True:
        page = made.factory.history.builds(BASE, after=after, limit=limit)
        found += [build.id for build in page.builds]
        if page.next is None:
            return found
        after = page.next


def test_the_page_of_an_image_begins_with_its_newest_build_and_line(long: SimulatedWorld) -> None:
    shown = long.factory.queries.image(BASE)
    assert shown.builds[0].version == shown.image.version
    assert shown.journal[0].event is Event.PUBLISHED
    assert (len(shown.builds), len(shown.journal)) == (50, 50)
    assert shown.next_builds is not None
    assert shown.next_journal is not None
    more = long.factory.history.builds(BASE, after=shown.next_builds, limit=200)
    assert len(shown.builds) + len(more.builds) == BUILDS


def test_every_build_and_every_line_is_on_one_page(long: SimulatedWorld) -> None:
    everything = [str(build.id) for build in scenes.builds(long, BASE)][::-1]
    assert _builds(long, 9) == everything
    lines, after = [], ""
    while True:
        page = long.factory.history.journal(BASE, after=after, limit=23)
        lines += [entry.at for entry in page.entries]
        if page.after is None:
            break
        after = page.after
    assert lines == sorted(lines, reverse=True)
    assert len(lines) == len(scenes.events(long, BASE))


def test_any_two_versions_are_found_by_their_number(long: SimulatedWorld) -> None:
    for build in scenes.builds(long, BASE)[::7]:
        assert build.version is not None
        found = long.base.records.images.find_build_of(BASE, build.version)
        assert found is not None
        assert found.value.id == build.id


def test_the_build_that_runs_comes_first_and_once() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    running = scenes.in_phase(made, BASE, Phase.BUILDING)
    ids = _builds(made, 1)
    assert ids[0] == str(running.id)
    assert len(ids) == len(set(ids)) == 2
    assert [build.id for build in made.factory.queries.image(BASE).builds] == ids
    made.drain()
    assert _builds(made, 1) == ids


def test_a_build_that_was_replaced_before_it_ran_is_in_the_history() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    made.ports.clock.advance(timedelta(minutes=1))
    made.register("rhel9-base", None, text="other")
    made.drain()
    results = [build.result for build in made.factory.history.builds(BASE, limit=10).builds]
    assert results == ["succeeded", "superseded"]


def test_a_deleted_image_keeps_its_history() -> None:
    made = scenes.settled(ONE)
    etag = made.factory.queries.image(BASE).etag
    assert etag is not None
    made.factory.registrar.unregister(BASE, ADMIN, etag)
    assert len(_builds(made, 10)) == 1
    assert made.factory.history.journal(BASE, limit=10).entries[0].event is Event.UNREGISTERED


@pytest.mark.parametrize("kind", ["builds", "journal"])
def test_an_image_of_which_nothing_is_known_is_not_found(kind: str) -> None:
    made = scenes.registered({})
    with pytest.raises(NotFound, match="nothing is known of image ghost"):
        getattr(made.factory.history, kind)(ImageName("ghost"), limit=10)
    with pytest.raises(NotFound, match="nothing is known of image ghost"):
        getattr(made.factory.history, kind)(ImageName("ghost"), after="zzz", limit=10)


def test_rows_that_cannot_be_read_are_left_out_of_the_pages() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    scenes.released(made)
    made.drain()
    key = unreadable_rows.keys(made, "images", str(JAVA), "past:")[0]
    unreadable_rows.make_unreadable(made, "images", str(JAVA), key)
    unreadable_rows.make_unreadable(made, "images", str(JAVA), "head")
    assert len(made.factory.history.builds(JAVA, limit=10).builds) == 1
    assert made.factory.history.journal(JAVA, limit=10).entries
