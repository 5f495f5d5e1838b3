"""Poison: what could not be handled is kept, said in the image's journal, and told. Nothing disappears."""

import json
from datetime import timedelta

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.ports import Row
from pipeline_core.wire.messages import NotificationMessage, StepMessage
from simulation.world import World
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _kept(made: World) -> list[Row]:
    return [row for row in made.ports.tables.rows("index") if row.partition == "poison"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[" * 2000,
        "[]",
        "7",
        '{"image": 7}',
        '{"image": "No Name"}',
        '{"build": "x"}',
        '{"build": "a--b.000000000000.1"}',
        '{"image": "ghost"}',
        '{"build": "ghost.000000000000.1"}',
        '{"n": ' + "9" * 5000 + "}",
    ],
    ids=str,
)
def test_a_message_that_points_at_nothing_is_kept_with_its_queue(text: str) -> None:
    made = scenes.registered(ONE)
    scenes.lose(made)
    made.factory.poison.record("build-steps", text)
    (row,) = _kept(made)
    assert (row.cells["queue"], row.cells["text"]) == ("build-steps", text)
    assert Event.STALLED not in scenes.events(made, BASE)
    assert made.ports.queues.names() == []
    assert scenes.told(made, "message-poisoned", queue="build-steps", record=row.key)


def test_a_huge_message_is_kept_as_far_as_it_fits() -> None:
    made = scenes.registered(ONE)
    made.factory.poison.record("build-steps", "x" * 60_000)
    (row,) = _kept(made)
    assert row.cells["text"] == "x" * 8_000


@pytest.mark.parametrize(
    "fields", [{"image": "rhel9-base"}, {"build": "rhel9-base.000000000000.1", "seq": 1, "other": None}]
)
def test_the_image_that_a_poisoned_message_points_at_is_stalled_and_its_owners_are_told(
    fields: dict[str, object],
) -> None:
    made = scenes.registered(ONE)
    scenes.lose(made)
    made.factory.poison.record("rebuild-requests", json.dumps(fields))
    entry = scenes.entry_of(made, BASE, Event.STALLED)
    (row,) = _kept(made)
    assert row.key in entry.detail
    assert "rebuild-requests" in entry.detail
    (text,) = scenes.texts(made, "notification-requests")
    assert NotificationMessage.from_wire(text).entry == entry.key


def test_two_poisoned_messages_of_one_moment_are_both_kept_in_order() -> None:
    made = scenes.registered(ONE)
    for text in ("one", "two"):
        made.factory.poison.record("build-steps", text)
        made.ports.clock.advance(timedelta(microseconds=1))
    made.factory.poison.record("build-events", "three")
    made.factory.poison.record("build-events", "four")
    assert [row.cells["text"] for row in _kept(made)][:2] == ["one", "two"]
    assert len(_kept(made)) == 4


def test_a_message_that_no_version_of_ours_wrote_ends_in_poison_after_its_deliveries() -> None:
    made = scenes.settled(ONE)
    made.ports.queues.send("build-steps", "garbage")
    made.drain()
    assert made.poisoned == [("build-steps", "garbage")]
    assert [row.cells["text"] for row in _kept(made)] == ["garbage"]
    assert made.ports.queues.names() == []


def test_a_message_that_is_sent_again_keeps_its_text_and_comes_later() -> None:
    made = scenes.settled(ONE)
    text = StepMessage(build="rhel9-base.000000000000.1", seq=1).to_wire()
    error = scenes.transient(retry_after=timedelta(seconds=40))
    made.factory.redelivery.again("build-steps", text, error)
    (message,) = made.ports.queues.messages("build-steps")
    assert message.text == text
    assert timedelta(seconds=40) <= message.visible_at - made.ports.clock.now() <= timedelta(seconds=81)


def test_a_message_that_is_sent_again_waits_five_to_ten_seconds_where_nobody_says_how_long() -> None:
    made = scenes.settled(ONE)
    for _ in range(20):
        made.factory.redelivery.again("build-steps", "x", scenes.transient())
    delays = [
        message.visible_at - made.ports.clock.now() for message in made.ports.queues.messages("build-steps")
    ]
    assert all(timedelta(seconds=5) <= delay <= timedelta(seconds=10) for delay in delays)
    assert len(set(delays)) > 1
