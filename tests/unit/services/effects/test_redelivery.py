"""A message that is sent again after a transient error: later each time, and read by each release."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import TransientError
from pipeline_core.wire import messages, resent
from pipeline_core.wire.messages import RebuildMessage, StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

STEP = StepMessage(build="rhel9-base.000000000000.1", seq=1).to_wire()
SECOND = timedelta(seconds=1)


def _again(made: SimulatedWorld, text: str, error: TransientError) -> tuple[str, timedelta]:
    """The text that is in the queue then, and its delay in whole seconds."""
    scenes.lose(made)
    made.factory.redelivery.again("build-steps", text, error)
    (message,) = made.ports.queues.messages("build-steps")
    return message.text, message.visible_at - made.ports.clock.now()


def _delays(made: SimulatedWorld, text: str, count: int, error: TransientError) -> list[timedelta]:
    delays = []
    for _ in range(count):
        text, delay = _again(made, text, error)
        delays.append(delay)
    return delays


def test_each_time_it_waits_longer_up_to_a_bound_and_nothing_else_of_it_changes() -> None:
    made, text = scenes.settled({"rhel9-base": None}), STEP
    for first in (5, 10, 20, 40, 80, 150, 150, 150):
        text, delay = _again(made, text, scenes.transient())
        assert first * SECOND <= delay <= 2 * first * SECOND + SECOND
        assert resent.uncounted(text) == STEP
        assert StepMessage.from_wire(text) == StepMessage.from_wire(STEP)


def test_those_that_failed_together_do_not_come_together() -> None:
    made = scenes.settled({"rhel9-base": None})
    assert len({_again(made, STEP, scenes.transient())[1] for _ in range(20)}) > 1


def test_who_asks_to_wait_is_never_asked_before_and_what_grew_is_not_shortened() -> None:
    made = scenes.settled({"rhel9-base": None})
    asked = 40 * SECOND
    delays = _delays(made, STEP, 8, scenes.transient(retry_after=asked))
    assert all(asked <= delay <= 81 * SECOND for delay in delays[:4])
    assert all(delay >= 150 * SECOND for delay in delays[5:])
    assert all(
        delay >= timedelta(hours=1)
        for delay in _delays(made, STEP, 8, scenes.transient(retry_after=90 * asked))
    )


@pytest.mark.parametrize("text", ["not json", "[]", "\ufffd"])
def test_a_text_that_cannot_carry_a_count_is_sent_as_it_is_and_never_soon(text: str) -> None:
    sent, delay = _again(scenes.settled({"rhel9-base": None}), text, scenes.transient())
    assert sent == text
    assert 150 * SECOND <= delay <= 301 * SECOND


def test_an_older_release_that_sends_the_text_as_it_is_neither_raises_nor_drops_the_count() -> None:
    made = scenes.settled({"rhel9-base": None})
    text, first = _again(made, STEP, scenes.transient())  # of an older release: it has no count
    made.ports.queues.send("build-steps", text)
    handed_on = made.ports.queues.messages("build-steps")[0].text
    _, second = _again(made, handed_on, scenes.transient())
    assert first <= 11 * SECOND
    assert 10 * SECOND <= second <= 21 * SECOND


def test_what_a_handler_sends_itself_begins_without_a_count() -> None:
    made = scenes.settled({"rhel9-base": None, "app": "rhel9-base"})
    scenes.released(made)
    scenes.lose(made)
    text = RebuildMessage(image="rhel9-base", reason="swept").to_wire()
    for _ in range(3):
        text, _ = resent.counted(text)
    made.factory.reconciler.handle(RebuildMessage.from_wire(text))
    sent = [each.text for queue in messages.QUEUES for each in made.ports.queues.messages(queue)]
    assert sent
    assert all(resent.FIELD not in each for each in sent)
