"""A published image is reconciled itself and wakes its children. Cost follows the number of children only."""

from dataclasses import dataclass
from itertools import islice

from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.state.index import MOST_TOGETHER, Index
from pipeline_core.wire.messages import PARENT_PUBLISHED, PublishedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Safe to run twice: a child that needs no build stays at rest."""

    index: Index
    effects: Effects
    reconciler: Reconciler

    def handle(self, message: PublishedMessage) -> None:
        """Look at the published image (rule 9), then at each of its children.

        The inputs may have changed before its build ended. Then the next build starts here, without a message. The
        builds of a few children start here, too. Many children, and each one for which more is to be decided, are
        asked for a look of their own.
        """
        image = ImageName(message.image)
        campaign = CampaignId(message.campaign or f"look-{image}")
        few = list(islice(self.index.children(image), MOST_TOGETHER + 1))
        if 0 < len(few) <= MOST_TOGETHER:
            asked = self.reconciler.after_publish_with(image, few, campaign)
        else:
            has_descendants = self.reconciler.after_publish(image, campaign)
            asked = list(self.index.children(image)) if has_descendants and few else ()
        for child in asked:
            self.effects.outbox.rebuild(child, PARENT_PUBLISHED, campaign)
        self.effects.logs.note(
            "children-queued", image=str(image), campaign=str(campaign), count=len(few), asked=len(asked)
        )
