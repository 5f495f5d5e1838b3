"""Retention: what no rule keeps is excluded, then deleted after its grace period. What is used is never touched."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, TableWrite, VersionState
from pipeline_core.services.upkeep import prune
from pipeline_core.state.versions import VersionStore
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

LOOSE = {"keep": 1, "keepInUse": False}
DAY = timedelta(days=1)
GRACE = timedelta(days=8)


def _put(made: SimulatedWorld, name: str, parent: str | None, text: str, retention: dict[str, Any]) -> None:
    document = fleet.document(name, parent)
    document["spec"]["retention"] = retention
    image = ImageName(name)
    known = scenes.images(made).find_head(image)
    expected = None if known is None else str(known.value.registration.definition)
    bundle = world.upload(made, text)
    made.factory.registrar.register(
        image, document, bundle, ADMIN, expected=expected, create_only=expected is None
    )
    made.drain()


def _versions(made: SimulatedWorld, image: ImageName = BASE) -> list[int]:
    return [found.version.sequence for found in made.ports.galleries.list_versions(LIVE, image)]


def _offered(made: SimulatedWorld, image: ImageName = BASE) -> list[int]:
    listed = made.ports.galleries.list_versions(LIVE, image)
    return [found.version.sequence for found in listed if not found.excluded_from_latest]


def _standings(made: SimulatedWorld, image: ImageName = BASE) -> dict[int, Standing]:
    records = VersionStore(made.ports.tables).of_image(image)
    return {version.sequence: stored.value.standing for version, stored in records.items()}


def _of(retention: dict[str, Any], *texts: str) -> SimulatedWorld:
    """A base with a live version for each text; the oldest is older than the grace period."""
    made = scenes.registered({})
    for text in texts:
        _put(made, "rhel9-base", None, text, retention)
    made.ports.clock.advance(GRACE)
    return made


def _four(retention: dict[str, Any] = LOOSE) -> SimulatedWorld:
    made = _of(retention, "one", "two", "three", "four")
    assert _versions(made) == [1, 2, 3, 4]
    return made


def _round(made: SimulatedWorld, later: timedelta = DAY) -> int:
    """The next day's round, in as many slices as it takes."""
    made.ports.clock.advance(later)
    changed = 0
    for _ in range(50):
        changed += made.factory.pruner.prune()
        found = made.base.records.rounds.find(prune.ROUND)
        if found is not None and found.value.is_over:
            return changed
    raise AssertionError("the round has no end")


def _prune(made: SimulatedWorld) -> None:
    """Exclude, let the grace period pass, delete."""
    _round(made)
    _round(made, GRACE)


def test_what_no_rule_keeps_is_excluded_with_its_end_of_life_and_stays_for_its_grace_period() -> None:
    made = _four()
    assert _round(made) == 2
    assert (_versions(made), _offered(made)) == ([1, 2, 3, 4], [3, 4])
    first = made.ports.galleries.list_versions(LIVE, BASE)[0]
    assert first.end_of_life == made.ports.clock.now() + timedelta(days=7)
    assert _standings(made) == {1: Standing.PRUNING, 2: Standing.PRUNING}
    assert scenes.events(made, BASE).count(Event.RETIRED) == 2
    for _ in range(6):
        assert _round(made) == 0
    assert _versions(made) == [1, 2, 3, 4]


