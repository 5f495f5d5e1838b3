"""What every function but the HTTP one has in common: how an error ends a delivery.

A transient error sends the message again with a delay and acknowledges this one, so that waiting for others
never counts towards poison. Everything else is logged with fixed keys and raised, so that the host hides the
message, tries again, and in the end poisons it. Nothing here knows what a message means.
"""

import base64
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import azure.functions as func

from pipeline_core.domain.errors import TransientError
from triggers.provider import Provider

if TYPE_CHECKING:
    from pipeline_core.wiring.factory import Factory

CONNECTION = "AzureWebJobsStorage"  # the prefix of the settings that say where the queues are
_LOG = logging.getLogger("imagefactory.triggers")

Decoded = TypeVar("Decoded")


def deliver(
    factory: Provider,
    queue: str,
    message: func.QueueMessage,
    decode: Callable[[str], Decoded],
    work: Callable[["Factory", Decoded], object],
) -> None:
    """Do `work` with the decoded message, once more later where time may mend what went wrong."""
    text = text_of(message)
    try:
        try:
            work(factory(), decode(text))
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
    """Do `work`; an error is logged and raised: the schedule, or Event Grid, is what tries again."""
    try:
        work(factory())
    except Exception as error:
        _LOG.exception("run failed", extra={"event": event, "error": type(error).__name__})
        raise


def text_of(message: func.QueueMessage) -> str:
    """The message's text. Ours are base64; what is not is taken as it is, and refused or kept as such.

    The host passes bodies on unread (`messageEncoding` none): were it to decode them, a message that is no
    base64 would go to poison, and from there nowhere, without any function of ours having seen it.
    """
    raw = message.get_body()
    try:
        return base64.b64decode(raw, validate=True).decode("utf-8")
    except ValueError:
        return raw.decode("utf-8", errors="replace")


def is_redelivered(message: func.QueueMessage) -> bool:
    """True where the host has given this message out before, and that delivery did not end well."""
    return (message.dequeue_count or 1) > 1
