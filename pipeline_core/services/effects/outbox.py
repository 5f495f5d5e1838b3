"""Send messages: one method per queue. No other service knows the queues' names or the form of a message."""

from datetime import timedelta

from pipeline_core import telemetry
from pipeline_core.domain import retry
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import TransientError, UnreadableRow
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Chance, Logs, Queues
from pipeline_core.wire import messages, resent

_ERROR = 600  # characters of an error that a log line holds


class Outbox:
    """Sends every message of the factory, except the builder's events and requeued poison messages."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def rebuild(self, image: ImageName, reason: str, campaign: CampaignId) -> None:
        """Ask for a look at an image."""
        message = messages.RebuildMessage(image=str(image), reason=reason, campaign=str(campaign))
        self._send(messages.REBUILD_REQUESTS, message)

    def dispatch(self, reason: str, *, delay: timedelta = timedelta(0)) -> None:
        """Ask the dispatcher to fill free slots."""
        message = messages.DispatchMessage(reason=reason)
        self._send(messages.DISPATCH_REQUESTS, message, delay=delay)

    def step(
        self,
        build: Build,
        *,
        delay: timedelta = timedelta(0),
        reason: str = "",
        once: bool = False,
        tries: int = 0,
        paused: str = "",
    ) -> None:
        """Ask for the next step of a build at its current transition.

        With `once`, a step that only waits is not repeated, so a look from outside starts no second chain.
        """
        message = messages.StepMessage(
            build=str(build.id),
            seq=build.seq,
            reason=reason,
            campaign=str(build.campaign),
            once=once,
            tries=tries,
            paused=paused,
        )
        self._send(messages.BUILD_STEPS, message, delay=delay)

    def published(self, image: ImageName, version: GalleryVersion, campaign: CampaignId) -> None:
        """Report that a version is live and current."""
        message = messages.PublishedMessage(image=str(image), version=str(version), campaign=str(campaign))
        self._send(messages.IMAGE_PUBLISHED, message)

    def notify(self, image: ImageName, entry: str) -> None:
        """Ask for a look at the journal: this entry, and others that wait, go to the feeds of those who want them."""
        message = messages.NotificationMessage(image=str(image), entry=entry)
        self._send(messages.NOTIFICATION_REQUESTS, message)

    def deliver(self, receiver: ReceiverId, *, delay: timedelta = timedelta(0)) -> None:
        """Ask for the delivery of what the feed of a receiver holds."""
        message = messages.NotificationMessage(receiver=str(receiver))
        self._send(messages.NOTIFICATION_REQUESTS, message, delay=delay)

    def _send(self, queue: str, message: messages.Message, *, delay: timedelta = timedelta(0)) -> None:
        """Every message continues the trace in which it is sent, so that a cascade can be followed in the log."""
        traced = message.model_copy(update={"traceparent": telemetry.traceparent()})
        self._queues.send(queue, traced.to_wire(), delay=delay)


class Redelivery:
    """Sends a message again after a transient error, so that a wait never makes it a poison message."""

    def __init__(self, queues: Queues, chance: Chance, logs: Logs) -> None:
        self._queues = queues
        self._chance = chance
        self._logs = logs

    def leave(self, queue: str, error: UnreadableRow) -> None:
        """End a message about a row that cannot be read. The row is recorded, and the sweep asks for the work again."""
        self._logs.note("message-ended-at-unreadable-row", queue=queue, error=str(error)[:_ERROR])

    def again(self, queue: str, text: str, error: TransientError) -> None:
        """Send the same message after a delay that grows with each time, as `until_sent_again` says.

        The text has the count of these times. A text that cannot carry it is sent as it is.
        """
        more, times = resent.counted(text)
        delay = retry.until_sent_again(times, self._chance.fraction(), retry_after=error.retry_after)
        self._queues.send(queue, more, delay=delay)
        self._logs.note("message-sent-again", queue=queue, error=str(error), seconds=delay.total_seconds())
