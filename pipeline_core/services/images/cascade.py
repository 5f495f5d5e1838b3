"""A published image is reconciled itself and wakes its children. Cost follows the number of children only."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline_core.domain import chains
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.state.index import MOST_TOGETHER, Index
from pipeline_core.state.records import Stored
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
        few = self._few(image)
        if 0 < len(few) <= MOST_TOGETHER:
            self._start(image, few, campaign)
            return
        has_descendants = self.reconciler.after_publish(image, campaign)
        self._ask(image, list(self.index.children(image)) if has_descendants and few else (), campaign)

    def follow_at_once(self, head: Stored[ImageHead], campaign: CampaignId) -> bool:
        """The same without a message, for a head that the caller has just written; False where a message is needed.

        It does so for an image without children, and for one with few. What it raises leaves nothing half done: the
        message does all of it again.
        """
        image = head.value.name
        if chains.is_leaf(head.value):
            return not self.reconciler.after_publish(image, campaign, head)
        few = self._few(image)
        if not 0 < len(few) <= MOST_TOGETHER:
            return False
        self._start(image, few, campaign, head)
        return True

    def _few(self, image: ImageName) -> Sequence[ImageName]:
        """The children, or one more than are started together."""
        return list(islice(self.index.children(image), MOST_TOGETHER + 1))

    def _start(
        self,
        image: ImageName,
        children: Sequence[ImageName],
        campaign: CampaignId,
        known: Stored[ImageHead] | None = None,
    ) -> None:
        asked = self.reconciler.after_publish_with(image, children, campaign, known)
        self._ask(image, asked, campaign, started=len(children) - len(asked))

    def _ask(
        self, image: ImageName, children: Sequence[ImageName], campaign: CampaignId, *, started: int = 0
    ) -> None:
        for child in children:
            self.effects.outbox.rebuild(child, PARENT_PUBLISHED, campaign)
        self.effects.logs.note(
            "children-queued",
            image=str(image),
            campaign=str(campaign),
            count=started + len(children),
            asked=len(children),
        )
