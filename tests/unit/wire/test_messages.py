"""Queue messages: small pointers that come back as they went, and everything else is refused."""

import json
from typing import Any

import pytest

from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.wire import messages
from pipeline_core.wire.messages import (
    BuildEventMessage,
    DispatchMessage,
    Message,
    NotificationMessage,
    PublishedMessage,
    RebuildMessage,
    StepMessage,
)

NAME = "a" * 63
BUILD = f"{NAME}.{'0' * 12}.999999"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
COMMON: dict[str, Any] = {"reason": "r" * 128, "campaign": "c" * 128, "traceparent": TRACE}
LONGEST: list[Message] = [
    RebuildMessage(image=NAME, **COMMON),
    DispatchMessage(**COMMON),
    StepMessage(build=BUILD, seq=10**9, once=True, **COMMON),
    BuildEventMessage(build=BUILD, stage="verify", attempt=10**6, kind="restarted", **COMMON),
    PublishedMessage(image=NAME, version="2147483647.20261121.2147483647", **COMMON),
    NotificationMessage(image=NAME, entry=f"20261121T120000000000-{'f' * 16}", **COMMON),
]
BY_NAME = [pytest.param(one, id=type(one).__name__) for one in LONGEST]


@pytest.mark.parametrize("message", BY_NAME)
def test_every_message_is_under_1_kib_even_with_the_longest_values(message: Message) -> None:
    assert len(message.to_wire().encode()) < messages.MESSAGE_LIMIT


@pytest.mark.parametrize("message", BY_NAME)
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    assert type(message).from_wire(message.to_wire()) == message


@pytest.mark.parametrize("message", BY_NAME)
def test_every_message_says_its_schema(message: Message) -> None:
    assert json.loads(message.to_wire())["schema"] == 1


@pytest.mark.parametrize("message", BY_NAME)
def test_a_field_of_a_newer_release_is_ignored(message: Message) -> None:
    fields = {**json.loads(message.to_wire()), "extra": {"a": [1]}}
    assert type(message).from_wire(json.dumps(fields)) == message


@pytest.mark.parametrize("message", BY_NAME)
def test_a_message_of_an_older_release_has_the_defaults_of_newer_fields(message: Message) -> None:
    old = {
        name: value
        for name, value in json.loads(message.to_wire()).items()
        if name in ("image", "build", "seq", "stage", "attempt", "kind", "version", "entry")
    }
    assert type(message).from_wire(json.dumps(old)) is not None


@pytest.mark.parametrize("message", BY_NAME)
@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"reason": 7}, {"campaign": "No Campaign"}, {"reason": "r" * 129}],
    ids=["other-schema", "wrong-type", "bad-campaign", "long-text"],
)
def test_a_message_that_we_did_not_write_is_refused(message: Message, change: dict[str, object]) -> None:
    fields = {**json.loads(message.to_wire()), **change}
    with pytest.raises(MalformedMessage):
        type(message).from_wire(json.dumps(fields))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RebuildMessage, {}),
        (RebuildMessage, {"image": "No Name"}),
        (RebuildMessage, {"image": None}),
        (RebuildMessage, {"image": ["a"]}),
        (StepMessage, {"build": "payments-api", "seq": 1}),
        (StepMessage, {"build": BUILD, "seq": -1}),
        (StepMessage, {"build": BUILD, "seq": "1"}),
        (StepMessage, {"build": BUILD, "seq": 1, "once": "yes"}),
        (StepMessage, {"build": BUILD}),
        (BuildEventMessage, {"build": "x", "stage": "build", "attempt": 1, "kind": "completed"}),
        (BuildEventMessage, {"build": BUILD, "stage": "cook", "attempt": 1, "kind": "completed"}),
        (BuildEventMessage, {"build": BUILD, "stage": "build", "attempt": 0, "kind": "completed"}),
        (BuildEventMessage, {"build": BUILD, "stage": "build", "attempt": 1, "kind": "done"}),
        (PublishedMessage, {"image": "a", "version": "latest"}),
        (PublishedMessage, {"image": "a", "version": "1.2.2147483648"}),
        (PublishedMessage, {"image": "A", "version": "1.2.3"}),
        (NotificationMessage, {"image": "a_b", "entry": "x"}),
        (NotificationMessage, {"image": "a"}),
    ],
)
def test_a_field_that_is_missing_or_no_name_is_refused(
    kind: type[Message], fields: dict[str, object]
) -> None:
    with pytest.raises(MalformedMessage, match=kind.__name__):
        kind.from_wire(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "x", "[]", "null", '"text"', "{", '{"image":"a"', "[" * 900])
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        RebuildMessage.from_wire(text)


def test_a_message_over_the_limit_is_refused_whatever_it_says() -> None:
    text = RebuildMessage(image="a").to_wire()
    padded = text.replace("{", "{" + " " * (messages.MESSAGE_LIMIT - len(text)), 1)
    assert RebuildMessage.from_wire(padded) == RebuildMessage(image="a")
    with pytest.raises(MalformedMessage, match="larger than 1024 bytes"):
        RebuildMessage.from_wire(padded.replace("{", "{ ", 1))


def test_the_limit_counts_bytes_and_not_characters() -> None:
    with pytest.raises(MalformedMessage, match="larger"):
        RebuildMessage.from_wire(json.dumps({"image": "a", "reason": "\u00e4" * 600}, ensure_ascii=False))


def test_every_wrong_field_is_named_at_once() -> None:
    fields = {"build": 1, "seq": "x", "once": "maybe"}
    with pytest.raises(MalformedMessage) as refused:
        StepMessage.from_wire(json.dumps(fields))
    assert all(name in str(refused.value) for name in ("build", "seq", "once"))


def test_queue_names_are_those_of_the_layout() -> None:
    assert messages.QUEUES == (
        "rebuild-requests",
        "dispatch-requests",
        "build-steps",
        "build-events",
        "image-published",
        "notification-requests",
    )
