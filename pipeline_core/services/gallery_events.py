"""Azure says that a gallery version was written or deleted: a second signal, and an alarm for what is not ours."""

import re
from dataclasses import dataclass

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, Logs
from pipeline_core.services.journal import Journal
from pipeline_core.services.outbox import Outbox
from pipeline_core.services.site import Site
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

_VERSION_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute"
    r"/galleries/([^/]+)/images/([^/]+)/versions/([^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryEvents:
    """Reads the world again: an event's content decides nothing."""

    images: ImageStore
    galleries: Galleries
    outbox: Outbox
    journal: Journal
    site: Site
    logs: Logs

    def observe(self, resource_id: str, operation: str) -> None:
        """Look at the image of a live gallery version; other resources are named no-ops."""
        found = _VERSION_ID.fullmatch(resource_id)
        if found is None:
            self.logs.note("gallery-event-ignored", resource=resource_id[:300], operation=operation[:100])
            return
        try:
            gallery, image = GalleryName(found[1]), ImageName(found[2].lower())
            version = GalleryVersion.parse(found[3])
        except InvalidValue as error:
            self.logs.note("gallery-event-ignored", resource=resource_id[:300], error=str(error))
            return
        if str(gallery).lower() not in {str(live).lower() for live in self.site.live}:
            self.logs.note("gallery-event-ignored", resource=resource_id[:300], operation=operation[:100])
            return
        self._check_proof(gallery, image, version)
        self.outbox.rebuild(image, "gallery-changed", CampaignId(f"look-{image}"))

    def _check_proof(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        live = self.galleries.find_version(gallery, image, version)
        if live is None or live.tags.get("imagefactory-provenance"):
            return
        detail = f"{image}@{version} is in {gallery} without provenance of this factory"
        entry = self.journal.of_image(image, Event.UNPROVEN, detail=detail)
        self.images.commit([records.add_entry(entry)])
        self.outbox.notify(image, entry.key)
        self.logs.note("version-unproven", image=str(image), version=str(version))
