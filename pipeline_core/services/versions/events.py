"""Azure reports a written or deleted gallery version: a second signal, and an alarm for versions that are not ours."""

import re
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.names import CampaignId, GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.versions.observer import GalleryObserver
from pipeline_core.state.images import ImageStore

_VERSION_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute"
    r"/galleries/([^/]+)/images/([^/]+)/versions/([^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryEvents:
    """Reads the current state again. The content of an event decides nothing."""

    images: ImageStore
    galleries: Galleries
    unproven: Unproven
    observer: GalleryObserver
    effects: Effects
    deployment: Deployment

    def observe(self, resource_id: str, operation: str) -> None:
        """Look at the image of a live gallery version. Other resources are named no-ops.

        Raises TransientError until the gallery shows what was changed: Event Grid sends the event again.
        """
        found = _VERSION_ID.fullmatch(resource_id)
        if found is None:
            self.effects.logs.note(
                "gallery-event-ignored", resource=resource_id[:300], operation=operation[:100]
            )
            return
        try:
            gallery, image = GalleryName(found[1]), ImageName(found[2].lower())
            version = GalleryVersion.parse(found[3])
        except InvalidValue as error:
            self.effects.logs.note("gallery-event-ignored", resource=resource_id[:300], error=str(error))
            return
        place = next(
            (each for each in self.deployment.live if str(each).lower() == str(gallery).lower()), None
        )
        if place is None:
            self.effects.logs.note(
                "gallery-event-ignored", resource=resource_id[:300], operation=operation[:100]
            )
            return
        live = self.galleries.find_version(place, image, version)
        head = self.images.find_head(image)
        current = None if head is None or head.value.current is None else head.value.current.version
        if live is not None and live.state is not VersionState.DELETING:
            self.unproven.check(live, current)
        if live is None or not self._wake(live):
            self.effects.outbox.rebuild(image, "gallery-changed", CampaignId(f"look-{image}"))
        if head is not None and head.value.registration.gallery == place:
            self.observer.look(head.value)

    def _wake(self, live: GalleryImageVersion) -> bool:
        """Let the build that waits for this copy, or for its way into `latest`, look at once and not at its next step.

        A waiting build looks every half a minute, and each level of a lineage waits. True if a build was waiting.
        """
        identity = find_build_id(live.tags)
        if identity is None or live.state is not VersionState.READY:
            return False
        build = self.images.find_build(identity)
        if build is None or build.value.phase is not Phase.PUBLISHING or build.value.version != live.version:
            return False
        self.effects.outbox.step(build.value, reason="gallery-event", once=True)
        return True
