"""The rounds of retention: races with a reuse, lost requests, and slices that one broken image does not end."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, TableWrite, VersionState
from pipeline_core.services.upkeep import prune as pruning
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE
from tests.unit.services.upkeep.aging import (
    GRACE,
    LOOSE,
    base_with,
    four,
    next_round,
    offered,
    prune,
    put,
    standings,
    versions,
)


def _meanwhile(made: SimulatedWorld, do: Callable[[], None]) -> None:
    """Do something between the pruner's look and its next commit of an image's records."""
    left = [do]

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if left and any(write.row.key.startswith("version:") for write in writes):
            left.pop()()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))


@pytest.mark.parametrize("rounds", [0, 1], ids=["before the exclusion", "before the deletion"])
def test_a_reuse_between_the_look_and_the_write_wins(rounds: int) -> None:
    """Reuse and removal both change the head on its ETag, so one of them fails and looks again."""
    made = four()
    for _ in range(rounds):
        next_round(made)
        made.ports.clock.advance(GRACE)
    _meanwhile(made, lambda: put(made, "rhel9-base", None, "one", LOOSE))
    next_round(made)
    next_round(made, GRACE)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1
    assert 1 in versions(made)
    assert made.ports.galleries.latest(LIVE, BASE) == current.version


def test_a_version_that_becomes_current_in_its_grace_period_is_taken_back() -> None:
    made = four()
    next_round(made)
    put(made, "rhel9-base", None, "one", LOOSE)
    next_round(made)
    first = made.ports.galleries.list_versions(LIVE, BASE)[0]
    assert (first.version.sequence, first.excluded_from_latest, first.end_of_life) == (1, False, None)
    assert standings(made)[1] is Standing.LIVE
    assert Event.TAKEN_BACK in scenes.events(made, BASE)
    next_round(made, GRACE)
    assert 1 in versions(made)


def test_a_version_that_a_rule_keeps_again_is_taken_back() -> None:
    made = four()
    next_round(made)
    assert offered(made) == [3, 4]
    put(made, "rhel9-base", None, "four", {"keep": 4, "keepInUse": False})
    next_round(made)
    assert offered(made) == [1, 2, 3, 4]
    assert {each.end_of_life for each in made.ports.galleries.list_versions(LIVE, BASE)} == {None}
    next_round(made, GRACE)
    assert versions(made) == [1, 2, 3, 4]


def test_a_version_that_was_taken_back_is_nobody_elses_exclusion() -> None:
    """Its mark takes its time, and the look at the galleries comes in between."""
    made = four()
    next_round(made)
    put(made, "rhel9-base", None, "four", {"keep": 4, "keepInUse": False})
    made.ports.galleries.updating = timedelta(hours=1)
    next_round(made)
    made.factory.galleries.observe()
    made.ports.clock.advance(timedelta(hours=2))
    made.factory.galleries.observe()
    assert offered(made) == [1, 2, 3, 4]
    assert set(standings(made).values()) <= {Standing.LIVE}
    assert scenes.head(made, BASE).taken_out == ()


def test_what_somebody_took_out_of_latest_a_moment_ago_is_not_removed() -> None:
    made = four()
    oldest = made.ports.galleries.list_versions(LIVE, BASE)[0]
    made.ports.galleries.set_excluded(LIVE, BASE, oldest.version, excluded=True)
    assert next_round(made) == 1
    next_round(made, GRACE)
    assert versions(made) == [1, 3, 4]


def test_an_exclusion_that_was_lost_is_made_again_before_anything_is_deleted() -> None:
    made = four()
    made.ports.galleries.update_failures[:] = ["InternalError", "InternalError"]
    next_round(made)
    assert made.ports.galleries.list_versions(LIVE, BASE)[0].state is VersionState.UPDATE_FAILED
    next_round(made)
    assert offered(made) == [3, 4]
    next_round(made, GRACE)
    assert versions(made) == [3, 4]


def test_a_version_that_was_out_of_latest_gets_its_end_of_life_although_the_first_request_was_refused() -> (
    None
):
    """Nothing but the end of life is missing then: the version is excluded, as it was before."""
    made = base_with(LOOSE, "one", "two", "one", "three")
    assert (versions(made), offered(made)) == ([1, 2, 3], [1, 3])
    refusals: list[Exception] = [TransientError(ErrorClass.THROTTLED, "too many requests")]
    failing = scenes.Failing(inner=made.ports.galleries, name="set_life", errors=refusals)
    scenes.rewired(made, galleries=failing)
    next_round(made)
    due = made.ports.clock.now() + timedelta(days=7)
    assert (refusals, made.ports.galleries.list_versions(LIVE, BASE)[1].end_of_life) == ([], None)
    next_round(made)
    assert made.ports.galleries.list_versions(LIVE, BASE)[1].end_of_life == due
    next_round(made, GRACE)
    assert versions(made) == [1, 3]


def test_a_version_that_somebody_included_again_is_not_deleted_at_once() -> None:
    made = four()
    next_round(made)
    for found in made.ports.galleries.list_versions(LIVE, BASE)[:1]:
        made.ports.galleries.set_excluded(LIVE, BASE, found.version, excluded=False)
    next_round(made, GRACE)
    assert versions(made) == [1, 3, 4]
    next_round(made)
    assert versions(made) == [3, 4]


def test_a_deletion_that_was_lost_is_made_again() -> None:
    made = four()
    next_round(made)
    error = TransientError(ErrorClass.NETWORK, "no answer")
    failing = scenes.Failing(inner=made.ports.galleries, name="begin_delete", errors=[error])
    scenes.rewired(made, galleries=failing)
    next_round(made, GRACE)
    assert standings(made)[1] is Standing.PRUNED
    assert versions(made) == [1, 2, 3, 4]
    next_round(made)
    assert versions(made) == [3, 4]


def test_what_is_not_ours_is_never_deleted() -> None:
    made = four()
    foreign = GalleryVersion(1, 20200101, 1)
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=LIVE, image=BASE, version=foreign, state=VersionState.READY, excluded_from_latest=False
        )
    )
    prune(made)
    assert made.ports.galleries.find_version(LIVE, BASE, foreign) is not None


def test_a_number_without_a_day_ends_nothing_else() -> None:
    made = scenes.registered({})
    for name in ("a-base", "b-base"):
        for text in ("one", "two", "three"):
            put(made, name, None, text, LOOSE)
    made.ports.clock.advance(GRACE)
    image, odd = ImageName("a-base"), GalleryVersion(1, 0, 0)
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=LIVE,
            image=image,
            version=odd,
            state=VersionState.READY,
            excluded_from_latest=True,
            tags=made.ports.galleries.list_versions(LIVE, image)[0].tags,
        )
    )
    prune(made)
    assert made.ports.galleries.find_version(LIVE, image, odd) is not None
    assert len(versions(made, image)) == 3
    assert len(versions(made, ImageName("b-base"))) == 2


def _two_bases(*texts: str) -> SimulatedWorld:
    made = scenes.registered({})
    for name in ("a-base", "b-base"):
        for text in texts:
            put(made, name, None, text, LOOSE)
    made.ports.clock.advance(GRACE)
    return made


def test_an_image_that_fails_does_not_keep_others_from_being_pruned() -> None:
    made = _two_bases("one", "two", "three")
    error = TransientError(ErrorClass.NETWORK, "no answer")
    galleries = scenes.Failing(inner=made.ports.galleries, name="list_versions", errors=[error])
    scenes.rewired(made, galleries=galleries)
    assert next_round(made) == 1
    assert scenes.logged(made, "prune-failed", subject="a-base")
    assert offered(made, ImageName("a-base")) == [1, 2, 3]
    assert offered(made, ImageName("b-base")) == [2, 3]


def test_the_fleet_is_looked_at_in_slices_and_the_next_round_waits_for_the_next_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "_NAMES", 1)
    made = _two_bases("one", "two", "three")
    looked = made.factory.pruner
    assert [looked.prune() for _ in range(4)] == [1, 1, 0, 0]
    assert offered(made, ImageName("b-base")) == [2, 3]
    before = made.ports.tables.operations
    assert looked.prune() == 0
    assert made.ports.tables.operations == before + 1


def test_a_slice_ends_with_its_requests_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_CHANGES", 1)
    made = _two_bases("one", "two", "three")
    assert made.factory.pruner.prune() == 1
    assert offered(made, ImageName("b-base")) == [1, 2, 3]
    assert made.factory.pruner.prune() == 1
    assert offered(made, ImageName("b-base")) == [2, 3]


def test_a_round_that_takes_longer_than_a_day_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_CHANGES", 1)
    made = _two_bases("one", "two", "three")
    began = made.ports.clock.now()
    made.factory.pruner.prune()
    assert not scenes.logged(made, "prune-long-round")
    current = made.factory.retention.page("", 10).round
    assert current is not None
    assert (current.began_at, current.after, current.is_over) == (began, "a-base", False)
    made.ports.clock.advance(timedelta(hours=30))
    made.factory.pruner.prune()
    assert scenes.logged(made, "prune-long-round", hours=30, is_over=True)


def test_a_slice_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_TIME", timedelta(0))
    made = _two_bases("one", "two", "three")
    assert made.factory.pruner.prune() == 0
    assert offered(made, ImageName("a-base")) == [1, 2, 3]


def test_a_version_is_not_deleted_where_its_records_could_not_be_written() -> None:
    made = four()
    next_round(made)

    def before(table: str, writes: object) -> None:
        raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.ports.clock.advance(GRACE)
    made.factory.pruner.prune()
    assert versions(made) == [1, 2, 3, 4]
    assert scenes.logged(made, "prune-raced")


def test_while_the_current_version_is_not_listed_nothing_goes() -> None:
    """A list that lies, or a version that somebody deleted: retention does not choose what is left."""
    made = four()
    current = scenes.head(made, BASE).current
    assert current is not None
    made.ports.galleries.begin_delete(LIVE, BASE, current.version)
    assert next_round(made) == 0
    assert offered(made) == [1, 2, 3]


def test_the_plan_says_what_it_would_do_and_why_the_rest_stays() -> None:
    made = four()
    plan = made.factory.retention.of_image(BASE)
    told = {step.version.sequence: (step.removal.value, [*map(str, step.reasons)]) for step in plan.steps}
    assert told == {
        1: ("exclude", []),
        2: ("exclude", []),
        3: ("keep", ["it is the last good one beside the current one"]),
        4: ("keep", ["it is current", "it is one of the newest 1"]),
    }
    assert standings(made) == {}