def test_after_the_grace_period_it_is_deleted_and_its_claim_says_so() -> None:
    made = _four()
    _prune(made)
    assert _versions(made) == [3, 4]
    outcomes = [scenes.claim(made, build).outcome for build in scenes.builds(made, BASE)]
    assert outcomes == [Outcome.PRUNED, Outcome.PRUNED, Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert scenes.events(made, BASE).count(Event.PRUNED) == 2
    assert _standings(made) == {1: Standing.PRUNED, 2: Standing.PRUNED}
    assert _round(made) == 0


def test_the_last_good_version_stays_beside_the_current_one() -> None:
    made = _of(LOOSE, "one", "two")
    _prune(made)
    assert _versions(made) == [1, 2]


def test_an_input_whose_version_was_pruned_is_built_again() -> None:
    made = _four()
    _prune(made)
    _put(made, "rhel9-base", None, "one", LOOSE)
    builds = scenes.builds(made, BASE)
    assert [build.generation for build in builds] == [1, 1, 1, 1, 2]
    assert scenes.head(made, BASE).current is not None
    assert len(_versions(made)) == 3


def test_what_may_be_in_use_stays_and_the_image_says_why() -> None:
    made = _four({"keep": 1, "keepInUse": True})
    _prune(made)
    assert _versions(made) == [1, 2, 3, 4]
    (condition,) = made.factory.queries.image(BASE).image.conditions
    assert (condition.type.value, condition.reason) == ("VersionsKept", "UseUnknown")
    assert "2 live versions" in condition.message
    assert "keepInUse: false" in condition.message
    (listed,) = made.factory.queries.images().images
    assert listed.conditions == (condition,)


def test_the_condition_ends_with_its_cause() -> None:
    made = _four({"keep": 1, "keepInUse": True})
    _round(made)
    _put(made, "rhel9-base", None, "four", {"keep": 4, "keepInUse": True})
    _round(made)
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_the_number_to_keep_is_kept() -> None:
    made = _four({"keep": 3, "keepInUse": False})
    _prune(made)
    assert _versions(made) == [2, 3, 4]


def _moving_on(made: SimulatedWorld) -> None:
    for text in ("two", "three", "four"):
        _put(made, "rhel9-base", None, text, LOOSE)
    made.ports.clock.advance(GRACE)


def test_the_version_that_a_child_is_built_from_stays() -> None:
    made = scenes.registered({})
    _put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    made.register("rhel9-java", "rhel9-base", suspend=True)
    _moving_on(made)
    _prune(made)
    assert _versions(made) == [1, 3, 4]
    assert scenes.rest_of(made, JAVA) == "suspended"


def test_the_version_that_a_moved_child_is_built_from_stays() -> None:
    """It is a child of another image now, and its current version still comes from this one."""
    made = scenes.registered({})
    _put(made, "rhel9-base", None, "one", LOOSE)
    made.register("other-base", None)
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    made.register("rhel9-java", "other-base", suspend=True)
    _moving_on(made)
    _prune(made)
    assert _versions(made) == [1, 3, 4]


def test_the_version_that_a_running_build_of_a_child_is_made_from_stays() -> None:
    made = scenes.registered({})
    _put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    build = scenes.in_phase(made, JAVA, Phase.BUILDING)
    scenes.lose(made)  # the child's build stands still
    _moving_on(made)
    assert scenes.active(made, JAVA).value == build
    _prune(made)
    assert _versions(made) == [1, 3, 4]


def test_the_current_version_stays_even_where_it_is_the_oldest() -> None:
    made = _four()
    _put(made, "rhel9-base", None, "one", LOOSE)  # back to the first input: its version is current again
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1
    _prune(made)
    assert _versions(made) == [1, 2, 4]


def test_a_copy_of_the_fleet_that_lags_decides_nothing() -> None:
    """The handler that made the old version current died before it wrote the fleet's copy."""
    made = _four()
    before = scenes.head(made, BASE)
    _put(made, "rhel9-base", None, "one", LOOSE)
    index = scenes.index(made)
    assert index.replace_copy(BASE, before, over=index.find_copy(BASE))
    _prune(made)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert (current.version.sequence, _versions(made)) == (1, [1, 2, 4])
    assert made.ports.galleries.latest(LIVE, BASE) == current.version


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
    made = _four()
    for _ in range(rounds):
        _round(made)
        made.ports.clock.advance(GRACE)
    _meanwhile(made, lambda: _put(made, "rhel9-base", None, "one", LOOSE))
    _round(made)
    _round(made, GRACE)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1
    assert 1 in _versions(made)
    assert made.ports.galleries.latest(LIVE, BASE) == current.version


def test_a_version_that_becomes_current_in_its_grace_period_is_taken_back() -> None:
    made = _four()
    _round(made)
    _put(made, "rhel9-base", None, "one", LOOSE)
    _round(made)
    first = made.ports.galleries.list_versions(LIVE, BASE)[0]
    assert (first.version.sequence, first.excluded_from_latest, first.end_of_life) == (1, False, None)
    assert _standings(made)[1] is Standing.LIVE
    assert Event.TAKEN_BACK in scenes.events(made, BASE)
    _round(made, GRACE)
    assert 1 in _versions(made)


def test_a_version_that_a_rule_keeps_again_is_taken_back() -> None:
    made = _four()
    _round(made)
    assert _offered(made) == [3, 4]
    _put(made, "rhel9-base", None, "four", {"keep": 4, "keepInUse": False})
    _round(made)
    assert _offered(made) == [1, 2, 3, 4]
    assert {each.end_of_life for each in made.ports.galleries.list_versions(LIVE, BASE)} == {None}
    _round(made, GRACE)
    assert _versions(made) == [1, 2, 3, 4]


def test_an_exclusion_that_was_lost_is_made_again_before_anything_is_deleted() -> None:
    made = _four()
    made.ports.galleries.update_failures[:] = ["InternalError", "InternalError"]
    _round(made)
    assert made.ports.galleries.list_versions(LIVE, BASE)[0].state is VersionState.UPDATE_FAILED
    _round(made)
    assert _offered(made) == [3, 4]
    _round(made, GRACE)
    assert _versions(made) == [3, 4]


def test_a_version_that_somebody_included_again_is_not_deleted_at_once() -> None:
    made = _four()
    _round(made)
    for found in made.ports.galleries.list_versions(LIVE, BASE)[:1]:
        made.ports.galleries.set_excluded(LIVE, BASE, found.version, excluded=False)
    _round(made, GRACE)
    assert _versions(made) == [1, 3, 4]
    _round(made)
    assert _versions(made) == [3, 4]


def test_a_deletion_that_was_lost_is_made_again() -> None:
    made = _four()
    _round(made)
    error = TransientError(ErrorClass.NETWORK, "no answer")
    failing = scenes.Failing(inner=made.ports.galleries, name="begin_delete", errors=[error])
    scenes.rewired(made, galleries=failing)
    _round(made, GRACE)
    assert _standings(made)[1] is Standing.PRUNED
    assert _versions(made) == [1, 2, 3, 4]
    _round(made)
    assert _versions(made) == [3, 4]


def test_what_is_not_ours_is_never_deleted() -> None:
    made = _four()
    foreign = GalleryVersion(1, 20200101, 1)
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=LIVE, image=BASE, version=foreign, state=VersionState.READY, excluded_from_latest=False
        )
    )
    _prune(made)
    assert made.ports.galleries.find_version(LIVE, BASE, foreign) is not None


