"""Functions on queues: each message is a pointer, and its service reads the present state."""

import azure.functions as func

from pipeline_core.wire import messages
from triggers import delivery
from triggers.delivery import CONNECTION
from triggers.provider import Provider


def blueprint(factory: Provider) -> func.Blueprint:
    """One function per queue."""
    queues = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    @queues.queue_trigger(arg_name="message", queue_name=messages.REBUILD_REQUESTS, connection=CONNECTION)
    def rebuild_image(message: func.QueueMessage) -> None:
        """Look at one image: build it where it is stale."""
        delivery.deliver(
            factory,
            messages.REBUILD_REQUESTS,
            message,
            messages.RebuildMessage.from_wire,
            lambda services, request: services.reconciler.handle(request),
        )

    @queues.queue_trigger(arg_name="message", queue_name=messages.DISPATCH_REQUESTS, connection=CONNECTION)
    def dispatch_builds(message: func.QueueMessage) -> None:
        """Fill free slots with pending builds."""
        delivery.deliver(
            factory,
            messages.DISPATCH_REQUESTS,
            message,
            messages.DispatchMessage.from_wire,
            lambda services, request: services.dispatcher.dispatch(request.reason),
        )

    @queues.queue_trigger(arg_name="message", queue_name=messages.BUILD_STEPS, connection=CONNECTION)
    def drive_build(message: func.QueueMessage) -> None:
        """Advance one build by one bounded step."""
        delivery.deliver(
            factory,
            messages.BUILD_STEPS,
            message,
            messages.StepMessage.from_wire,
            lambda services, step: services.driver.step(step, redelivered=delivery.is_redelivered(message)),
        )

    @queues.queue_trigger(arg_name="message", queue_name=messages.BUILD_EVENTS, connection=CONNECTION)
    def observe_build_event(message: func.QueueMessage) -> None:
        """Note the event that the builder's container reports."""
        delivery.deliver(
            factory,
            messages.BUILD_EVENTS,
            message,
            messages.BuildEventMessage.from_wire,
            lambda services, event: services.build_events.observe(event),
        )

    @queues.queue_trigger(arg_name="message", queue_name=messages.IMAGE_PUBLISHED, connection=CONNECTION)
    def cascade_published_image(message: func.QueueMessage) -> None:
        """Wake the children of an image that was published."""
        delivery.deliver(
            factory,
            messages.IMAGE_PUBLISHED,
            message,
            messages.PublishedMessage.from_wire,
            lambda services, published: services.cascade.handle(published),
        )

    @queues.queue_trigger(
        arg_name="message", queue_name=messages.NOTIFICATION_REQUESTS, connection=CONNECTION
    )
    def deliver_notifications(message: func.QueueMessage) -> None:
        """Send the news of an image's journal to its owners."""
        delivery.deliver(
            factory,
            messages.NOTIFICATION_REQUESTS,
            message,
            messages.NotificationMessage.from_wire,
            lambda services, notification: services.notifier.deliver(notification),
        )

    return queues
