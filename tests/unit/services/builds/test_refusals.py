"""What Azure refuses because it was granted or made just now: waited for, for a bounded time, then told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import (
    ErrorClass,
    NotAllowed,
    ParentNotFound,
    PermanentError,
)
from pipeline_core.domain.propagation import GRANT, PARENT
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
MARGIN = timedelta(minutes=10)  # the last wait, and the stages around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call that a build makes, and the phase in which it makes it."""

    port: str
    name: str
    phase: Phase


STEPS = [
    Step(port="galleries", name="ensure_image", phase=Phase.BUILDING),
    Step(port="containers", name="create_group", phase=Phase.BUILDING),
    Step(port="containers", name="find_group", phase=Phase.BUILDING),
    Step(port="containers", name="create_group", phase=Phase.VERIFYING),
    Step(port="galleries", name="ensure_image", phase=Phase.PUBLISHING),
    Step(port="galleries", name="begin_copy", phase=Phase.PUBLISHING),
    Step(port="galleries", name="set_excluded", phase=Phase.PUBLISHING),
]


@dataclass(slots=True, kw_only=True)
class Refusing(scenes.Failing):
    """Raises its errors only while the image's build is in the step's phase; keeps the time of the first."""

    made: SimulatedWorld
    phase: Phase
    began: datetime | None = None

    def _call(self, *given: Any, **named: Any) -> Any:
        head = scenes.head(self.made, BASE)
        is_here = head.active is not None and scenes.active(self.made, BASE).value.phase is self.phase
        if self.errors and is_here:
            self.began = self.began or self.made.ports.clock.now()
            raise self.errors.pop(0)
        return getattr(self.inner, self.name)(*given, **named)


def _refused(step: Step, errors: list[Exception]) -> tuple[SimulatedWorld, Refusing]:
    """A world whose one build meets these errors, one at each call of the step."""
    made = scenes.registered(ONE)
    inner = getattr(made.ports, step.port)
    port = Refusing(inner=inner, name=step.name, errors=errors, made=made, phase=step.phase)
    scenes.rewired(made, **{step.port: port})
    return made, port


def _only(made: SimulatedWorld) -> Build:
    (build,) = scenes.builds(made, BASE)
    return build


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name} while {step.phase.value}")
def test_a_right_that_comes_late_is_waited_for(step: Step) -> None:
    made, port = _refused(step, [NotAllowed("403 AuthorizationFailed") for _ in range(5)])
    made.drain()
    ended = _only(made)
    assert port.errors == []
    assert (ended.result, ended.failure) == (Result.SUCCEEDED, None)
    assert made.ports.galleries.latest(LIVE, BASE) == ended.version
    assert made.poisoned == []


@pytest.mark.parametrize("step", STEPS[4:], ids=lambda step: step.name)
def test_a_right_that_is_missing_while_publishing_costs_no_proven_version(step: Step) -> None:
    made, port = _refused(step, [NotAllowed("403 AuthorizationFailed") for _ in range(500)])
    scenes.until(made, lambda: port.began is not None)
    scenes.until(made, lambda: made.ports.clock.now() >= _began(port) + timedelta(days=2))
    waiting = _only(made)
    assert (waiting.phase, waiting.is_stopping) == (Phase.PUBLISHING, False)
    assert waiting.failure is not None
    assert waiting.failure.error_class is ErrorClass.PERMISSION
    assert "infra/roles.tf" in waiting.failure.message
    port.errors.clear()
    made.drain()
    assert _only(made).result is Result.SUCCEEDED
    assert made.ports.containers.created == 2
    assert made.poisoned == []


def _began(port: Refusing) -> datetime:
    assert port.began is not None
    return port.began


@pytest.mark.parametrize("step", STEPS[:4], ids=lambda step: f"{step.name} while {step.phase.value}")
def test_a_right_that_is_missing_ends_the_build_with_its_remedy(step: Step) -> None:
    made, port = _refused(step, [NotAllowed("403 AuthorizationFailed") for _ in range(500)])
    scenes.until(made, lambda: any(each.given_up or each.is_finished for each in scenes.builds(made, BASE)))
    ended = _only(made)
    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.PERMISSION
    assert ended.failure.message.startswith("403 AuthorizationFailed; refused for 15 minutes")
    assert "infra/roles.tf" in ended.failure.message
    assert port.began is not None
    assert GRANT <= made.ports.clock.now() - port.began <= GRANT + MARGIN


