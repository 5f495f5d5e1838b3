"""The place where this factory works: the coordinates of its resources, as plain facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_core.domain.captures import Capture
from pipeline_core.domain.names import GalleryName, Region, TeamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Names that a build job needs. `live` lists the galleries that may hold images, `more_quarantines` the quarantine
    galleries beside the first.

    The builder reports to `blob_endpoint` and `queue_endpoint`. `secops` owns bases and policy. `elsewhere`
    gives subscription and resource group of each gallery that is not in the usual ones. With
    `excludes_unproven`, an unproven version also leaves `latest`, beside the alarm. `tags` are SecOps' own, for
    what Packer makes; the adapters give them to the rest. `capture` is the way of new images that run as Trusted
    Launch only. With `allows_unsigned`, a receiver without a signing secret gets its notifications unsigned.
    """

    subscription_id: str
    location: Region
    build_resource_group: str
    gallery_resource_group: str
    quarantine: GalleryName
    live: tuple[GalleryName, ...]
    builder_client_id: str
    builder_image: str
    vm_subnet_id: str
    blob_endpoint: str
    queue_endpoint: str
    secops: TeamName
    elsewhere: Mapping[GalleryName, tuple[str, str]] = field(default_factory=dict)
    excludes_unproven: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    capture: Capture = Capture.MANAGED_IMAGE
    allows_unsigned: bool = False
    more_quarantines: tuple[GalleryName, ...] = ()

    @property
    def quarantines(self) -> tuple[GalleryName, ...]:
        """Every quarantine gallery, the first one first."""
        return (self.quarantine, *self.more_quarantines)

    def quarantine_of(self, placed: GalleryName | None) -> GalleryName:
        """The quarantine gallery of an image or a build; None stands for the first, as in records of older releases."""
        return placed or self.quarantine

    def place(self, gallery: GalleryName) -> tuple[str, str]:
        """Subscription and resource group of a gallery."""
        return self.elsewhere.get(gallery, (self.subscription_id, self.gallery_resource_group))
