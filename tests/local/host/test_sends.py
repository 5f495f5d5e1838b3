"""A message that this process sends to a queue is noticed, with its delay. Nothing else is noticed."""

import asyncio
import http.client
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.host.queues import sends
from local.host.queues.listener import QueueListener


class _Accepts(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Accepts)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"POST /account/build-steps/messages HTTP/1.1\r\n", ("build-steps", 0.0)),
        (b"POST /account/build-steps/messages?visibilitytimeout=30 HTTP/1.1\r\n", ("build-steps", 30.0)),
        (b"POST /account/q-1/messages?messagettl=-1&visibilitytimeout=1 HTTP/1.1\r\n", ("q-1", 1.0)),
        (b"POST /build-steps/messages HTTP/1.1\r\n", ("build-steps", 0.0)),
        (b"GET /account/build-steps/messages?numofmessages=16 HTTP/1.1\r\n", None),
        (b"PUT /account/build-steps/messages/1?visibilitytimeout=1 HTTP/1.1\r\n", None),
        (b"POST /account/table HTTP/1.1\r\n", None),
        (b"<QueueMessage>POST /account/build-steps/messages HTTP/1.1", None),
        ("POST /account/build-steps/messages HTTP/1.1", None),
    ],
)
def test_only_a_request_that_sends_a_message_is_reported(line: object, told: object) -> None:
    assert sends.parse(line) == told


def test_a_send_of_this_process_is_noticed_until_the_watch_ends(server: ThreadingHTTPServer) -> None:
    heard: list[tuple[str, float]] = []
    watch = sends.SendWatch(lambda queue, seconds: heard.append((queue, seconds)))
    watch.begin()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        for number in range(2):
            connection.request("POST", f"/account/queue-{number}/messages?visibilitytimeout=3", b"<m/>")
            connection.getresponse().read()
            watch.end()
    finally:
        connection.close()
    assert heard == [("queue-0", 3.0)]


def test_a_listener_that_is_woken_looks_at_once_though_it_would_have_waited_for_a_minute() -> None:
    looks: list[float] = []

    class _Empty:
        queue_name = "build-steps"

        def receive_messages(self, **_: Any) -> Any:
            looks.append(0.0)
            return SimpleNamespace(by_page=lambda: iter(()))

    minute = timedelta(minutes=1)
    options = SimpleNamespace(max_polling_interval=minute, batch_size=1, new_batch_threshold=1)
    life: Any = SimpleNamespace(queue=_Empty(), poison=object(), options=options, lease=minute)

    async def told() -> int:
        with ThreadPoolExecutor(max_workers=1) as threads:
            listener = QueueListener(life=life, threads=threads)
            listener._backoff._exponent = 20  # it has found nothing for a long time
            running = asyncio.create_task(listener.run())
            while not looks:
                await asyncio.sleep(0)
            listener.expect(0)
            async with asyncio.timeout(10):
                while len(looks) < 2:
                    await asyncio.sleep(0)
            listener.stop()
            await running
        return len(looks)

    assert asyncio.run(told()) >= 2


@pytest.mark.parametrize(
    ("sent_here", "dequeue_count", "set_milliseconds", "then_at_most"),
    [
        (True, 1, 200, 800),
        (False, 1, 200, 200),
        (False, 2, 200, 800),
        (True, 1, 60_000, 60_000),
        (False, 1, 60_000, 60_000),
    ],
    ids=["its own", "another's", "given out again", "its own, slow", "another's, slow"],
)
def test_a_queue_that_others_fill_is_looked_at_as_often_as_was_set(
    sent_here: bool, dequeue_count: int, set_milliseconds: int, then_at_most: int
) -> None:
    options = SimpleNamespace(max_polling_interval=timedelta(milliseconds=set_milliseconds))
    life: Any = SimpleNamespace(queue=None, poison=object(), options=options)

    async def waits() -> timedelta:
        with ThreadPoolExecutor(max_workers=1) as threads:
            listener = QueueListener(life=life, threads=threads)
            if sent_here:
                listener.expect(60)
            listener._notice([SimpleNamespace(dequeue_count=dequeue_count)])
            return listener._backoff.longest

    assert asyncio.run(waits()) == timedelta(milliseconds=then_at_most)


class _Queue:
    """A queue that holds messages, and counts the looks at it."""

    queue_name = "build-steps"

    def __init__(self) -> None:
        self.held: list[Any] = []
        self.looks = 0

    def receive_messages(self, *, max_messages: int, **_: Any) -> Any:
        self.looks += 1
        page, self.held = self.held[:max_messages], self.held[max_messages:]
        return SimpleNamespace(by_page=lambda: iter([page]))


class _Life:
    """What a listener needs of a message's life, with a list of the received messages."""

    def __init__(self, queue: _Queue, batch_size: int) -> None:
        self.queue, self.poison, self.lease = queue, object(), timedelta(minutes=1)
        # A listener that rests does not look again during a test.
        longest = timedelta(minutes=1)
        self.options = SimpleNamespace(
            max_polling_interval=longest, batch_size=batch_size, new_batch_threshold=8
        )
        self.received: list[Any] = []

    async def live(self, message: Any) -> None:
        self.received.append(message)


async def _listen(life: _Life, during: Callable[[QueueListener], Awaitable[None]]) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        listener = QueueListener(life=cast(Any, life), threads=threads)
        running = asyncio.create_task(listener.run())
        async with asyncio.timeout(20):
            await during(listener)
        listener.stop()
        await running


def test_one_look_finds_an_announced_message_and_no_look_follows_it() -> None:
    queue = _Queue()
    life = _Life(queue, batch_size=4)

    async def send(listener: QueueListener) -> None:
        while not queue.looks:
            await asyncio.sleep(0)
        for number in range(3):
            before = queue.looks
            queue.held.append(SimpleNamespace(dequeue_count=1))
            listener.expect(0)
            while len(life.received) <= number:
                await asyncio.sleep(0)
            await asyncio.sleep(0.3)  # a listener that looks on would have looked twice by now
            assert queue.looks == before + 1

    asyncio.run(_listen(life, send))


def test_a_full_page_and_a_message_that_is_late_are_looked_for_at_once() -> None:
    queue = _Queue()
    life = _Life(queue, batch_size=2)
    queue.held = [SimpleNamespace(dequeue_count=2) for _ in range(5)]

    async def wait(listener: QueueListener) -> None:
        while len(life.received) < 5:
            await asyncio.sleep(0)
        assert queue.looks == 3
        listener.expect(0)  # the message becomes visible later than announced
        await asyncio.sleep(0.1)
        queue.held.append(SimpleNamespace(dequeue_count=1))
        while len(life.received) < 6:
            await asyncio.sleep(0)

    asyncio.run(_listen(life, wait))
