"""The contract of Queues: what is sent arrives, not before its time, and as the Functions host reads it."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from azure.storage.queue import QueueServiceClient

from pipeline_core.adapters.azure.queues import AzureQueues
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.domain.errors import NotFound, PermanentError
from pipeline_core.ports import Queues
from tests.fixtures.azurite import AzuriteForTests


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A queue of this test's own: the port, a way to receive, and a way to let time pass."""

    queues: Queues
    name: str
    receive: Callable[[], str | None]
    wait: Callable[[timedelta], None]


@pytest.fixture(params=["memory", "azure"])
def line(request: pytest.FixtureRequest, unique_name: Callable[[str], str]) -> Iterator[Line]:
    name = unique_name("queue")
    if request.param == "memory":
        clock = ManualClock()
        twin = MemoryQueues(clock)

        def receive() -> str | None:
            message = twin.receive(name)
            return None if message is None else message.text

        yield Line(queues=twin, name=name, receive=receive, wait=clock.advance)
        return
    azurite: AzuriteForTests = request.getfixturevalue("azurite")
    with QueueServiceClient(azurite.queue, **azurite.client_options()) as service:
        client = service.create_queue(name)

        def receive_raw() -> str | None:
            message = client.receive_message(visibility_timeout=30)
            return None if message is None else base64.b64decode(message.content, validate=True).decode()

        yield Line(
            queues=AzureQueues(service),
            name=name,
            receive=receive_raw,
            wait=lambda span: time.sleep(span.total_seconds()),
        )
        client.delete_queue()


@pytest.mark.parametrize("text", ['{"image":"a"}', "häß \U0001f600", "a\x00b", "x" * 48 * 1024])
def test_a_text_arrives_as_it_was_sent(line: Line, text: str) -> None:
    line.queues.send(line.name, text)
    assert line.receive() == text
    assert line.receive() is None  # hidden while its receiver works


def test_a_delayed_message_is_hidden_until_its_time(line: Line) -> None:
    line.queues.send(line.name, "late", delay=timedelta(milliseconds=1200))  # two whole seconds
    assert line.receive() is None
    line.wait(timedelta(milliseconds=1300))
    assert line.receive() is None
    line.wait(timedelta(milliseconds=1000))
    assert line.receive() == "late"


@pytest.mark.parametrize("delay", [timedelta(days=7, seconds=1), timedelta(seconds=-1)])
def test_a_delay_beyond_what_a_queue_keeps_is_refused(line: Line, delay: timedelta) -> None:
    with pytest.raises(PermanentError):
        line.queues.send(line.name, "x", delay=delay)
    assert line.receive() is None


def test_the_longest_delay_is_seven_days(line: Line) -> None:
    line.queues.send(line.name, "x", delay=timedelta(days=7))
    assert line.receive() is None


@pytest.mark.parametrize("text", ["x" * (48 * 1024 + 1), "ä" * (24 * 1024 + 1)])
def test_a_text_that_does_not_fit_is_refused(line: Line, text: str) -> None:
    with pytest.raises(PermanentError):
        line.queues.send(line.name, text)
    assert line.receive() is None


def test_a_message_on_azure_never_expires(
    azurite: AzuriteForTests, unique_name: Callable[[str], str]
) -> None:
    with QueueServiceClient(azurite.queue, **azurite.client_options()) as service:
        client = service.create_queue(unique_name("queue"))
        AzureQueues(service).send(client.queue_name, "x")
        message = client.receive_message()
        assert message is not None
        assert message.expires_on is not None
        assert message.inserted_on is not None
        assert message.expires_on - message.inserted_on > timedelta(days=365 * 100)


def test_a_missing_queue_is_named(azurite: AzuriteForTests) -> None:
    with (
        QueueServiceClient(azurite.queue, **azurite.client_options()) as service,
        pytest.raises(NotFound, match="send to nowhere"),
    ):
        AzureQueues(service).send("nowhere", "x")
