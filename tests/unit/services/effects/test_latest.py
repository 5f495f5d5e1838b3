"""A mark is believed when the gallery shows it and the platform has finished: everywhere where one is written."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, NotFound, TransientError
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.wire.messages import StepMessage
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
FAILS = "InternalError: the region was lost"


def _published() -> tuple[SimulatedWorld, GalleryImageVersion]:
    made = scenes.settled(ONE)
    (live,) = made.ports.galleries.list_versions(LIVE, BASE)
    return made, live


def _look(made: SimulatedWorld, version: GalleryVersion) -> GalleryImageVersion:
    live = made.ports.galleries.find_version(LIVE, BASE, version)
    assert live is not None
    return live


def test_a_mark_that_is_there_costs_no_call() -> None:
    made, live = _published()
    galleries = scenes.Failing(inner=None, name="set_excluded", errors=[])
    latest.settle(galleries, live, excluded=False)
    assert made.ports.galleries.latest(LIVE, BASE) == live.version


def test_a_change_at_once_is_read_back_at_once() -> None:
    made, live = _published()
    latest.settle(made.ports.galleries, live, excluded=True)
    assert latest.is_settled(_look(made, live.version), excluded=True)
    assert made.ports.galleries.latest(LIVE, BASE) is None


def test_a_slow_change_is_looked_at_again_and_written_once() -> None:
    made, live = _published()
    galleries = made.ports.galleries
    galleries.updating = timedelta(seconds=40)
    with pytest.raises(TransientError, match="is not out of latest of live yet") as early:
        latest.settle(galleries, live, excluded=True)
    assert (early.value.error_class, early.value.retry_after) == (ErrorClass.CONFLICT, timedelta(seconds=10))
    assert galleries.latest(LIVE, BASE) == live.version  # machines still get it
    made.ports.clock.advance(timedelta(seconds=20))
    with pytest.raises(TransientError, match="yet"):
        latest.settle(galleries, _look(made, live.version), excluded=True)
    made.ports.clock.advance(timedelta(seconds=20))
    latest.settle(galleries, _look(made, live.version), excluded=True)
    assert galleries.latest(LIVE, BASE) is None


def test_a_change_that_failed_is_told_with_its_reason_and_made_again() -> None:
    made, live = _published()
    galleries = made.ports.galleries
    galleries.update_failures = [FAILS, FAILS]
    for _ in range(2):
        with pytest.raises(TransientError, match=f"could not put .* out of latest of live; .*: {FAILS}"):
            latest.settle(galleries, _look(made, live.version), excluded=True)
        assert galleries.latest(LIVE, BASE) == live.version
    latest.settle(galleries, _look(made, live.version), excluded=True)
    assert galleries.latest(LIVE, BASE) is None


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_marks_that_differ_are_written_again(shown: bool, excluded: bool) -> None:
    """As after a command that changes the profile alone."""
    made, live = _published()
    galleries = made.ports.galleries
    galleries.add_version(replace(live, excluded_from_latest=shown, is_divided=True))
    divided = _look(made, live.version)
    assert latest.may_be_in(divided)
    latest.settle(galleries, divided, excluded=excluded)
    assert latest.is_settled(_look(made, live.version), excluded=excluded)


def test_a_version_that_is_gone_is_not_found() -> None:
    made, live = _published()
    made.ports.galleries.begin_delete(LIVE, BASE, live.version)
    made.ports.clock.advance(timedelta(hours=1))
    with pytest.raises(NotFound):
        latest.settle(made.ports.galleries, live, excluded=True)


@pytest.mark.parametrize("state", [VersionState.CREATING, VersionState.FAILED])
def test_a_copy_that_was_never_in_needs_no_change(state: VersionState) -> None:
    made, live = _published()
    made.ports.galleries.add_version(replace(live, state=state, excluded_from_latest=True))
    latest.settle(made.ports.galleries, _look(made, live.version), excluded=True)


def _publishing(*failures: str, updating: timedelta = timedelta(0)) -> tuple[SimulatedWorld, Build]:
    """A world whose one build is proven and copied, and about to be let in."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    made.ports.clock.advance(timedelta(minutes=10))
    made.ports.galleries.updating, made.ports.galleries.update_failures = updating, list(failures)
    return made, build


def test_a_build_ends_when_the_gallery_shows_its_version_in_latest_and_not_before() -> None:
    made, build = _publishing(updating=timedelta(minutes=2))
    scenes.lose(made)
    scenes.step(made, build)
    scenes.step(made, build)
    assert scenes.head(made, BASE).current is None
    assert not scenes.stored(made, build.id).value.is_finished
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def test_a_change_that_fails_twice_is_made_again_and_copies_nothing_again() -> None:
    made, build = _publishing(FAILS, FAILS, updating=timedelta(seconds=20))
    made.drain()
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.attempt) == (Result.SUCCEEDED, build.attempt)
    assert made.ports.galleries.latest(LIVE, BASE) == ended.version == build.version
    assert scenes.logged(made, "step-delayed")
    assert any(FAILS in str(line.fields.get("error")) for line in made.ports.logs.lines)


def _with_versions(*texts: str) -> tuple[SimulatedWorld, list[GalleryVersion]]:
    """An image whose definition was edited again and again; its versions in order."""
    made = scenes.registered({})
    for text in texts:
        made.register("rhel9-base", None, text=text)
        made.drain()
    return made, sorted(each.version for each in made.ports.galleries.list_versions(LIVE, BASE))


def _moments(
    made: SimulatedWorld, *, seconds: int
) -> Iterator[tuple[GalleryVersion | None, GalleryVersion | None]]:
    """What machines get and what the factory calls current, each second."""
    for _ in range(seconds):
        made.run_until(made.ports.clock.now() + timedelta(seconds=1))
        current = scenes.head(made, BASE).current
        yield made.ports.galleries.latest(LIVE, BASE), None if current is None else current.version


@pytest.mark.parametrize(
    "failures", [[], [FAILS], [FAILS, FAILS, FAILS]], ids=["well", "one fails", "three fail"]
)
def test_an_image_goes_back_when_every_higher_version_is_out_highest_first(failures: list[str]) -> None:
    made, (first, second, third) = _with_versions("one", "two", "three")
    made.ports.galleries.updating = timedelta(seconds=15)
    made.ports.galleries.update_failures = list(failures)
    made.register("rhel9-base", None, text="one")
    seen = list(_moments(made, seconds=400))
    assert seen[-1] == (first, first)
    offered = [offer for offer, _ in seen]
    assert [each for each, after in pairwise(offered) if each != after] + offered[-1:] == [
        third,
        second,
        first,
    ]
    assert all(offer == first for offer, current in seen if current == first)
    assert len(scenes.builds(made, BASE)) == 3  # nothing was built, and no claim was called pruned
    assert made.poisoned == []


def test_a_version_let_in_too_late_is_taken_back_until_the_gallery_shows_it() -> None:
    made, (first, second) = _with_versions("one", "two")
    made.register("rhel9-base", None, text="one")
    made.drain()
    build = next(each for each in scenes.builds(made, BASE) if each.version == second)
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    made.ports.galleries.updating, made.ports.galleries.update_failures = timedelta(seconds=30), [FAILS]
    message = StepMessage(build=str(build.id), seq=build.seq)
    made.ports.queues.send("build-steps", message.to_wire())
    made.drain()
    assert made.ports.galleries.latest(LIVE, BASE) == first
    assert latest.is_settled(_look(made, second), excluded=True)
