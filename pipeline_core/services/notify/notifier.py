"""One message of the queue: news of an image's journal, or a feed with facts to deliver."""

from dataclasses import dataclass

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.services.notify.delivery import Delivery
from pipeline_core.services.notify.fanout import Fanout
from pipeline_core.wire.messages import NotificationMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Decides by the form of the message alone."""

    fanout: Fanout
    delivery: Delivery

    def deliver(self, message: NotificationMessage) -> None:
        """Handle one message. A receiver's failure raises nothing: its feed has the time of the next try."""
        if message.receiver:
            self.delivery.deliver(ReceiverId(message.receiver))
        else:
            self.fanout.spread(ImageName(message.image), message.entry)
