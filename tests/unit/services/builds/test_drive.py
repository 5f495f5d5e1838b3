"""Drive: chains of step messages collapse at every transition, and waiting for others writes nothing."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite, TransientError
from pipeline_core.domain.names import BuildId
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.images import cascade
from pipeline_core.services.versions.turns import Turn, Turns
from pipeline_core.state.outages.breakers import BreakerStore
from pipeline_core.wire.messages import StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes, stops
from tests.unit.services.builds import copying
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _building(**options: object) -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(ONE, **options)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    return made, build


def _steps(made: SimulatedWorld) -> list[StepMessage]:
    return [StepMessage.from_wire(text) for text in scenes.texts(made, "build-steps")]


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_step_of_an_earlier_transition_is_a_named_no_op() -> None:
    made, build = _building()
    rows = made.ports.tables.rows("images")
    scenes.step(made, build, seq=build.seq - 1)
    assert made.ports.tables.rows("images") == rows
    assert made.ports.containers.names() == []
    assert _steps(made) == []
    assert scenes.logged(made, "step-outdated", build_id=str(build.id), seq=build.seq - 1)


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_redelivered_step_of_an_earlier_transition_sends_the_present_one_again() -> None:
    made, build = _building()
    scenes.step(made, build, seq=build.seq - 1, redelivered=True)
    assert [(message.build, message.seq) for message in _steps(made)] == [(str(build.id), build.seq)]
    assert made.ports.containers.names() == []


def test_a_step_of_an_unknown_build_is_a_named_no_op() -> None:
    made = scenes.registered(ONE)
    message = StepMessage(build=str(BuildId("rhel9-base.000000000000.1")), seq=0)
    made.factory.driver.step(message, redelivered=False)
    assert scenes.logged(made, "step-without-build", build_id=message.build)
    assert _steps(made) == []


def test_a_step_of_a_pending_build_asks_for_a_slot() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    scenes.step(made, scenes.active(made, BASE).value)
    assert len(scenes.texts(made, "dispatch-requests")) == 1
    assert made.ports.containers.names() == []


@pytest.mark.parametrize(
    "error_class", [ErrorClass.THROTTLED, ErrorClass.QUOTA, ErrorClass.CAPACITY, ErrorClass.NETWORK]
)
def test_a_transient_error_sends_the_step_again_later_and_writes_nothing(error_class: ErrorClass) -> None:
    made, build = _building()
    error = TransientError(error_class, "not now")
    containers = scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error])
    scenes.rewired(made, containers=containers)
    rows = made.ports.tables.rows("images")
    scenes.step(made, build)
    assert made.ports.tables.rows("images") == rows
    (message,) = made.ports.queues.messages("build-steps")
    assert message.visible_at > made.ports.clock.now() + timedelta(seconds=5)
    again = StepMessage.from_wire(message.text)
    assert (again.seq, again.reason) == (build.seq, error_class.value)
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED


def test_the_time_that_the_platform_asks_for_is_never_shortened() -> None:
    made, build = _building()
    error = TransientError(ErrorClass.THROTTLED, "not now", retry_after=timedelta(minutes=17))
    scenes.rewired(
        made, containers=scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error])
    )
    scenes.step(made, build)
    (message,) = made.ports.queues.messages("build-steps")
    assert message.visible_at - made.ports.clock.now() >= timedelta(minutes=17)


def _refused(minutes: float, times: int = 2) -> tuple[SimulatedWorld, Build, scenes.Failing]:
    """A build whose step was refused just now with a wait, which the next `times - 1` steps would meet again."""
    made, build = _building()
    error = TransientError(ErrorClass.NETWORK, "not now", retry_after=timedelta(minutes=minutes))
    refusing = scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error] * times)
    scenes.rewired(made, containers=refusing)
    scenes.step(made, build)
    scenes.lose(made)
    return made, build, refusing


def test_a_second_chain_of_messages_keeps_the_wait_that_the_platform_asked_for() -> None:
    made, build, refusing = _refused(20)
    made.ports.clock.advance(timedelta(minutes=5))
    message = StepMessage(build=str(build.id), seq=build.seq, tries=3, paused="")
    made.factory.driver.step(message, redelivered=False)
    assert len(refusing.errors) == 1
    (again,) = made.ports.queues.messages("build-steps")
    assert again.visible_at - made.ports.clock.now() >= timedelta(minutes=15)
    assert StepMessage.from_wire(again.text).tries == 3
    assert scenes.logged(made, "step-early", image=str(BASE), build_id=str(build.id))
    made.drain()
    assert (refusing.errors, scenes.stored(made, build.id).value.result) == ([], Result.SUCCEEDED)


def test_a_look_from_outside_keeps_the_wait_and_notes_one_that_it_was_asked_for() -> None:
    made, build = _building()
    error = TransientError(ErrorClass.NETWORK, "not now", retry_after=timedelta(minutes=20))
    refusing = scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error, error])
    scenes.rewired(made, containers=refusing)
    look = StepMessage(build=str(build.id), seq=build.seq, once=True)
    made.factory.driver.step(look, redelivered=False)
    made.factory.driver.step(look, redelivered=False)
    assert (len(refusing.errors), _steps(made)) == (1, [])


def test_a_short_wait_is_kept_by_its_own_chain_alone() -> None:
    made, build, _ = _refused(0.5)
    assert scenes.stored(made, build.id).value == build


def test_a_wait_that_cannot_be_written_is_kept_by_its_own_chain() -> None:
    made, build = _building()
    error = TransientError(ErrorClass.NETWORK, "not now", retry_after=timedelta(minutes=20))
    broken = scenes.Failing(
        inner=made.ports.tables, name="write", errors=[TransientError(ErrorClass.NETWORK, "no answer")]
    )
    scenes.rewired(
        made,
        tables=broken,
        containers=scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error]),
    )
    scenes.step(made, build)
    assert broken.errors == []
    (message,) = made.ports.queues.messages("build-steps")
    assert message.visible_at - made.ports.clock.now() >= timedelta(minutes=20)


def test_a_build_that_is_cancelled_does_not_keep_the_wait() -> None:
    made, build, _ = _refused(20, times=1)
    assert scenes.stored(made, build.id).value.not_before is not None
    stops.cancel(made, build)
    made.drain()
    after = scenes.stored(made, build.id).value
    assert (after.result, after.not_before) == (Result.CANCELLED, None)
    assert after.phase_since < build.phase_since + timedelta(minutes=10)


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_permanent_error_of_a_port_ends_the_build_and_says_why() -> None:
    made, build = _building()
    error = PermanentError(ErrorClass.PERMISSION, "the identity may not create groups")
    scenes.rewired(
        made, containers=scenes.Failing(inner=made.ports.containers, name="create_group", errors=[error])
    )
    scenes.step(made, build)
    after = scenes.stored(made, build.id).value
    assert after.result is Result.FAILED
    assert after.failure is not None
    assert (after.failure.error_class, after.failure.message) == (ErrorClass.PERMISSION, str(error))
    assert scenes.capacity(made).holders() == ()


def test_a_raced_step_comes_again_and_the_other_writer_wins() -> None:
    made, build = _building()
    error = StaleWrite("moved")
    scenes.rewired(
        made, containers=scenes.Failing(inner=made.ports.containers, name="find_group", errors=[error])
    )
    scenes.step(made, build)
    assert scenes.stored(made, build.id).value == build
    assert [message.reason for message in _steps(made)] == ["raced"]


@pytest.mark.parametrize(
    "error", [None, TransientError(ErrorClass.NETWORK, "no answer"), StaleWrite("moved")]
)
def test_a_look_from_outside_starts_no_second_chain(error: Exception | None) -> None:
    made, build = _building()
    errors = [] if error is None else [error]
    scenes.rewired(
        made, containers=scenes.Failing(inner=made.ports.containers, name="find_group", errors=errors)
    )
    message = StepMessage(build=str(build.id), seq=build.seq, once=True)
    made.factory.driver.step(message, redelivered=False)
    assert _steps(made) == []


def test_a_look_from_outside_that_makes_a_transition_starts_the_chain_that_goes_on() -> None:
    made, build = _building()
    scenes.step(made, build)
    made.platform.next_end()
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    scenes.lose(made)
    message = StepMessage(build=str(build.id), seq=build.seq, once=True)
    made.factory.driver.step(message, redelivered=False)
    moved = scenes.stored(made, build.id).value
    assert moved.phase is Phase.VERIFYING
    assert [message.seq for message in _steps(made)] == [moved.seq]


def test_chains_that_were_doubled_collapse_at_the_next_transition() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    for _ in range(5):
        made.ports.queues.send("build-steps", StepMessage(build=str(build.id), seq=build.seq).to_wire())
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    made.ports.clock.advance(timedelta(minutes=1))
    scenes.until(made, lambda: len(_steps(made)) <= 1)
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1
    assert made.ports.containers.created == 2
    assert [made.ports.containers.starts(name) for name in made.ports.containers.names()] == []


def test_a_finished_build_that_has_not_reported_its_end_reports_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cascade, "MOST_TOGETHER", 0)
    made = scenes.registered(
        {**ONE, "rhel9-java": "rhel9-base"}
    )  # an image with children is announced by a message
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    errors: list[Exception] = [TransientError(ErrorClass.NETWORK, "no answer")]
    stops.rewired(made, queues=_SilentOnPublish(made, errors))
    scenes.until(made, lambda: scenes.stored(made, build.id).value.is_finished)
    ended = scenes.stored(made, build.id).value
    assert not scenes.is_announced(made, build.id)
    assert scenes.texts(made, "image-published") == []
    stops.rewired(made)
    scenes.step(made, ended, seq=0)
    assert len(scenes.texts(made, "image-published")) == 1
    assert scenes.is_announced(made, build.id)
    assert list(scenes.index(made).active()) == []


def test_a_finished_build_that_has_reported_its_end_says_nothing_more() -> None:
    made = scenes.settled(ONE)
    (build,) = scenes.builds(made, BASE)
    scenes.step(made, build)
    scenes.step(made, build, seq=0, redelivered=True)
    assert made.ports.queues.names() == []


class _SilentOnPublish:
    """Queues that raise once when a publication is sent."""

    def __init__(self, made: SimulatedWorld, errors: list[Exception]) -> None:
        self._queues = made.ports.queues
        self._errors = errors

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        if queue == "image-published" and self._errors:
            raise self._errors.pop()
        self._queues.send(queue, text, delay=delay)


def test_a_step_that_another_one_overtakes_says_nothing_about_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, build, _ = copying.publishing()
    demand = Turns.demand

    def late(turns: Turns, found: Build, live: GalleryImageVersion) -> Turn:
        monkeypatch.undo()
        while scenes.stored(made, build.id).value.result is None:  # another handler ends the build
            scenes.step(made, build)
        return demand(turns, found, live)

    monkeypatch.setattr(Turns, "demand", late)
    while scenes.stored(made, build.id).value.result is None:
        made.ports.clock.advance(timedelta(minutes=5))
        scenes.step(made, build)
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert scenes.head(made, BASE).current is not None
    assert scenes.logged(made, "step-raced", build_id=str(build.id))
    assert BreakerStore(made.ports.tables).list() == []
