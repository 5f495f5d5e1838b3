"""Events of the builder are hints: the attempt that runs is looked at now, everything else is a named no-op."""

import pytest

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.wire import messages
from simulation.world import World
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _running() -> tuple[World, Build]:
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
    assert scenes.told(made, "event-outdated", build_id=str(build.id))


def test_an_event_of_the_running_attempt_has_the_build_looked_at_now() -> None:
    made, build = _running()
    message = messages.BuildEventMessage(build=str(build.id), stage="build", attempt=1, kind="completed")
    made.factory.build_events.observe(message)
    (text,) = scenes.texts(made, "build-steps")
    assert messages.StepMessage.from_wire(text).seq == build.seq


def test_an_event_of_an_unknown_build_is_a_named_no_op() -> None:
    made = scenes.registered(ONE)
    build = "rhel9-base.000000000000.1"
    message = messages.BuildEventMessage(build=build, stage="build", attempt=1, kind="completed")
    made.factory.build_events.observe(message)
    assert scenes.texts(made, "build-steps") == []
    assert scenes.told(made, "event-without-build", build_id=build)
