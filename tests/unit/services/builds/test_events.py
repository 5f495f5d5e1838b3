"""Events of the builder are hints: the attempt that runs is looked at now, everything else is a named no-op."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.wire import messages
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _running() -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.step(made, build)
    scenes.lose(made)
    return made, build


@pytest.mark.parametrize(("stage", "attempt"), [("build", 2), ("verify", 1)])
def test_an_event_of_another_attempt_or_stage_is_a_named_no_op(stage: str, attempt: int) -> None:
    made, build = _running()
    message = messages.BuildEventMessage.model_validate(
        {"build": str(build.id), "stage": stage, "attempt": attempt, "kind": "completed"}
    )
    made.factory.build_events.observe(message)
    assert scenes.texts(made, "build-steps") == []
    assert scenes.logged(made, "event-outdated", build_id=str(build.id))


def test_an_event_of_the_running_attempt_has_the_build_looked_at_now() -> None:
    made, build = _running()
    message = messages.BuildEventMessage(build=str(build.id), stage="build", attempt=1, kind="completed")
    made.factory.build_events.observe(message)
    (text,) = scenes.texts(made, "build-steps")
    assert messages.StepMessage.from_wire(text).seq == build.seq


@pytest.mark.parametrize("kind", ["completed", "restarted"])
def test_an_end_that_another_container_reports_is_not_believed(kind: str) -> None:
    """Every builder may send to the queue. The event brings one look, and the look finds a container that runs."""
    made, build = _running()
    made.platform.advance()  # the container begins
    scenes.lose(made)
    message = messages.BuildEventMessage.model_validate(
        {"build": str(build.id), "stage": "build", "attempt": 1, "kind": kind}
    )
    for _ in range(3):
        made.factory.build_events.observe(message)
    after = scenes.stored(made, build.id).value
    assert (after.phase, after.seq, after.attempt) == (Phase.BUILDING, build.seq, 1)
    assert made.ports.containers.names() == [attempts.group_of(build)]
    assert scenes.head(made, BASE).current is None


def test_the_event_of_an_end_moves_the_build_on_without_a_message_in_between() -> None:
    made, build = _running()
    made.platform.advance()  # the container begins
    made.ports.clock.advance(timedelta(minutes=20))
    made.platform.advance()  # and ends
    (text,) = scenes.texts(made, "build-events")
    scenes.lose(made)
    made.factory.build_events.observe(messages.BuildEventMessage.from_wire(text))
    moved = scenes.stored(made, build.id).value
    assert (moved.phase, moved.seq) == (Phase.VERIFYING, build.seq + 1)
    (step,) = scenes.texts(made, "build-steps")
    assert messages.StepMessage.from_wire(step).seq == moved.seq


def test_an_event_that_comes_twice_forks_no_chain_beyond_the_next_transition() -> None:
    made, build = _running()
    message = messages.BuildEventMessage(build=str(build.id), stage="build", attempt=1, kind="completed")
    for _ in range(2):
        made.factory.build_events.observe(message)
    made.drain()
    (ended,) = scenes.builds(made, BASE)
    assert ended.result is Result.SUCCEEDED
    assert scenes.texts(made, "build-steps") == []


def test_an_event_of_an_unknown_build_is_a_named_no_op() -> None:
    made = scenes.registered(ONE)
    build = "rhel9-base.000000000000.1"
    message = messages.BuildEventMessage(build=build, stage="build", attempt=1, kind="completed")
    made.factory.build_events.observe(message)
    assert scenes.texts(made, "build-steps") == []
    assert scenes.logged(made, "event-without-build", build_id=build)
