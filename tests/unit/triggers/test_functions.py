"""What a function does with a message: to the service, again later, or raised for poison."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

import azure.functions as func
import pytest
from azure.functions import queue
from azure.functions.timer import TimerRequest

from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.domain.errors import ErrorClass, MalformedMessage, NotFound, TransientError, UnreadableRow
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.wire import messages
from tests.unit.triggers.twins import TwinFactory
from triggers import gallery, poison, queues, timers

QueueMessage: Any = queue.QueueMessage  # the SDK leaves its constructor untyped
Functions = dict[str, Callable[[Any], None]]

MESSAGES = {
    "rebuild_image": ("reconciler", messages.RebuildMessage(image="rhel9-base", reason="manual")),
    "dispatch_builds": ("dispatcher", messages.DispatchMessage(reason="swept")),
    "drive_build": ("driver", messages.StepMessage(build="rhel9-base.3fa9c1d20b77.1", seq=2)),
    "observe_build_event": (
        "build_events",
        messages.BuildEventMessage(
            build="rhel9-base.3fa9c1d20b77.1", stage="build", attempt=1, kind="completed"
        ),
    ),
    "cascade_published_image": (
        "cascade",
        messages.PublishedMessage(image="rhel9-base", version="9.20261121.1"),
    ),
    "deliver_notifications": ("notifier", messages.NotificationMessage(image="rhel9-base", entry="20261121")),
}
QUEUE_OF = dict(
    zip(
        (
            "rebuild_image",
            "dispatch_builds",
            "drive_build",
            "observe_build_event",
            "cascade_published_image",
            "deliver_notifications",
        ),
        messages.QUEUES,
        strict=True,
    )
)


@pytest.fixture
def functions(factory: TwinFactory) -> Functions:
    app = func.FunctionApp()
    for module in (timers, queues, poison, gallery):
        app.register_functions(module.blueprint(lambda: factory))
    return {
        str(function.get_function_name()): function.get_user_function() for function in app.get_functions()
    }


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_reaches_its_service(name: str, functions: Functions, factory: TwinFactory) -> None:
    service, message = MESSAGES[name]
    functions[name](_delivery(message.to_wire()))
    expected = {"dispatch_builds": (), "drive_build": (message, False)}.get(name, message)
    assert getattr(factory, service).received == [expected]


def test_a_second_delivery_of_a_step_says_so(functions: Functions, factory: TwinFactory) -> None:
    step = messages.StepMessage(build="rhel9-base.3fa9c1d20b77.1", seq=2)
    functions["drive_build"](_delivery(step.to_wire(), dequeue_count=2))
    assert factory.driver.received == [(step, True)]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_transient_error_sends_the_message_again_and_acknowledges(
    name: str, functions: Functions, factory: TwinFactory
) -> None:
    service, message = MESSAGES[name]
    error = TransientError(ErrorClass.THROTTLED, "too many requests")
    getattr(factory, service).error = error
    functions[name](_delivery(message.to_wire()))
    assert factory.redelivery.received == [(QUEUE_OF[name], message.to_wire(), error)]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("error", [NotFound("gone"), RuntimeError("a mistake of ours")])
def test_any_other_error_is_raised_so_that_the_host_tries_again_and_poisons(
    name: str, error: Exception, functions: Functions, factory: TwinFactory, caplog: pytest.LogCaptureFixture
) -> None:
    service, message = MESSAGES[name]
    getattr(factory, service).error = error
    with pytest.raises(type(error)):
        functions[name](_delivery(message.to_wire(), dequeue_count=3))
    assert factory.redelivery.received == []
    line = caplog.records[-1]
    assert (line.getMessage(), line.event, line.queue, line.dequeue_count) == (  # type: ignore[attr-defined]
        "message not handled",
        "message-not-handled",
        QUEUE_OF[name],
        3,
    )


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_about_a_row_that_cannot_be_read_is_acknowledged_with_a_log_line(
    name: str, functions: Functions, factory: TwinFactory
) -> None:
    service, message = MESSAGES[name]
    error = UnreadableRow("row rhel9-base/head has schema 2", partition="rhel9-base", key="head")
    getattr(factory, service).error = error
    functions[name](_delivery(message.to_wire(), dequeue_count=4))
    assert factory.redelivery.received == [(QUEUE_OF[name], error)]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_of_a_newer_release_is_ignored(name: str, functions: Functions, factory: TwinFactory) -> None:
    service, message = MESSAGES[name]
    text = message.to_wire().removesuffix("}") + ',"extra":{"a":[1]}}'
    functions[name](_delivery(text))
    assert len(getattr(factory, service).received) == 1


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"schema":2}', "\udcff"])
def test_a_malformed_message_is_raised_and_reaches_no_service(
    name: str, text: str, functions: Functions, factory: TwinFactory
) -> None:
    with pytest.raises(MalformedMessage):
        functions[name](_delivery(text))
    assert getattr(factory, MESSAGES[name][0]).received == []


def test_where_sending_again_fails_too_the_delivery_fails(functions: Functions, factory: TwinFactory) -> None:
    factory.reconciler.error = TransientError(ErrorClass.NETWORK, "no answer")
    factory.redelivery.error = TransientError(ErrorClass.NETWORK, "no answer either")
    with pytest.raises(TransientError, match="either"):
        functions["rebuild_image"](_delivery(MESSAGES["rebuild_image"][1].to_wire()))


@pytest.mark.parametrize("queue_name", messages.QUEUES)
@pytest.mark.parametrize("body", [b'{"image":"rhel9-base"}', b"", b"\xff\x00 anything"])
def test_poison_is_recorded_whatever_it_is(
    queue_name: str, body: bytes, functions: Functions, factory: TwinFactory
) -> None:
    functions[f"record_poison_{queue_name.replace('-', '_')}"](QueueMessage(id="1", body=body))
    assert factory.poison.received == [(queue_name, body.decode("utf-8", "replace"), "1", None)]


@pytest.mark.parametrize("zone", [UTC, None])
def test_poison_is_recorded_with_what_tells_its_delivery_from_others(
    zone: tzinfo | None, functions: Functions, factory: TwinFactory
) -> None:
    put_at = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    message = QueueMessage(id="m1", body="text", insertion_time=put_at.replace(tzinfo=zone))
    functions["record_poison_build_steps"](message)
    assert factory.poison.received == [("build-steps", "text", "m1", put_at)]


def test_poison_that_cannot_be_recorded_now_comes_again_as_the_same_message(
    functions: Functions, factory: TwinFactory
) -> None:
    factory.poison.error = TransientError(ErrorClass.NETWORK, "no answer")
    with pytest.raises(TransientError):
        functions["record_poison_build_steps"](_delivery("text"))
    assert factory.redelivery.received == []


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("poll_source_images", "poller"),
        ("sweep_images", "sweeper"),
        ("sweep_images", "reaper"),
        ("observe_galleries", "galleries"),
        ("admit_tools", "admission"),
        ("prune_versions", "pruner"),
        ("prune_versions", "archiver"),
        ("prune_versions", "bundle_retention"),
    ],
)
def test_a_timer_runs_its_service_once_and_shows_its_failure(
    name: str, service: str, functions: Functions, factory: TwinFactory
) -> None:
    timer = TimerRequest(past_due=True, schedule_status={}, schedule={})
    functions[name](timer)
    assert getattr(factory, service).received == [()]
    getattr(factory, service).error = TransientError(ErrorClass.NETWORK, "no answer")
    with pytest.raises(TransientError):
        functions[name](timer)


@pytest.mark.parametrize(
    ("name", "failing", "other"),
    [
        ("sweep_images", "sweeper", "reaper"),
        ("sweep_images", "reaper", "sweeper"),
        ("prune_versions", "pruner", "archiver"),
        ("prune_versions", "archiver", "pruner"),
        ("prune_versions", "pruner", "bundle_retention"),
        ("prune_versions", "archiver", "bundle_retention"),
        ("prune_versions", "bundle_retention", "archiver"),
    ],
)
def test_the_second_service_of_a_timer_works_whatever_else_fails(
    name: str, failing: str, other: str, functions: Functions, factory: TwinFactory
) -> None:
    getattr(factory, failing).error = ValueError("a row that cannot be read")
    with pytest.raises(ValueError, match="cannot be read"):
        functions[name](TimerRequest(past_due=False, schedule_status={}, schedule={}))
    assert getattr(factory, other).received == [()]


GALLERY_VERSION = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
    "/galleries/live/images/a/versions/1.20261121.1"
)
WRITE = "Microsoft.Compute/galleries/images/versions/write"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"resourceUri": GALLERY_VERSION, "operationName": WRITE}, (GALLERY_VERSION, WRITE)),
        ({}, (GALLERY_VERSION, "Microsoft.Resources.ResourceWriteSuccess")),
        ([], (GALLERY_VERSION, "Microsoft.Resources.ResourceWriteSuccess")),
    ],
    ids=["an event of ARM", "without content", "with another content"],
)
def test_a_gallery_event_is_passed_on(
    content: Any, expected: tuple[str, str], functions: Functions, factory: TwinFactory
) -> None:
    functions["observe_gallery_event"](_event(content))
    assert factory.gallery_events.received == [expected]


def test_a_gallery_event_that_fails_is_raised_so_that_it_is_delivered_again(
    functions: Functions, factory: TwinFactory
) -> None:
    factory.gallery_events.error = TransientError(ErrorClass.NETWORK, "no answer")
    with pytest.raises(TransientError):
        functions["observe_gallery_event"](_event({}))


def _delivery(text: str, dequeue_count: int = 1) -> func.QueueMessage:
    body = text.encode("utf-8", "surrogateescape")
    message: func.QueueMessage = QueueMessage(
        id=json.dumps(text)[:20], body=body, dequeue_count=dequeue_count
    )
    return message


def _event(content: Any) -> func.EventGridEvent:
    return func.EventGridEvent(
        id="1",
        data=content,
        topic="/subscriptions/s",
        subject=GALLERY_VERSION,
        event_type="Microsoft.Resources.ResourceWriteSuccess",
        event_time=None,
        data_version="2",
    )


def test_what_a_message_causes_is_sent_in_its_trace(
    functions: Functions, factory: TwinFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MemoryQueues(ManualClock())
    outbox = Outbox(made)
    monkeypatch.setattr(factory.dispatcher, "dispatch", lambda: outbox.dispatch("next"), raising=False)
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    functions["dispatch_builds"](_delivery(messages.DispatchMessage(traceparent=parent).to_wire()))
    (sent,) = made.messages(messages.DISPATCH_REQUESTS)
    assert messages.DispatchMessage.from_wire(sent.text).traceparent.startswith(f"00-{'ab' * 16}-")
