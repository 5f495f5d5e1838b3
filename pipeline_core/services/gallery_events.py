"""Azure says that a gallery version was written or deleted: a second signal, and an alarm for what is not ours."""

import re
from dataclasses import dataclass

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.names import CampaignId, GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, Logs
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
        live = self.galleries.find_version(gallery, image, version)
        if live is not None:
            self._check_proof(live)
            self._check_turn(live)
        self.outbox.rebuild(image, "gallery-changed", CampaignId(f"look-{image}"))

    def _check_turn(self, live: GalleryImageVersion) -> None:
        """Take a version out of `latest` that is above the current one, unless its build is about to end.

        A handler that was slow, and then died, may have let it in after the image had gone back.
        """
        identity = find_build_id(live.tags)
        head = self.images.find_head(live.image)
        if live.excluded_from_latest or identity is None or head is None or head.value.current is None:
            return
        build = self.images.find_build(identity)
        if live.version <= head.value.current.version or build is None or not build.value.is_finished:
            return
        self.galleries.set_excluded(live.gallery, live.image, live.version, excluded=True)
        self.logs.note("version-taken-back", image=str(live.image), version=str(live.version))

    def _check_proof(self, live: GalleryImageVersion) -> None:
        if live.tags.get("imagefactory-provenance"):
            return
        image, version = live.image, live.version
        detail = f"{image}@{version} is in {live.gallery} without provenance of this factory"
        entry = self.journal.of_image(image, Event.UNPROVEN, detail=detail)
        self.images.commit([records.add_entry(entry)])
        self.outbox.notify(image, entry.key)
        self.logs.note("version-unproven", image=str(image), version=str(version))
