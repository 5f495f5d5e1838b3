"""Two handlers at one container group: what one of them has read may be over when it acts on it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.ports import ContainerGroup, GroupState
from pipeline_core.services.builds.containers import ContainerStage
from pipeline_core.wire.messages import StepMessage
from pipeline_core.wire.report import BuildReport
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.meanwhile import slow_step
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _about_to_build() -> tuple[SimulatedWorld, Build]:
    """A world whose one build is about to create its group; its messages are held back by the test."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    return made, build


def _begins(made: SimulatedWorld, build: Build) -> Callable[[], None]:
    """Another handler creates the group, and its container begins to run."""

    def action() -> None:
        scenes.step(made, build)
        made.platform.next_end()
        group = made.ports.containers.find_group(attempts.group_of(build))
        assert group is not None
        assert group.state is GroupState.RUNNING

    return action


class _Blind:
    """Containers that one handler looks at once: what it saw then, it believes until it is done."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._seen: dict[str, ContainerGroup | None] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def find_group(self, name: str) -> ContainerGroup | None:
        if name not in self._seen:
            self._seen[name] = self._inner.find_group(name)
        return self._seen[name]


@pytest.mark.parametrize("looks_again", [True, False], ids=["as it is", "without the second look"])
@pytest.mark.usefixtures("first_steps_by_message")
def test_a_group_that_another_created_since_the_look_is_not_an_eviction(looks_again: bool) -> None:
    made, build = _about_to_build()
    others = scenes.once(_begins(made, build))
    first = _Blind(made.ports.containers) if not looks_again else made.ports.containers

    class _Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(first, name)

        def find_group(self, name: str) -> ContainerGroup | None:
            found = first.find_group(name)
            scenes.rewired(made)
            others()
            return found

    scenes.rewired(made, containers=_Slow())
    scenes.step(made, build)
    scenes.rewired(made)
    after = scenes.stored(made, build.id).value
    assert (after.attempt == 1) is looks_again
    assert made.ports.containers.created == 1
    if not looks_again:
        return  # a container runs for an attempt that counts as evicted
    made.drain()
    (ended,) = scenes.builds(made, BASE)
    assert (ended.result, ended.attempt) == (Result.SUCCEEDED, 1)
    assert made.ports.containers.created == 2  # one to build, one to verify


def test_a_report_that_is_written_between_two_looks_is_not_deleted_with_its_group() -> None:
    made, build = _about_to_build()
    scenes.step(made, build)
    made.platform.next_end()
    scenes.lose(made)
    made.ports.clock.advance(timedelta(minutes=11))  # its log has not grown since: it counts as silent
    now = made.ports.clock.now()
    report = BuildReport(
        build=str(build.id),
        stage="build",
        attempt=1,
        succeeded=True,
        packer="recorded",
        started_at=now,
        ended_at=now,
        artifact=f"versions/{build.version}",
    )
    name = f"{build.id}/build-1/result.json"

    def write() -> None:
        made.ports.blobs.create("builds", name, report.to_wire(), media_type="application/json")

    def is_log(container: str, blob: str) -> bool:
        return blob.endswith("/log.txt")

    slow_step(made, build, "blobs", "find_facts", write, side="after", fits=is_log)
    assert made.ports.containers.find_group(attempts.group_of(build)) is not None
    scenes.step(made, build)
    after = scenes.stored(made, build.id).value
    assert (after.phase, after.attempt) == (Phase.VERIFYING, 1)
    assert after.build_result is not None


def test_a_group_that_another_deleted_since_the_look_is_not_created_again() -> None:
    made, build = _about_to_build()
    scenes.step(made, build)
    made.platform.next_end()
    scenes.lose(made)
    name = attempts.group_of(build)

    def vanish() -> None:
        made.ports.containers.delete_group(name)

    slow_step(made, build, "containers", "find_group", vanish, side="after")
    assert made.ports.containers.created == 1
    assert scenes.stored(made, build.id).value == build  # it was still there for all that this one knows
    scenes.step(made, build)
    after = scenes.stored(made, build.id).value
    assert (after.phase, after.attempt) == (Phase.BUILDING, 2)
    assert made.ports.containers.created == 1


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_group_is_created_at_once_when_a_new_definition_is_there() -> None:
    """On Azure a definition takes seconds. The note that another handler may be creating the group lasts longer."""
    made, _ = _about_to_build()
    made.ports.galleries.defining = timedelta(seconds=5)
    began = made.ports.clock.now()
    scenes.step(made, scenes.active(made, BASE).value)
    scenes.until(made, lambda: bool(made.ports.containers.names()))
    assert timedelta(seconds=5) <= made.ports.clock.now() - began < attempts.CREATION


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_definition_that_is_being_made_is_looked_at_soon_and_then_less_often() -> None:
    """Nothing has failed, so the backoff of failures, 15 seconds at first, does not count."""
    made, _ = _about_to_build()
    made.ports.galleries.defining = timedelta(seconds=20)
    build, waits = scenes.active(made, BASE).value, []
    message = StepMessage(build=str(build.id), seq=build.seq)
    for _ in range(3):
        scenes.lose(made)
        made.factory.driver.step(message, redelivered=False)
        (sent,) = made.ports.queues.messages("build-steps")
        message = StepMessage.from_wire(sent.text)
        waits.append(sent.visible_at - made.ports.clock.now())
    assert waits == [timedelta(seconds=each) for each in (1, 4, 16)]


class _Watched:
    """Galleries that say whether somebody may be creating a group at each call."""

    def __init__(self, made: SimulatedWorld, note: str) -> None:
        self._made, self._note, self.seen = made, note, set[bool]()

    def __getattr__(self, name: str) -> Any:
        self.seen.add(self._made.ports.blobs.find_facts("builds", self._note) is not None)
        return getattr(self._made.ports.galleries, name)


@pytest.mark.usefixtures("first_steps_by_message")
def test_only_the_creation_itself_follows_its_note() -> None:
    """The bound of a creation is one call long, so what Azure is asked for a job is asked before the note."""
    made, build = _about_to_build()
    watched = _Watched(made, f"{attempts.folder_of(build)}/{attempts.LAUNCHED}")
    scenes.rewired(made, galleries=watched)
    scenes.step(made, build)
    assert made.ports.containers.names()
    assert watched.seen == {False}


def _creates(stage: ContainerStage, build: Build, now: datetime) -> bool:
    """True where this handler would call Azure."""
    turn = stage._find_turn(build, now)
    return turn is not None and stage._takes_turn(build, turn)


@pytest.mark.usefixtures("first_steps_by_message")
def test_after_a_refused_creation_one_of_two_handlers_creates_again() -> None:
    """The note of the first creation is old, so both would believe that they may. A second PUT restarts containers."""
    made, build = _about_to_build()
    folder = attempts.folder_of(build)
    made.ports.blobs.create("builds", f"{folder}/{attempts.LAUNCHED}", b"{}", media_type="application/json")
    made.ports.clock.advance(attempts.CREATION + timedelta(seconds=1))
    stage = made.parts.builds.containers
    now = made.ports.clock.now()
    assert [_creates(stage, build, now) for _ in range(3)] == [True, False, False]
    made.ports.clock.advance(attempts.CREATION + timedelta(seconds=1))
    later = made.ports.clock.now()
    assert [_creates(stage, build, later) for _ in range(2)] == [True, False]


@pytest.mark.usefixtures("first_steps_by_message")
def test_two_handlers_that_read_the_same_notes_leave_one_creation() -> None:
    made, build = _about_to_build()
    stage, folder = made.parts.builds.containers, attempts.folder_of(build)
    made.ports.blobs.create("builds", f"{folder}/{attempts.LAUNCHED}", b"{}", media_type="application/json")
    made.ports.clock.advance(attempts.CREATION + timedelta(seconds=1))
    now, answers = made.ports.clock.now(), list[bool]()

    def overtake() -> None:
        answers.append(_creates(stage, build, now))

    slow_step(made, build, "blobs", "list", overtake, side="after")
    assert answers == [True]
    assert made.ports.containers.created == 0