def test_a_definition_that_is_not_known_everywhere_yet_is_waited_for() -> None:
    made, port = _refused(STEPS[5], [ParentNotFound("404 ParentResourceNotFound") for _ in range(3)])
    made.drain()
    assert (_only(made).result, port.errors) == (Result.SUCCEEDED, [])


def test_a_definition_that_is_not_known_yet_is_waited_for_after_a_late_right_too() -> None:
    """Each kind has its own bound, from its own first refusal."""
    late: list[Exception] = [NotAllowed("403 AuthorizationFailed") for _ in range(9)]
    made, port = _refused(
        STEPS[5], [*late, *(ParentNotFound("404 ParentResourceNotFound") for _ in range(3))]
    )
    scenes.until(made, lambda: port.began is not None and len(port.errors) <= 3)
    assert port.began is not None
    assert made.ports.clock.now() - port.began > PARENT
    made.drain()
    assert (_only(made).result, port.errors) == (Result.SUCCEEDED, [])


def test_a_definition_that_stays_away_ends_the_build() -> None:
    made, port = _refused(STEPS[5], [ParentNotFound("404 ParentResourceNotFound") for _ in range(500)])
    made.drain()
    ended = _only(made)
    assert ended.failure is not None
    assert (ended.result, ended.failure.error_class) == (Result.FAILED, ErrorClass.NOT_FOUND)
    assert "its parent is gone" in ended.failure.message
    assert port.began is not None
    assert PARENT <= made.ports.clock.now() - port.began <= PARENT + MARGIN


def test_a_slow_definition_delays_the_builds_and_fails_none() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    made.ports.galleries.defining = timedelta(minutes=2)
    made.drain()
    built = [build for image in (BASE, scenes.JAVA) for build in scenes.builds(made, image)]
    assert [(build.result, build.attempt) for build in built] == [(Result.SUCCEEDED, 1)] * 2
    assert scenes.logged(made, "step-delayed")


def test_every_other_permanent_error_is_believed_at_once_and_notes_nothing() -> None:
    made, _ = _refused(STEPS[1], [PermanentError(ErrorClass.PERMISSION, "409 ScopeLocked: a lock")])
    made.drain()
    failure = _only(made).failure
    assert failure is not None
    assert failure.message == "409 ScopeLocked: a lock"
    assert not [blob for blob in made.ports.blobs.list("builds", "") if blob.name.endswith("refused.json")]


@dataclass(slots=True, kw_only=True)
class Wall(scenes.Failing):
    """Blobs that refuse the note about a refusal."""

    def _call(self, *given: Any, **named: Any) -> Any:
        if str(given[1]).endswith("refused.json"):
            raise NotAllowed("403 AuthorizationPermissionMismatch")
        return getattr(self.inner, self.name)(*given, **named)


def test_where_the_refusal_cannot_be_noted_it_is_believed() -> None:
    made, port = _refused(STEPS[1], [NotAllowed("403 AuthorizationFailed")])
    scenes.rewired(made, containers=port, blobs=Wall(inner=made.ports.blobs, name="create", errors=[]))
    made.drain()
    failure = _only(made).failure
    assert failure is not None
    assert failure.message == "403 AuthorizationFailed"


@pytest.mark.parametrize("refusals", [3, 4, 6])
def test_a_right_that_packer_misses_is_waited_for_by_attempts(refusals: int) -> None:
    made = scenes.registered({})
    made.platform.failing = {("rhel9-base", "build"): "permission"}
    made.register("rhel9-base", None)
    scenes.until(
        made,
        lambda: any(build.attempt > refusals or build.is_finished for build in scenes.builds(made, BASE)),
    )
    made.platform.failing = {}
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
