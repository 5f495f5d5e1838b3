"""The simulated host delivers as Azure's does, and says what a delivery must never do."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.wire import resent
from pipeline_core.wire.messages import BUILD_STEPS, DISPATCH_REQUESTS, REBUILD_REQUESTS, StepMessage
from simulation import rest, world
from simulation.faults import Faults, Killed
from simulation.host import MAX_DEQUEUE
from simulation.world import SimulatedWorld

DISPATCH = '{"schema":1,"reason":"x"}'
_MINUTE = timedelta(minutes=1)


def _with(made: SimulatedWorld, **services: Any) -> SimulatedWorld:
    made.host.factory = replace(made.host.factory, **services)
    return made


def _dispatcher(*errors: BaseException) -> Any:
    """Raises these, one at each call, and then does nothing."""
    left = list(errors)

    def dispatch() -> None:
        if left:
            raise left.pop(0)

    return SimpleNamespace(dispatch=dispatch)


def _deliver(made: SimulatedWorld, *, minutes: int = 1) -> None:
    made.run_until(made.ports.clock.now() + minutes * _MINUTE)


def _dispatched(*errors: BaseException) -> SimulatedWorld:
    made = _with(world.make(), dispatcher=_dispatcher(*errors))
    made.ports.queues.send(DISPATCH_REQUESTS, DISPATCH)
    return made


def test_a_message_that_ends_in_nothing_is_named() -> None:
    made = _dispatched()
    _deliver(made)
    text = f"a message of dispatch-requests ended without effect, named no-op or record: {DISPATCH}"
    assert made.host.findings == [text]
    assert text in rest.violations(made)


def test_a_handler_that_raises_for_good_is_named() -> None:
    made = _dispatched(*[PermanentError(ErrorClass.POLICY, "never")] * MAX_DEQUEUE)
    _deliver(made, minutes=10)
    assert made.host.findings[0] == (
        f"a handler of dispatch-requests raised PermanentError: never on {DISPATCH}"
    )


def test_a_transient_error_that_is_not_sent_again_is_named() -> None:
    error = TransientError(ErrorClass.THROTTLED, "later")

    def again(queue: str, text: str, error: TransientError) -> None:
        raise error

    made = _with(_dispatched(error), redelivery=SimpleNamespace(again=again))
    _deliver(made)
    text = f"a transient error counts as a failure of dispatch-requests: later on {DISPATCH}"
    assert text in made.host.findings


def test_a_transient_error_is_sent_again_and_nothing_is_said_against_it() -> None:
    made = _dispatched(TransientError(ErrorClass.THROTTLED, "later", retry_after=_MINUTE))
    assert made.host.deliver_one()
    assert made.host.findings == []
    (again,) = made.ports.queues.messages(DISPATCH_REQUESTS)
    assert again.visible_at >= made.ports.clock.now() + _MINUTE


def test_a_message_that_cannot_be_recorded_as_poison_is_given_out_again_and_not_sent_again() -> None:
    made = world.make()
    errors = [TransientError(ErrorClass.NETWORK, "no answer")] * 2

    def record(*given: object, **named: object) -> None:
        if errors:
            raise errors.pop()

    _with(made, poison=SimpleNamespace(record=record))
    made.ports.queues.send(f"{DISPATCH_REQUESTS}-poison", DISPATCH)
    assert made.host.deliver_one()
    (kept,) = made.ports.queues.messages(f"{DISPATCH_REQUESTS}-poison")
    assert (kept.text, kept.dequeue_count) == (DISPATCH, 1)
    assert made.host.findings == []


def test_the_faults_of_a_message_do_not_depend_on_how_often_it_was_sent_again() -> None:
    struck = []
    for text in (DISPATCH, resent.counted(DISPATCH)[0]):
        made = world.make(seed=3, faults=Faults(lost=0.5))
        for _ in range(20):
            made.ports.queues.send(DISPATCH_REQUESTS, text)
        _deliver(made)
        struck.append([each.id for each in made.injector.struck])
    assert struck[0]
    assert struck[0] == struck[1]


def test_a_message_whose_handler_dies_is_given_out_again() -> None:
    made = _dispatched(Killed("here"))
    assert made.host.deliver_one()
    (again,) = made.ports.queues.messages(DISPATCH_REQUESTS)
    assert again.dequeue_count == 1
    _deliver(made)
    assert made.ports.queues.names() == []


def test_a_message_that_dies_at_every_delivery_goes_to_poison_and_is_recorded() -> None:
    made = _dispatched(*[Killed("here")] * MAX_DEQUEUE)
    _deliver(made, minutes=10)
    assert made.poisoned == [(DISPATCH_REQUESTS, DISPATCH)]
    assert not any("has no record" in line for line in rest.violations(made))


def test_a_malformed_message_goes_to_poison_and_nothing_is_said_against_it() -> None:
    made = world.make()
    made.ports.queues.send(REBUILD_REQUESTS, "not json")
    _deliver(made, minutes=10)
    assert made.poisoned == [(REBUILD_REQUESTS, "not json")]
    assert rest.violations(made) == []


def test_a_chain_that_has_forked_is_named_and_one_with_a_few_steps_is_not() -> None:
    made = world.make()
    for build, count in (("a.000000000000.1", 12), ("b.000000000000.1", 13)):
        for _ in range(count):
            made.ports.queues.send(BUILD_STEPS, f'{{"schema":1,"build":"{build}","seq":1}}')
    made.host.count_steps()
    (line,) = made.host.findings
    assert line.startswith("(8) b.000000000000.1 has more than ")


@pytest.mark.parametrize(
    ("steps", "reached", "faults", "is_fork"),
    [
        (1, 1, Faults(doubled=0.4), False),
        (1, 1, Faults(unanswered=0.4), False),
        (2, 1, Faults(doubled=0.4), True),
        (1, 0, Faults(doubled=0.4), True),
        (1, 0, Faults(unanswered=0.4), True),
    ],
    ids=[
        "doubled by the queue",
        "sent again without an answer",
        "doubled by the factory",
        "not of this life of the build",
        "sent again in no life of the build",
    ],
)
def test_what_the_queue_doubles_in_a_long_wait_is_no_fork(
    steps: int, reached: int, faults: Faults, is_fork: bool
) -> None:
    made = world.make(seed=1, faults=faults)

    def step(message: StepMessage, *, redelivered: bool) -> None:
        for _ in range(steps):
            made.host.ports.queues.send(BUILD_STEPS, message.to_wire(), delay=_MINUTE)

    _with(made, driver=SimpleNamespace(step=step))
    made.host.seq_of = {"a.000000000000.1": reached}.__getitem__
    made.ports.queues.send(BUILD_STEPS, StepMessage(build="a.000000000000.1", seq=1).to_wire())
    while len(made.ports.queues.messages(BUILD_STEPS)) <= 60:
        made.ports.clock.advance(_MINUTE)
        while made.host.deliver_one():
            pass
    made.host.count_steps()
    assert [line.partition(" has ")[0] for line in made.host.findings] == ["(8) a.000000000000.1"] * is_fork


def test_what_a_timer_raises_is_named_unless_it_is_transient() -> None:
    made = world.make()

    def throttled() -> None:
        raise TransientError(ErrorClass.THROTTLED, "later")

    def broken() -> None:
        raise PermanentError(ErrorClass.POLICY, "never")

    made.host.fire("poll", throttled)
    assert made.host.findings == []
    made.host.fire("poll", broken)
    assert made.host.findings == ["the timer poll raised PermanentError: never"]


def test_a_handler_that_is_overtaken_sees_what_others_did_meanwhile() -> None:
    made = world.make(faults=Faults(overtaken=1.0))
    made.ports.queues.send(DISPATCH_REQUESTS, DISPATCH)
    made.ports.queues.send(DISPATCH_REQUESTS, DISPATCH)
    assert made.host.deliver_one()
    assert (
        made.deliveries > 1
    )  # others inside of the one; each overtaking takes time, and a message may come again
    assert made.ports.queues.names() == []


@pytest.mark.parametrize("skewed", [0.0, 1.0], ids=["right", "wrong"])
def test_a_wrong_clock_is_wrong_for_one_handler_and_never_for_the_world(skewed: float) -> None:
    made = world.make(faults=Faults(skewed=skewed))
    made.ports.queues.send(DISPATCH_REQUESTS, DISPATCH)
    assert made.host.deliver_one()
    wrong = made.faulty.clock.now() - made.ports.clock.now()
    assert (abs(wrong) > timedelta(0)) is bool(skewed)
    assert abs(wrong) <= made.injector.faults.skew
