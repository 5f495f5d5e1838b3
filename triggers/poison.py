"""Functions on the poison queues: each message that could not be handled is recorded, so that nothing disappears."""

from datetime import UTC, datetime

import azure.functions as func

from pipeline_core.wire import messages
from triggers import delivery
from triggers.delivery import CONNECTION
from triggers.provider import Provider

SUFFIX = "-poison"  # given by the Functions host


def blueprint(factory: Provider) -> func.Blueprint:
    """One `record_poison_*` function per queue."""
    poison = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    for queue in messages.QUEUES:
        _register(poison, queue, factory)
    return poison


def _register(poison: func.Blueprint, queue: str, factory: Provider) -> None:
    @poison.function_name(f"record_poison_{queue.replace('-', '_')}")
    @poison.queue_trigger(arg_name="message", queue_name=f"{queue}{SUFFIX}", connection=CONNECTION)
    def record_poison(message: func.QueueMessage) -> None:
        """Keep the message, mark its image, notify the owners. Never parse it here: it may hold anything.

        Every error is raised, also a transient one. A poison queue has no limit of deliveries. The same message must
        come again, because its id prevents a second record.
        """
        text, put_at = delivery.text_of(message), _aware(message.insertion_time)
        delivery.run(
            factory,
            "poison-not-recorded",
            lambda services: services.poison.record(queue, text, message_id=message.id or "", put_at=put_at),
        )


def _aware(at: datetime | None) -> datetime | None:
    """The worker reads the times of some hosts without their zone. Queues give UTC."""
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
