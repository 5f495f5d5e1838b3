"""The life of one received message: decode it, run it, keep it invisible meanwhile, then delete, release or bury it.

The deletion is the last step, so a host that dies loses no message. The message comes back when its lease ends. The
real host's lease is ten minutes. Here the lease is an option, because a test of a crash waits for its end.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.functions.queue import QueueMessage
from azure.storage import queue as storage

from local.host.host_json import Encoding, QueueOptions
from local.host.invocation import Invoker
from local.host.table import Function

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_TRIES = 3
_TRY_AGAIN_SECONDS = 0.2
_NEVER_EXPIRES = -1


@dataclass(slots=True)
class _Receipt:
    """The right to change a message. Every change of the message gives a new receipt."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLife:
    """What a listener does with each message of its queue. `poison` is None for a poison queue."""

    function: Function
    queue: storage.QueueClient
    poison: storage.QueueClient | None
    options: QueueOptions
    lease: timedelta
    invoker: Invoker
    threads: Executor
    on_poison: Callable[[str], None]

    async def live(self, message: storage.QueueMessage) -> None:
        """Take a message from receipt to its end. Never raises: a message with an error comes back after its lease."""
        try:
            await self._live(message)
        except AzureError as error:
            _log.warning(
                "message %s of %s is not settled and comes back when its lease ends: %s",
                message.id,
                self.queue.queue_name,
                getattr(error, "message", error),
            )

    async def _live(self, message: storage.QueueMessage) -> None:
        count = int(message.dequeue_count or 0)
        receipt = _Receipt(str(message.pop_receipt))
        if count > self.options.max_dequeue_count:  # the host died at each earlier try
            await self._bury(message, receipt)
            return
        body = decode(str(message.content), self.options.encoding)
        if body is None:
            _log.error("message %s of %s is not base64", message.id, self.queue.queue_name)
            await self._bury(message, receipt)
            return
        outcome_ok = await self._run(message, body, receipt)
        if outcome_ok:
            await self._settle(lambda: self.queue.delete_message(message.id, receipt.text))
        elif count >= self.options.max_dequeue_count:
            await self._bury(message, receipt)
        elif self.poison is not None:
            seconds = int(self.options.visibility_timeout.total_seconds())
            await self._settle(
                lambda: self.queue.update_message(message.id, receipt.text, visibility_timeout=seconds)
            )
        # Without a poison queue the message stays invisible until its lease ends. This prevents a fast endless loop.

    async def _run(self, message: storage.QueueMessage, body: bytes, receipt: _Receipt) -> bool:
        value = QueueMessage(  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
            id=message.id,
            body=body,
            dequeue_count=message.dequeue_count,
            insertion_time=message.inserted_on,
            expiration_time=message.expires_on,
            time_next_visible=message.next_visible_on,
            pop_receipt=message.pop_receipt,
        )
        done = asyncio.Event()
        renewing = asyncio.create_task(self._renew(message, receipt, done))
        try:
            outcome = await self.invoker.invoke(self.function, value, reason=f"queue {self.queue.queue_name}")
        finally:
            done.set()
            await renewing  # a renewal may still run, and it changes the receipt
        return outcome.ok

    async def _renew(self, message: storage.QueueMessage, receipt: _Receipt, done: asyncio.Event) -> None:
        seconds = int(self.lease.total_seconds())
        pause = self.lease.total_seconds() / 2
        while not done.is_set():
            try:
                await asyncio.wait_for(done.wait(), pause)
                return
            except TimeoutError:
                pass
            try:
                renewed = await self._in_thread(
                    lambda: self.queue.update_message(message.id, receipt.text, visibility_timeout=seconds)
                )
                receipt.text = str(renewed.pop_receipt)
                pause = self.lease.total_seconds() / 2
            except AzureError as error:
                _log.warning("the lease of message %s was not renewed: %s", message.id, error)
                pause = max(self.lease.total_seconds() / 8, _TRY_AGAIN_SECONDS)

    async def _bury(self, message: storage.QueueMessage, receipt: _Receipt) -> None:
        """Move the message to the poison queue unchanged. In a poison queue it stays, and becomes visible again."""
        if self.poison is None:
            return
        poison = self.poison
        text = str(message.content)
        try:
            await self._settle(lambda: poison.send_message(text, time_to_live=_NEVER_EXPIRES))
        except ResourceNotFoundError:
            await self._in_thread(poison.create_queue)
            await self._settle(lambda: poison.send_message(text, time_to_live=_NEVER_EXPIRES))
        _log.error("message %s of %s was moved to %s", message.id, self.queue.queue_name, poison.queue_name)
        await self._settle(lambda: self.queue.delete_message(message.id, receipt.text))
        self.on_poison(str(poison.queue_name))

    async def _settle(self, call: Callable[[], Any]) -> None:
        """Make the call, three times at most. Give up a message that another receiver has changed meanwhile."""
        for tries_left in reversed(range(_TRIES)):
            try:
                await self._in_thread(call)
                return
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", None) != "MessageNotFound":
                    raise
                return
            except HttpResponseError as error:
                if getattr(error, "error_code", None) == "PopReceiptMismatch":
                    return
                if not tries_left or (error.status_code or 500) < 500:
                    raise
            except AzureError:
                if not tries_left:
                    raise
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


def decode(text: str, encoding: Encoding) -> bytes | None:
    """The decoded body of `text`, or None if it must be base64 and is not."""
    if encoding is Encoding.NONE:
        return text.encode("utf-8")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
