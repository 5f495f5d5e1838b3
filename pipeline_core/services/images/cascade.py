"""A published image wakes its children and is reconciled itself. Cost follows the number of children only."""

from dataclasses import dataclass

from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.state.index import Index
from pipeline_core.wire.messages import BUILD_ENDED, PARENT_PUBLISHED, PublishedMessage, RebuildMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Safe to run twice: a child that needs no build stays at rest."""

    index: Index
    effects: Effects
    reconciler: Reconciler

    def handle(self, message: PublishedMessage) -> None:
        """Ask for a look at every child of the published image, then look at the image (rule 9).

        The inputs may have changed before its build ended. Then the next build starts here, without a message.
        """
        image = ImageName(message.image)
        campaign = CampaignId(message.campaign or f"look-{image}")
        count = 0
        for child in self.index.children(image):
            self.effects.outbox.rebuild(child, PARENT_PUBLISHED, campaign)
            count += 1
        self.effects.logs.note("children-queued", image=str(image), campaign=str(campaign), count=count)
        again = RebuildMessage(image=str(image), reason=BUILD_ENDED, campaign=str(campaign))
        self.reconciler.handle(again)
