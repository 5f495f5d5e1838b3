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
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.alarm import Unproven
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
    effects: Effects
    deployment: Deployment

    def observe(self, resource_id: str, operation: str) -> None:
        """Look at the image of a live gallery version. Other resources are named no-ops."""
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
        if live is not None and live.state is not VersionState.DELETING:
            self.unproven.check(live)
        if live is None or not self._wake(live):
            self.effects.outbox.rebuild(image, "gallery-changed", CampaignId(f"look-{image}"))
        if live is not None:
            self._check_turn(live)

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

    def _check_turn(self, live: GalleryImageVersion) -> None:
        """Take a version that is above the current one out of `latest`, if its build has ended.

        A slow handler that died may have put the version into `latest` after the image had gone back. Raises
        TransientError until the gallery shows it: Event Grid sends the event again.
        """
        identity = find_build_id(live.tags)
        head = self.images.find_head(live.image)
        if identity is None or head is None or head.value.current is None:
            return
        build = self.images.find_build(identity)
        if live.version <= head.value.current.version or build is None or not build.value.is_finished:
            return
        if latest.is_settled(live, excluded=True) or live.state in (
            VersionState.CREATING,
            VersionState.DELETING,
        ):
            return
        latest.settle(self.galleries, live, excluded=True)
        self.effects.logs.note("version-taken-back", image=str(live.image), version=str(live.version))
