"""How an error ends a delivery, for every function except the HTTP one.

After a transient error the message is sent again with a delay that grows each time, and this delivery is acknowledged.
So a wait for another system never counts towards poison. A message about a row that cannot be read is acknowledged:
the row has a record, and the sweep asks for the work again. Every other error is logged with fixed keys and raised.
Then the host hides the message, tries again, and in the end poisons it. This module does not know what a message means.
"""

import base64
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import azure.functions as func

from pipeline_core import telemetry
from pipeline_core.domain.errors import TransientError, UnreadableRow
from pipeline_core.wire.messages import Message
from triggers.provider import Provider

if TYPE_CHECKING:
    from pipeline_core.wiring.factory import Factory

CONNECTION = "AzureWebJobsStorage"  # the prefix of the settings that say where the queues are
_LOG = logging.getLogger("imagefactory.triggers")

Decoded = TypeVar("Decoded", bound=Message)


def deliver(
    factory: Provider,
    queue: str,
    message: func.QueueMessage,
    decode: Callable[[str], Decoded],
    work: Callable[["Factory", Decoded], object],
) -> None:
    """Do `work` with the decoded message. After a transient error send the message again, for later."""
    text = text_of(message)
    try:
        try:
            decoded = decode(text)
            with telemetry.following(decoded.traceparent):
                work(factory(), decoded)
        except UnreadableRow as error:
            factory().redelivery.leave(queue, error)
        except TransientError as error:
            factory().redelivery.again(queue, text, error)
    except Exception as error:
        _LOG.exception(
            "message not handled",
            extra={
                "event": "message-not-handled",
                "queue": queue,
                "message_id": message.id,
                "dequeue_count": message.dequeue_count,
                "error": type(error).__name__,
            },
        )
        raise


def run(factory: Provider, event: str, work: Callable[["Factory"], object]) -> None:
    """Do `work`. An error is logged and raised, and the schedule or Event Grid tries again.

    A row that cannot be read is recorded, and no further try could read it.
    """
    try:
        try:
            with telemetry.following():
                work(factory())
        except UnreadableRow as error:
            factory().redelivery.leave(event, error)
    except Exception as error:
        _LOG.exception("run failed", extra={"event": event, "error": type(error).__name__})
        raise


def text_of(message: func.QueueMessage) -> str:
    """The message's text. The factory's messages are base64. Any other body stays as it is, and is refused or recorded.

    The host does not decode bodies (`messageEncoding` none). If it did, a body that is not base64 would go to the
    poison queue and from there be lost, and no function would see it.
    """
    raw = message.get_body()
    try:
        return base64.b64decode(raw, validate=True).decode("utf-8")
    except ValueError:
        return raw.decode("utf-8", errors="replace")


def is_redelivered(message: func.QueueMessage) -> bool:
    """True where the host has delivered this message before, and that delivery failed."""
    return (message.dequeue_count or 1) > 1
