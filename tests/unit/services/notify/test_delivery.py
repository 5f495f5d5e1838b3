"""One receiver's failure is its own: bounded tries, its own wait, dead letters, off after days, on with a replay."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import feeds
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.ports import WebAnswer
from pipeline_core.wire.messages import NotificationMessage
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.notify import receiving
from tests.unit.services.notify.receiving import TAKEN, A, B, hook
from tests.unit.services.scenes import BASE

SILENT = TransientError(ErrorClass.NETWORK, "https://hooks.factory.corp: no answer")
REDIRECT = PermanentError(ErrorClass.POLICY, "https://hooks.factory.corp redirects: give the final address")
SICK: dict[str, Any] = {
    "silent": SILENT,
    "broken": WebAnswer(status=500, body=b""),
    "redirects": REDIRECT,
    "refuses": WebAnswer(status=404, body=b""),
    "gone": WebAnswer(status=410, body=b""),
}
DAY = timedelta(days=1)


def _journal(made: SimulatedWorld) -> list[str]:
    """The three events of one build, in the journal's order: at one moment of virtual time it is by chance."""
    wanted = (Event.QUEUED, Event.STARTED, Event.PUBLISHED)
    return [each.value for each in scenes.events(made, BASE) if each in wanted]


@pytest.mark.parametrize("answer", SICK.values(), ids=SICK)
@pytest.mark.parametrize("sick_first", [True, False], ids=["first", "second"])
def test_a_sick_receiver_keeps_nothing_from_the_others(answer: Any, sick_first: bool) -> None:
    sick, well = (A, B) if sick_first else (B, A)
    made = receiving.registered(hook(A), hook(B), answers={sick: answer})
    receiving.live(made, DAY)
    assert receiving.types(made, well) == ["image.published"]
    assert 1 <= len(receiving.posted(made, sick)) <= 40  # was 948 to 10,657 a day
    assert made.host.poisoned == []


def test_the_wait_after_a_failure_doubles_up_to_an_hour() -> None:
    made = receiving.registered(hook(A), answers={A: SILENT})
    receiving.live(made, timedelta(hours=6))
    first = len(receiving.posted(made, A))
    receiving.live(made, timedelta(hours=6))
    assert first <= 16
    assert 5 <= len(receiving.posted(made, A)) - first <= 13


@pytest.mark.parametrize(("status", "asks"), [(429, True), (503, True), (500, False)])
def test_a_busy_receiver_is_not_asked_again_before_the_moment_that_it_names(status: int, asks: bool) -> None:
    busy = WebAnswer(status=status, body=b"", retry_after=timedelta(minutes=50))
    made = receiving.registered(hook(A), answers={A: busy})
    receiving.live(made, timedelta(hours=2))
    assert len(receiving.posted(made, A)) <= 3 if asks else len(receiving.posted(made, A)) > 5
    began = made.ports.clock.now()
    due = receiving.feed(made, A).due
    made.ports.web.answers[A] = TAKEN
    receiving.live(made, timedelta(hours=1, minutes=10))
    accepted = receiving.feed(made, A).accepted_at
    assert accepted is not None
    assert due is not None
    assert max(began, due) <= accepted <= began + timedelta(hours=1, minutes=10)


def test_a_fact_that_is_too_old_is_a_dead_letter_and_the_next_one_has_its_turn() -> None:
    made = receiving.registered(hook(A), answers={A: SILENT})
    receiving.live(made, DAY + timedelta(hours=2))
    (dead,) = receiving.items(made, A)
    assert "not accepted within 1 day: https://hooks.factory.corp: no answer" in dead.dead
    assert receiving.feed(made, A).given_up == 1
    made.ports.web.answers[A] = TAKEN
    receiving.register(made, hook(A), content="other")
    receiving.live(made, timedelta(hours=2))
    assert receiving.posted(made, A)[-1]["data"]["version"] == str(scenes.builds(made, BASE)[-1].version)
    assert receiving.feed(made, A).failing_since is None


def test_a_receiver_that_refuses_one_fact_gets_the_next_one() -> None:
    made = receiving.registered(hook(A, "image.published", "build.queued"), answers={A: SICK["refuses"]})
    receiving.live(made, timedelta(hours=5))
    assert receiving.items(made, A)[0].dead
    made.ports.web.answers[A] = TAKEN
    receiving.live(made, timedelta(hours=2))
    assert receiving.types(made, A)[-1] == "image.published"


def test_a_receiver_that_fails_for_days_is_switched_off_with_an_event_and_a_condition() -> None:
    made = receiving.registered(
        hook(A, "image.published", "build.queued"), hook(B, "receiver.switched-off"), answers={A: SILENT}
    )
    for day in range(4):
        receiving.live(made, DAY)
        receiving.register(
            made,
            hook(A, "image.published", "build.queued"),
            hook(B, "receiver.switched-off"),
            content=str(day),
        )
    receiving.live(made, timedelta(hours=3))
    off = receiving.feed(made, A).off
    assert off is not None
    assert "it failed for 3 days" in off.why
    assert scenes.events(made, BASE).count(Event.RECEIVER_OFF) == 1
    assert receiving.types(made, B) == ["receiver.switched-off"]
    held = made.factory.queries.image(BASE).image.conditions
    (condition,) = [each for each in held if each.type.value == "ReceiverSwitchedOff"]
    assert f"imagefactory notify enable {receiving.receiver(A)}" in condition.message
    before = len(receiving.posted(made, A))
    receiving.live(made, DAY)
    assert len(receiving.posted(made, A)) == before


