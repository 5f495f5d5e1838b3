"""Polls one queue for one function. Each message gets a task, within the limits of `host.json`."""

import asyncio
import logging
import random
from concurrent.futures import Executor
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage import queue as storage

from local.host.queues.backoff import PollBackoff
from local.host.queues.messages import MessageLife

POISON_SUFFIX = "-poison"
# If only this process fills a queue, each message wakes its listener. So an idle queue may be polled less often than by
# the real host, and not at all for a message that has come already. Half of all requests of a run on one machine were
# looks that found nothing.
_PATIENCE = 4
_PATIENT = timedelta(seconds=1)  # no longer, because nothing says beforehand which process fills a queue
_POISON_PATIENCE, _POISON_PATIENT = 20, timedelta(seconds=5)
_ON_ITS_WAY = (
    0.02  # seconds from the start of a request that sends a message until the queue holds the message
)
_log = logging.getLogger(__name__)


class QueueListener:
    """Looks for messages until it is stopped. Then it waits for the end of the running ones."""

    def __init__(self, *, life: MessageLife, threads: Executor) -> None:
        self._life = life
        self._threads = threads
        longest = life.options.max_polling_interval
        patient = max(longest, min(longest * _PATIENCE, _PATIENT))
        if life.poison is None:  # only this host fills it
            patient = max(longest * _PATIENCE, min(longest * _POISON_PATIENCE, _POISON_PATIENT))
        self._backoff = PollBackoff(longest=patient, fraction=random.random)
        self._expected = 0  # messages that this process has sent and that it has not received yet
        self._due = 0  # those of them that must be visible by now
        self._is_shared = False  # another process fills this queue too
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._complaint = ""

    @property
    def queue_name(self) -> str:
        """The name of its queue."""
        return str(self._life.queue.queue_name)

    def wake(self) -> None:
        """Look at once, because this host has put a message into the queue."""
        self._backoff.reset()
        self._wake.set()

    def expect(self, seconds: float) -> None:
        """This process sends a message that is visible after `seconds`. Call this on the event loop."""
        self._expected += 1
        asyncio.get_running_loop().call_later(seconds + _ON_ITS_WAY, self._arrive)

    def stop(self) -> None:
        """Take no more messages. `run` returns after the end of the running ones."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Poll until stopped."""
        while not self._is_stopping:
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._life.live(message))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            if messages:
                self._notice(messages)
                await self._wait_for_room()
            if messages and (self._is_awaiting or len(messages) >= self._life.options.batch_size):
                self._backoff.reset()  # and look again at once
                continue
            if not self._is_awaiting:
                self._backoff.rest()
            await self._pause(self._backoff.next_delay().total_seconds())
        if self._under_way:
            await asyncio.wait(self._under_way)

    @property
    def _is_awaiting(self) -> bool:
        """True if a message may be there that nobody will announce, or that was announced and has not come."""
        return self._is_shared or self._due > 0

    def _arrive(self) -> None:
        self._due = min(self._due + 1, self._expected)  # it may have been received before
        self.wake()

    def _notice(self, messages: list[Any]) -> None:
        """Poll as often as `host.json` says once a message shows that other processes fill this queue too."""
        fresh = sum(1 for message in messages if int(message.dequeue_count or 1) == 1)
        if fresh > self._expected and self._life.poison is not None:
            self._backoff.longest = self._life.options.max_polling_interval
            self._is_shared = True
        self._expected = max(0, self._expected - fresh)
        self._due = min(max(0, self._due - fresh), self._expected)

    async def _wait_for_room(self) -> None:
        while len(self._under_way) > self._life.options.new_batch_threshold and not self._is_stopping:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        self._wake.clear()

    async def _receive(self) -> list[Any]:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._receive_page)
        except ResourceNotFoundError:
            self._complain(f"the queue {self.queue_name} does not exist yet")
            return []
        except AzureError as error:
            self._complain(f"the queue {self.queue_name} cannot be read: {error}")
            return []
        self._complaint = ""
        return found

    def _receive_page(self) -> list[storage.QueueMessage]:
        size = self._life.options.batch_size
        pages = self._life.queue.receive_messages(
            messages_per_page=size,
            max_messages=size,
            visibility_timeout=int(self._life.lease.total_seconds()),
        ).by_page()
        # One page is one request. A second page would be a second request for an idle queue.
        return list(next(pages, ()))

    def _complain(self, text: str) -> None:
        if text != self._complaint:  # once for each new error, not at every look
            _log.warning(text)
        self._complaint = text
