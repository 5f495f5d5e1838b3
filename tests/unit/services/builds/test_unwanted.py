"""A build that waited for its container is asked about again: none is created for what nobody wants any more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.images.wishes import Wishes
from pipeline_core.services.versions.lost_parents import LostParents
from pipeline_core.services.versions.turns import Turns
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.meanwhile import slow_step
from tests.unit.services.scenes import BASE, JAVA
from tests.unit.services.versions.test_observer import TWO, current, delete, exclude

pytestmark = pytest.mark.usefixtures("first_steps_by_message")

LONG = timedelta(hours=6)
SHORT = timedelta(minutes=20)
Act = Callable[[SimulatedWorld, GalleryVersion], None]


def _about_to_build() -> tuple[SimulatedWorld, GalleryVersion, Build]:
    """The base has its first version. The child's first build is about to create its group."""
    made = scenes.registered(TWO)
    build = scenes.in_phase(made, JAVA, Phase.BUILDING)
    return made, current(made).version, build


def _pause(made: SimulatedWorld) -> None:
    made.factory.pauses.pause(ADMIN, "a bad base")


def _goes_on(made: SimulatedWorld, lasts: timedelta) -> None:
    made.run_until(made.ports.clock.now() + lasts)


def _resume(made: SimulatedWorld) -> None:
    made.factory.pauses.resume(ADMIN, "it is out")
    made.settle()


class _NoRoom:
    """A port that refuses a call about the child until there is room: the base's go on."""

    def __init__(self, inner: Any, call: str, error: TransientError) -> None:
        self._inner, self._name, self._error, self.has_room = inner, call, error, False

    def __getattr__(self, name: str) -> Any:
        return self._call if name == self._name else getattr(self._inner, name)

    def _call(self, *given: Any, **named: Any) -> Any:
        if not self.has_room and any(str(JAVA) in str(each) for each in given):
            raise self._error
        return getattr(self._inner, self._name)(*given, **named)


def _overtaken_without_room(
    port: str = "galleries", call: str = "ensure_image", error_class: ErrorClass = ErrorClass.QUOTA
) -> tuple[SimulatedWorld, _NoRoom, GalleryVersion, Build]:
    """The child waits for room, and the base has published a newer version since."""
    made, first, build = _about_to_build()
    full = _NoRoom(getattr(made.ports, port), call, TransientError(error_class, "409 none"))
    scenes.rewired(made, **{port: full})
    made.register("rhel9-base", None, text="second")
    scenes.until(made, lambda: current(made).version != first)
    return made, full, first, build


def _is_withdrawn(made: SimulatedWorld, build: Build) -> None:
    """The build ended before its container, and left nothing: no slot, no version, a claim that can be renewed."""
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.version, ended.failure) == (Result.WITHDRAWN, None, None)
    assert not made.ports.blobs.find_facts("builds", f"{attempts.folder_of(build)}/{attempts.STARTED}")
    assert build.id not in scenes.capacity(made).holders()
    assert scenes.is_announced(made, build.id)
    assert build.version is not None
    assert made.ports.galleries.find_version(LIVE, JAVA, build.version) is None


@pytest.mark.parametrize("act", [delete, exclude])
@pytest.mark.parametrize("lasts", [SHORT, LONG])
def test_secops_pause_take_out_a_base_and_resume(act: Act, lasts: timedelta) -> None:
    made, first, build = _about_to_build()
    _pause(made)
    act(made, first)
    made.factory.galleries.observe()
    _goes_on(made, lasts)
    assert scenes.stored(made, build.id).value.phase is Phase.BUILDING
    _resume(made)
    _is_withdrawn(made, build)
    assert scenes.claim(made, build).outcome is Outcome.SUPERSEDED
    entry = scenes.entry_of(made, JAVA, Event.WITHDRAWN)
    assert str(first) in entry.detail
    made.register("rhel9-base", None, text="second")
    made.settle()
    assert current(made, JAVA).inputs.origin == ParentVersion(image=BASE, version=current(made).version)
    assert current(made).version > first


