"""No version enters `latest` that was built from a parent version which was taken away meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, VersionState
from pipeline_core.services.versions.lost_parents import LostParents
from pipeline_core.state.galleries.versions import put_version
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA
from tests.unit.services.versions.test_observer import TWO, current, delete, exclude

LONG = timedelta(hours=6)
V = GalleryVersion(9, 20261121, 1)
Act = Callable[[SimulatedWorld, GalleryVersion], None]


def _slow_child(made: SimulatedWorld) -> Build:
    """The child's copy to the live gallery has begun, and takes hours. The base's next one does not."""
    usual, made.ports.galleries.replication = made.ports.galleries.replication, LONG
    build = scenes.in_phase(made, JAVA, Phase.PUBLISHING)
    scenes.until(
        made,
        lambda: (
            made.ports.galleries.find_version(LIVE, JAVA, _version(scenes.active(made, JAVA).value))
            is not None
        ),
    )
    made.ports.galleries.replication = usual
    return build


def _version(build: Build) -> GalleryVersion:
    assert build.version is not None
    return build.version


def _first() -> tuple[SimulatedWorld, GalleryVersion, Build]:
    """The base has its first version, which the child's first build is made from and waits for its copy."""
    made = scenes.registered(TWO)
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    build = _slow_child(made)
    return made, current(made).version, build


def _overtaken() -> tuple[SimulatedWorld, GalleryVersion, Build]:
    """The same, and the base has another version since."""
    made, first, build = _first()
    made.register("rhel9-base", None, text="second")
    scenes.until(made, lambda: current(made).version != first)
    return made, first, build


def _ended(made: SimulatedWorld, build: Build) -> Result | None:
    """How the build ends."""
    scenes.until(made, lambda: scenes.stored(made, build.id).value.is_finished)
    return scenes.stored(made, build.id).value.result


def test_a_child_of_a_version_that_was_taken_out_never_enters_latest_where_nothing_is_current_since() -> None:
    made, first, build = _first()
    exclude(made, first)
    made.factory.galleries.observe()
    assert scenes.head(made, BASE).current is None
    assert _ended(made, build) is Result.WITHDRAWN
    assert made.ports.galleries.latest(LIVE, JAVA) is None
    ended = scenes.stored(made, build.id).value
    record = made.base.records.versions.find(JAVA, _version(ended))
    assert record is not None
    assert record.value.standing is Standing.SPARE
    assert record.value.reason == f"{BASE}@{first} is no longer current, and no other version of {BASE} is"


def test_the_child_s_version_is_used_when_the_parent_s_is_let_in_again() -> None:
    made, first, build = _first()
    exclude(made, first)
    made.factory.galleries.observe()
    _ended(made, build)
    made.factory.readmission.include(BASE, first, ADMIN, "it was good")
    made.settle()
    assert current(made).version == first
    assert current(made, JAVA).build == build.id
    assert len(scenes.builds(made, JAVA)) == 1


def test_a_child_that_was_only_overtaken_is_let_in() -> None:
    made, first, build = _overtaken()
    assert _ended(made, build) is Result.SUCCEEDED
    made.settle()
    assert current(made, JAVA).build != build.id
    assert made.ports.galleries.find_version(LIVE, BASE, first) is not None


def test_a_parent_version_that_was_lost_and_followed_by_a_new_one_is_still_lost() -> None:
    made, first, build = _first()
    exclude(made, first)
    made.factory.galleries.observe()
    made.register("rhel9-base", None, text="second")
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    assert not scenes.stored(made, build.id).value.is_finished
    assert _ended(made, build) is Result.WITHDRAWN
    made.settle()
    assert [each.result for each in scenes.builds(made, JAVA)][-1] is Result.SUCCEEDED
    assert current(made, JAVA).inputs.origin == ParentVersion(image=BASE, version=current(made).version)


@pytest.mark.parametrize("act", [delete, exclude])
def test_an_older_parent_version_that_somebody_takes_away_keeps_the_child_out(act: Act) -> None:
    """No look at the galleries finds it: they are about the parent's current version."""
    made, first, build = _overtaken()
    act(made, first)
    assert _ended(made, build) is Result.WITHDRAWN
    made.settle()
    assert made.ports.galleries.latest(LIVE, JAVA) == current(made, JAVA).version
    assert current(made, JAVA).build != build.id


def test_a_former_parent_s_version_that_was_taken_away_keeps_the_child_out() -> None:
    made, first, build = _first()
    made.register("other", None)
    made.register("rhel9-java", "other")
    exclude(made, first)
    made.factory.galleries.observe()
    assert _ended(made, build) is Result.WITHDRAWN


def _asked(made: SimulatedWorld) -> LostParents:
    return made.parts.versions.turns.parents


def test_a_root_and_a_child_of_the_parent_s_current_version_cost_no_call_of_a_gallery() -> None:
    made = scenes.settled(TWO)
    parents = replace(_asked(made), galleries=cast(Galleries, None))
    for name in (BASE, JAVA):
        assert parents.find(scenes.builds(made, name)[-1]) == ""


def test_a_gallery_that_does_not_answer_for_its_definition_takes_nothing_away() -> None:
    made, first, build = _overtaken()
    galleries = made.ports.galleries
    delete(made, first)
    assert _asked(made).find(build) == f"{LIVE} no longer holds {BASE}@{first}"
    silent = SimpleNamespace(find_version=galleries.find_version, find_image=lambda *place: None)
    assert replace(_asked(made), galleries=cast(Galleries, silent)).find(build) == ""


@pytest.mark.parametrize(
    ("state", "is_lost"),
    [
        (VersionState.READY, True),
        (VersionState.UPDATING, False),
        (VersionState.UPDATE_FAILED, False),
        (VersionState.DELETING, True),
        (VersionState.FAILED, True),
    ],
)
def test_marks_that_are_being_changed_say_nothing(state: VersionState, *, is_lost: bool) -> None:
    made, first, build = _overtaken()
    shown = made.ports.galleries.find_version(LIVE, BASE, first)
    assert shown is not None
    seen = replace(shown, state=state, excluded_from_latest=True)
    busy = SimpleNamespace(find_version=lambda *place: seen, find_image=made.ports.galleries.find_image)
    assert bool(replace(_asked(made), galleries=cast(Galleries, busy)).find(build)) is is_lost


@pytest.mark.parametrize("standing", Standing)
def test_what_the_factory_keeps_out_is_not_lost(standing: Standing) -> None:
    made, first, build = _overtaken()
    record = VersionRecord(image=BASE, version=first, standing=standing)
    made.base.records.images.commit([put_version(record, etag=None)])
    is_lost = standing in (Standing.EXCLUDED, Standing.GONE, Standing.PRUNED)
    assert bool(_asked(made).find(build)) is is_lost


def test_a_parent_that_was_deleted_takes_nothing_away() -> None:
    made, _, build = _overtaken()
    nobody = replace(
        build, inputs=replace(build.inputs, origin=ParentVersion(image=ImageName("x"), version=V))
    )
    assert _asked(made).find(nobody) == ""
