"""The first steps of builds are taken in the run that begins them, within bounds, and none is lost."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.services.builds import dispatch
from pipeline_core.wire.messages import StepMessage
from simulation.faults import Killed
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


def _queued(count: int) -> SimulatedWorld:
    """A world in which so many builds wait for a slot, and no message is on its way."""
    names = [f"image-{number:02d}" for number in range(count)]
    made = scenes.registered({"rhel9-base": None, **dict.fromkeys(names[1:])})
    for name in ("rhel9-base", *names[1:]):
        scenes.look(made, ImageName(name))
    scenes.lose(made)
    return made


def _steps(made: SimulatedWorld) -> list[StepMessage]:
    return [StepMessage.from_wire(text) for text in scenes.texts(made, "build-steps")]


def _waiting(made: SimulatedWorld) -> int:
    return len(scenes.index(made).pending(limit=100))


def _break(made: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the next first step end in an error that its own service does not know."""
    stepper = made.parts.builds.driver

    def look(_: object, stored: object) -> None:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(type(stepper), "look", look)


def test_a_build_that_begins_has_its_container_without_another_message() -> None:
    made = _queued(1)
    made.factory.dispatcher.dispatch()
    assert made.ports.containers.created == 1
    (step,) = _steps(made)
    assert (step.seq, step.reason, step.once) == (1, "", False)  # the wait for the container
    assert _waiting(made) == 0


def test_a_run_takes_few_first_steps_and_sends_messages_for_the_others() -> None:
    made = _queued(6)
    assert made.factory.dispatcher.dispatch() == 6
    assert made.ports.containers.created == 3
    assert sorted(step.reason for step in _steps(made)) == ["", "", "", *["slot-taken"] * 3]
    assert _waiting(made) == 0


def test_a_run_that_lasts_long_sends_messages_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _queued(3)
    create = type(made.ports.containers).create_group

    def slowly(self: object, new: object) -> None:
        made.ports.clock.advance(timedelta(minutes=1))
        create(self, new)  # type: ignore[arg-type]  # the twin itself

    monkeypatch.setattr(type(made.ports.containers), "create_group", slowly)
    assert made.factory.dispatcher.dispatch() == 3
    assert made.ports.containers.created == 1
    assert sorted(step.reason for step in _steps(made)) == ["", "slot-taken", "slot-taken"]
    assert _waiting(made) == 0


def test_a_first_step_that_meets_an_error_is_left_to_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _queued(2)
    _break(made, monkeypatch, TransientError(ErrorClass.NETWORK, "no answer"))
    made.factory.dispatcher.dispatch()
    assert made.ports.containers.created == 1
    assert sorted(step.reason for step in _steps(made)) == ["", "slot-taken"]
    assert scenes.logged(made, "step-left-to-message", error="no answer")
    assert _waiting(made) == 0


def test_a_run_that_dies_before_a_first_step_leaves_the_build_in_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its message comes again. The next pass sees that the build stands still, and sets it going."""
    made = _queued(1)
    _break(made, monkeypatch, Killed())
    with pytest.raises(Killed):
        made.factory.dispatcher.dispatch()
    assert _active(made).phase is Phase.BUILDING
    assert (_waiting(made), _steps(made)) == (1, [])
    made.ports.clock.advance(timedelta(minutes=1))
    made.factory.dispatcher.dispatch()
    (step,) = _steps(made)
    assert (step.reason, step.once) == ("start-again", False)
    assert _waiting(made) == 0
    made.drain()
    assert scenes.head(made, BASE).current is not None


def test_builds_that_were_begun_take_their_first_step_though_the_pass_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = _queued(2)
    calls: list[object] = []
    read = dispatch.Dispatcher._look

    def look(self: dispatch.Dispatcher, *given: object) -> object:
        calls.append(given)
        if len(calls) > 1:
            raise TransientError(ErrorClass.NETWORK, "no answer")
        return read(self, *given)  # type: ignore[arg-type]  # as they were given

    monkeypatch.setattr(dispatch.Dispatcher, "_look", look)
    with pytest.raises(TransientError):
        made.factory.dispatcher.dispatch()
    assert made.ports.containers.created == 2
    assert _waiting(made) == 0


def _active(made: SimulatedWorld) -> Build:
    return scenes.active(made, BASE).value


def test_a_creation_that_is_refused_is_the_last_one_that_a_run_asks_for() -> None:
    """All of them have paid with their slots at one moment, so none of them would look again by itself."""
    made = _queued(3)
    refused: list[Exception] = [
        TransientError(ErrorClass.THROTTLED, "too many", retry_after=timedelta(minutes=7))
    ]
    containers = scenes.Failing(inner=made.ports.containers, name="create_group", errors=refused)
    scenes.rewired(made, containers=containers)
    assert made.factory.dispatcher.dispatch() == 3
    assert refused == []
    assert made.ports.containers.created == 0
    scenes.rewired(made)
    made.ports.clock.advance(timedelta(minutes=8))
    made.factory.sweeper.sweep()
    made.drain()
    assert all(made.versions().values())
