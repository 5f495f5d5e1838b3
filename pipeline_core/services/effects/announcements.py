"""Tells the children that an image's current version has changed without a build: by reuse, or by a fall.

The fact is written with the change itself, in the head. Then it is sent, then it is cleared. A handler that finds it in
the head sends it again. The fleet's copy has it before the head, so that the next sweep finds it whatever happens.
"""

from dataclasses import dataclass, replace

from pipeline_core.domain.errors import StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import CampaignId
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.messages import ANCESTOR_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """Costs a message, and one more write of the head and of its copy."""

    records: Records
    outbox: Outbox
    projection: Projection

    def prepare(self, head: ImageHead, campaign: CampaignId) -> None:
        """Call this before the change: a sweep that comes after it looks at the image."""
        self.projection.show(replace(head, announce=str(campaign)))

    def send(self, head: Stored[ImageHead]) -> None:
        """Send what the head says is to be announced, then clear it. Safe to repeat."""
        image, campaign = head.value.name, head.value.announce
        if not campaign:
            return
        if head.value.current is not None:
            self.outbox.published(image, head.value.current.version, CampaignId(campaign))
        else:  # nothing is current: the image is looked at, and the look wakes those below it
            self.outbox.rebuild(image, ANCESTOR_ENDED, CampaignId(campaign))
        copy, cleared = self.projection.find(image), replace(head.value, announce="")
        try:
            self.records.images.commit([records.put_head(cleared, etag=head.etag)])
        except StaleWrite:
            return  # the next look at the image finds it again
        self.projection.follow(cleared, copy)
