"""Retention: what no rule keeps goes, its claim says so, and what may be in use stays."""

from typing import Any

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

LOOSE = {"keep": 1, "keepInUse": False}


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


def _versions(made: SimulatedWorld, image: ImageName) -> list[int]:
    return [found.version.sequence for found in made.ports.galleries.list_versions(LIVE, image)]


def _three(retention: dict[str, Any]) -> SimulatedWorld:
    """A base with three live versions."""
    made = scenes.registered({})
    for text in ("one", "two", "three"):
        _put(made, "rhel9-base", None, text, retention)
    assert _versions(made, BASE) == [1, 2, 3]
    return made


def test_all_but_the_newest_go_and_their_claims_say_so() -> None:
    made = _three(LOOSE)
    assert made.factory.pruner.prune() == 2
    assert _versions(made, BASE) == [3]
    outcomes = [scenes.claim(made, build).outcome for build in scenes.builds(made, BASE)]
    assert outcomes == [Outcome.PRUNED, Outcome.PRUNED, Outcome.SUCCEEDED]
    assert scenes.events(made, BASE).count(Event.PRUNED) == 2
    assert made.factory.pruner.prune() == 0


def test_an_input_whose_version_was_pruned_is_built_again() -> None:
    made = _three(LOOSE)
    made.factory.pruner.prune()
    _put(made, "rhel9-base", None, "one", LOOSE)
    builds = scenes.builds(made, BASE)
    assert [build.generation for build in builds] == [1, 1, 1, 2]
    assert _versions(made, BASE) == [3, 4]


def test_what_may_be_in_use_stays() -> None:
    made = _three({"keep": 1, "keepInUse": True})
    assert made.factory.pruner.prune() == 0
    assert _versions(made, BASE) == [1, 2, 3]


def test_the_number_to_keep_is_kept() -> None:
    made = _three({"keep": 2, "keepInUse": False})
    assert made.factory.pruner.prune() == 1
    assert _versions(made, BASE) == [2, 3]


def test_the_version_that_a_child_is_built_from_stays() -> None:
    made = scenes.registered({})
    _put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    made.register("rhel9-java", "rhel9-base", suspend=True)
    for text in ("two", "three"):
        _put(made, "rhel9-base", None, text, LOOSE)
    assert made.factory.pruner.prune() == 1
    assert _versions(made, BASE) == [1, 3]
    assert scenes.rest_of(made, JAVA) == "suspended"


def test_the_version_that_a_running_build_of_a_child_is_made_from_stays() -> None:
    made = scenes.registered({})
    _put(made, "rhel9-base", None, "one", LOOSE)
    made.register("rhel9-java", "rhel9-base")
    build = scenes.in_phase(made, JAVA, Phase.BUILDING)
    scenes.lose(made)  # the child's build stands still
    for text in ("two", "three"):
        _put(made, "rhel9-base", None, text, LOOSE)
    assert scenes.active(made, JAVA).value == build
    assert made.factory.pruner.prune() == 1
    assert _versions(made, BASE) == [1, 3]


def test_the_current_version_stays_even_where_it_is_the_oldest() -> None:
    made = _three(LOOSE)
    _put(made, "rhel9-base", None, "one", LOOSE)  # back to the first input: its version is current again
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version.sequence == 1
    made.factory.pruner.prune()
    assert _versions(made, BASE) == [1, 3]


def test_what_is_not_ours_is_never_deleted() -> None:
    made = _three(LOOSE)
    foreign = GalleryVersion(1, 20200101, 1)
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=LIVE, image=BASE, version=foreign, state=VersionState.READY, excluded_from_latest=False
        )
    )
    made.factory.pruner.prune()
    assert made.ports.galleries.find_version(LIVE, BASE, foreign) is not None


def test_an_image_that_fails_does_not_keep_others_from_being_pruned() -> None:
    made = scenes.registered({})
    for name in ("a-base", "b-base"):
        for text in ("one", "two"):
            _put(made, name, None, text, LOOSE)
    error = TransientError(ErrorClass.NETWORK, "no answer")
    galleries = scenes.Failing(inner=made.ports.galleries, name="list_versions", errors=[error])
    scenes.rewired(made, galleries=galleries)
    assert made.factory.pruner.prune() == 1
    assert scenes.logged(made, "prune-failed", image="a-base")
    assert _versions(made, ImageName("a-base")) == [1, 2]
    assert _versions(made, ImageName("b-base")) == [2]


def test_a_version_is_not_deleted_where_its_claim_could_not_be_written() -> None:
    made = _three(LOOSE)

    def before(table: str, writes: object) -> None:
        raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory.pruner.prune()
    assert _versions(made, BASE) == [1, 2, 3]