def test_a_number_without_a_day_ends_nothing_else() -> None:
    made = scenes.registered({})
    for name in ("a-base", "b-base"):
        for text in ("one", "two", "three"):
            _put(made, name, None, text, LOOSE)
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
    _prune(made)
    assert made.ports.galleries.find_version(LIVE, image, odd) is not None
    assert len(_versions(made, image)) == 3
    assert len(_versions(made, ImageName("b-base"))) == 2


def _two_bases(*texts: str) -> SimulatedWorld:
    made = scenes.registered({})
    for name in ("a-base", "b-base"):
        for text in texts:
            _put(made, name, None, text, LOOSE)
    made.ports.clock.advance(GRACE)
    return made


def test_an_image_that_fails_does_not_keep_others_from_being_pruned() -> None:
    made = _two_bases("one", "two", "three")
    error = TransientError(ErrorClass.NETWORK, "no answer")
    galleries = scenes.Failing(inner=made.ports.galleries, name="list_versions", errors=[error])
    scenes.rewired(made, galleries=galleries)
    assert _round(made) == 1
    assert scenes.logged(made, "prune-failed", subject="a-base")
    assert _offered(made, ImageName("a-base")) == [1, 2, 3]
    assert _offered(made, ImageName("b-base")) == [2, 3]


def test_the_fleet_is_looked_at_in_slices_and_the_next_round_waits_for_the_next_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prune, "_NAMES", 1)
    made = _two_bases("one", "two", "three")
    looked = made.factory.pruner
    assert [looked.prune() for _ in range(4)] == [1, 1, 0, 0]
    assert _offered(made, ImageName("b-base")) == [2, 3]
    before = made.ports.tables.operations
    assert looked.prune() == 0
    assert made.ports.tables.operations == before + 1


def test_a_slice_ends_with_its_requests_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_CHANGES", 1)
    made = _two_bases("one", "two", "three")
    assert made.factory.pruner.prune() == 1
    assert _offered(made, ImageName("b-base")) == [1, 2, 3]
    assert made.factory.pruner.prune() == 1
    assert _offered(made, ImageName("b-base")) == [2, 3]


def test_a_slice_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_TIME", timedelta(0))
    made = _two_bases("one", "two", "three")
    assert made.factory.pruner.prune() == 0
    assert _offered(made, ImageName("a-base")) == [1, 2, 3]


def test_a_version_is_not_deleted_where_its_records_could_not_be_written() -> None:
    made = _four()
    _round(made)

    def before(table: str, writes: object) -> None:
        raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.ports.clock.advance(GRACE)
    made.factory.pruner.prune()
    assert _versions(made) == [1, 2, 3, 4]
    assert scenes.logged(made, "prune-raced")


def test_while_the_current_version_is_not_listed_nothing_goes() -> None:
    """A list that lies, or a version that somebody deleted: retention does not choose what is left."""
    made = _four()
    current = scenes.head(made, BASE).current
    assert current is not None
    made.ports.galleries.begin_delete(LIVE, BASE, current.version)
    assert _round(made) == 0
    assert _offered(made) == [1, 2, 3]


def test_the_plan_says_what_it_would_do_and_why_the_rest_stays() -> None:
    made = _four()
    plan = made.factory.retention.of_image(BASE)
    told = {step.version.sequence: (step.removal.value, [*map(str, step.reasons)]) for step in plan.steps}
    assert told == {
        1: ("exclude", []),
        2: ("exclude", []),
        3: ("keep", ["it is the last good one beside the current one"]),
        4: ("keep", ["it is current", "it is one of the newest 1"]),
    }
    assert _standings(made) == {}