@pytest.mark.parametrize("act", [delete, exclude])
@pytest.mark.parametrize(
    ("port", "call", "error_class"),
    [("galleries", "ensure_image", ErrorClass.QUOTA), ("containers", "create_group", ErrorClass.CAPACITY)],
    ids=["full quarantine", "no capacity"],
)
def test_the_parent_publishes_a_newer_version_while_the_build_waits_for_room(
    act: Act, port: str, call: str, error_class: ErrorClass
) -> None:
    made, full, first, build = _overtaken_without_room(port, call, error_class)
    act(made, first)
    _goes_on(made, LONG)
    _is_withdrawn(made, build)
    full.has_room = True
    made.settle()
    assert [each.result for each in scenes.builds(made, JAVA)] == [Result.WITHDRAWN, Result.SUCCEEDED]
    assert current(made, JAVA).inputs.origin == ParentVersion(image=BASE, version=current(made).version)


def test_a_build_that_was_only_overtaken_while_it_waited_goes_on() -> None:
    made, full, _, build = _overtaken_without_room()
    _goes_on(made, LONG)
    full.has_room = True
    made.settle()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED


def test_a_definition_that_is_reverted_in_a_pause_is_not_built() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.register("rhel9-base", None, text="bad content")
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    _pause(made)
    made.register("rhel9-base", None, text="content")
    created = made.ports.containers.created
    _resume(made)
    ended = scenes.stored(made, build.id).value
    assert (ended.result, made.ports.containers.created) == (Result.WITHDRAWN, created)


def test_a_try_after_a_lost_container_does_not_begin_for_a_lost_parent() -> None:
    made, first, build = _about_to_build()
    scenes.step(made, build)
    made.platform.next_end()
    group = attempts.group_of(build)
    scenes.until(
        made,
        lambda: bool(
            made.ports.blobs.find_facts("builds", f"{attempts.folder_of(build)}/{attempts.STARTED}")
        ),
    )
    made.ports.containers.delete_group(group)
    exclude(made, first)
    made.factory.galleries.observe()
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.attempt, ended.version) == (Result.WITHDRAWN, 2, None)


def test_a_build_that_begins_at_once_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, build = _about_to_build()

    def never(*given: object) -> None:
        raise AssertionError("a quick build asked whether it is wanted")

    monkeypatch.setattr(Turns, "find_unwanted", never)
    scenes.step(made, build)
    assert made.ports.containers.find_group(attempts.group_of(build)) is not None


@pytest.mark.parametrize("question", [(Wishes, "judge"), (LostParents, "find")], ids=["plan", "parent"])
@pytest.mark.parametrize("error", [PermanentError, TransientError])
def test_a_look_that_cannot_be_made_neither_ends_nor_delays_a_build(
    question: tuple[type, str],
    error: type[PermanentError] | type[TransientError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, full, _, build = _overtaken_without_room()
    scenes.lose(made)
    made.ports.clock.advance(LONG)
    full.has_room = True

    def fail(*given: object) -> None:
        raise error(ErrorClass.PERMISSION, "403 no")

    monkeypatch.setattr(*question, fail)
    scenes.step(made, build)
    assert made.ports.containers.find_group(attempts.group_of(build)) is not None
    assert scenes.stored(made, build.id).value.phase is Phase.BUILDING
    assert scenes.logged(made, "wish-unknown", build_id=str(build.id))


def test_a_handler_that_asked_before_the_loss_creates_nothing_after_the_end() -> None:
    made, full, first, build = _overtaken_without_room()
    scenes.lose(made)
    made.ports.clock.advance(LONG)
    full.has_room = True

    def lost() -> None:
        exclude(made, first)
        scenes.step(made, build)

    def is_note(container: str, name: str, *given: object, **named: object) -> bool:
        return attempts.LAUNCH in name

    slow_step(made, build, "blobs", "create", lost, side="before", fits=is_note)
    _is_withdrawn(made, build)
    assert made.ports.containers.find_group(attempts.group_of(build)) is None


def test_an_end_that_could_not_be_written_comes_later() -> None:
    made, first, build = _about_to_build()
    _pause(made)
    exclude(made, first)
    errors = [TransientError(ErrorClass.NETWORK, "no answer")]

    def fail_once(table: str, writes: Any) -> None:
        is_end = any(write.row.key == f"build:{build.id}" for write in writes)
        if table == "images" and is_end and errors:
            raise errors.pop()

    made.ports.clock.advance(LONG)
    made.factory.galleries.observe()
    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=fail_once))
    _resume(made)
    assert errors == []
    _is_withdrawn(made, build)
