"""A published image is reconciled itself and wakes its children. Cost follows the number of children only."""

from dataclasses import dataclass

from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.state.index import Index
from pipeline_core.wire.messages import PARENT_PUBLISHED, PublishedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Safe to run twice: a child that needs no build stays at rest."""

    index: Index
    effects: Effects
    reconciler: Reconciler

    def handle(self, message: PublishedMessage) -> None:
        """Look at the published image (rule 9), then ask for a look at each of its children. A leaf has none.

        The inputs may have changed before its build ended. Then the next build starts here, without a message.
        """
        image = ImageName(message.image)
        campaign = CampaignId(message.campaign or f"look-{image}")
        children = self.index.children(image) if self.reconciler.after_publish(image, campaign) else ()
        count = 0
        for child in children:
            self.effects.outbox.rebuild(child, PARENT_PUBLISHED, campaign)
            count += 1
        self.effects.logs.note("children-queued", image=str(image), campaign=str(campaign), count=count)
