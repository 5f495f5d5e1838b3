"""Send messages: one method per queue. No other service knows the queues' names or the form of a message."""

from datetime import timedelta

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import TransientError, UnreadableRow
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Chance, Logs, Queues
from pipeline_core.wire import messages

_AGAIN_FIRST = timedelta(seconds=5)
_ERROR = 600  # characters of an error that a log line holds


class Outbox:
    """Sends every message of the factory, except the builder's events and requeued poison messages."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def rebuild(self, image: ImageName, reason: str, campaign: CampaignId) -> None:
        """Ask for a look at an image."""
        message = messages.RebuildMessage(image=str(image), reason=reason, campaign=str(campaign))
        self._queues.send(messages.REBUILD_REQUESTS, message.to_wire())

    def dispatch(self, reason: str, *, delay: timedelta = timedelta(0)) -> None:
        """Ask the dispatcher to fill free slots."""
        message = messages.DispatchMessage(reason=reason)
        self._queues.send(messages.DISPATCH_REQUESTS, message.to_wire(), delay=delay)

    def step(
        self,
        build: Build,
        *,
        delay: timedelta = timedelta(0),
        reason: str = "",
        once: bool = False,
        tries: int = 0,
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
        )
        self._queues.send(messages.BUILD_STEPS, message.to_wire(), delay=delay)

    def published(self, image: ImageName, version: GalleryVersion, campaign: CampaignId) -> None:
        """Report that a version is live and current."""
        message = messages.PublishedMessage(image=str(image), version=str(version), campaign=str(campaign))
        self._queues.send(messages.IMAGE_PUBLISHED, message.to_wire())

    def notify(self, image: ImageName, entry: str) -> None:
        """Ask for the delivery of the journal entry with this key to the image's webhooks."""
        message = messages.NotificationMessage(image=str(image), entry=entry)
        self._queues.send(messages.NOTIFICATION_REQUESTS, message.to_wire())


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
        """Send the same text after the error's `retry_after`, or 5 seconds, times a random factor from 1 to 2."""
        delay = (error.retry_after or _AGAIN_FIRST) * (1 + self._chance.fraction())
        self._queues.send(queue, text, delay=delay)
        self._logs.note("message-sent-again", queue=queue, error=str(error), seconds=delay.total_seconds())