def test_a_receiver_that_is_gone_is_switched_off_at_once() -> None:
    made = receiving.registered(hook(A), answers={A: SICK["gone"]})
    receiving.live(made, timedelta(hours=2))
    off = receiving.feed(made, A).off
    assert off is not None
    assert off.why == "it answered 410 Gone"
    assert len(receiving.posted(made, A)) == 1


def test_a_receiver_that_is_switched_on_gets_in_order_what_it_missed() -> None:
    made = receiving.registered(
        hook(A, "build.queued", "build.started", "image.published"), answers={A: SICK["gone"]}
    )
    receiving.live(made, timedelta(days=2))
    made.ports.web.answers[A] = TAKEN
    made.ports.web.posted.clear()
    made.factory.receivers.enable(receiving.receiver(A), ADMIN)
    receiving.live(made, timedelta(hours=1))
    assert receiving.types(made, A) == _journal(made)
    assert receiving.feed(made, A).off is None
    assert scenes.events(made, BASE)[-1] is Event.RECEIVER_ON


def test_a_receiver_can_be_switched_on_without_what_it_missed() -> None:
    made = receiving.registered(hook(A), answers={A: SICK["gone"]})
    receiving.live(made, timedelta(hours=2))
    made.ports.web.answers[A] = TAKEN
    made.ports.web.posted.clear()
    made.factory.receivers.enable(receiving.receiver(A), ADMIN, replays=False)
    receiving.live(made, timedelta(hours=1))
    assert receiving.posted(made, A) == []


def test_a_replay_sends_again_from_a_time_on() -> None:
    made = receiving.registered(hook(A, "build.queued", "image.published"))
    receiving.live(made, timedelta(hours=2))
    items = receiving.items(made, A)
    made.ports.web.posted.clear()
    made.factory.receivers.replay(receiving.receiver(A), ADMIN, items[-1].at)
    receiving.live(made, timedelta(minutes=20))
    assert receiving.types(made, A) == ["image.published"]


def test_only_one_delivery_of_a_receiver_runs_at_a_time() -> None:
    made = receiving.registered(hook(A))
    store = made.base.records.feeds
    scenes.until(made, lambda: bool(receiving.items(made, A)))
    stored = store.get(receiving.receiver(A))
    store.save(feeds.lease(stored.value, made.ports.clock.now()), etag=stored.etag)
    made.factory.notifier.deliver(NotificationMessage(receiver=str(receiving.receiver(A))))
    assert receiving.posted(made, A) == []
    assert scenes.logged(made, "delivery-not-due", reason="busy")
    receiving.live(made, timedelta(minutes=30))  # the delivery that held it was killed
    assert receiving.types(made, A) == ["image.published"]


def test_lost_messages_are_repaired_by_the_sweep() -> None:
    made = receiving.registered(hook(A, "build.queued", "image.published"))
    for _ in range(60):
        scenes.lose(made, "notification-requests")
        if not made.host.deliver_one():
            break
    scenes.lose(made, "notification-requests")
    receiving.live(made, timedelta(hours=3))
    assert receiving.types(made, A) == ["build.queued", "image.published"]
    assert made.base.records.notices.list_all() == ([], [])


def test_facts_that_come_during_a_delivery_are_sent_too() -> None:
    made = receiving.registered(hook(A, "build.queued", "build.started", "image.published"))
    receiving.live(made, timedelta(hours=2))
    assert receiving.types(made, A) == _journal(made)
    assert [each.delivered_at is not None for each in receiving.items(made, A)] == [True] * 3


def test_a_poisoned_notification_notifies_nobody() -> None:
    made = receiving.registered(hook(A, "image.stalled"))
    made.drain()
    text = NotificationMessage(image=str(BASE), entry="20261121").to_wire()
    made.factory.poison.record("notification-requests", text, message_id="1", put_at=made.ports.clock.now())
    receiving.live(made, DAY)
    assert receiving.posted(made, A) == []
    assert scenes.events(made, BASE).count(Event.STALLED) == 1


def test_a_message_of_an_older_release_is_read() -> None:
    made = receiving.registered(hook(A))
    made.drain()
    made.ports.web.posted.clear()
    entry = scenes.entry_of(made, BASE, Event.PUBLISHED)
    golden = (
        '{"schema":1,"reason":"","campaign":"","traceparent":"","image":"rhel9-base","entry":"'
        + entry.key
        + '"}'
    )
    made.factory.notifier.deliver(NotificationMessage.from_wire(golden))
    assert receiving.feed(made, A).following == 2  # the feed remembers it
