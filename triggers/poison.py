"""Functions on the poison queues: whatever could not be handled is recorded, so that nothing disappears."""

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
        """Keep the message, mark what it was about, tell; never parse it: it may be anything."""
        delivery.deliver(
            factory,
            f"{queue}{SUFFIX}",
            message,
            str,
            lambda services, text: services.poison.record(queue, text),
        )
