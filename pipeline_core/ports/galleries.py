"""Azure Compute Galleries and the Marketplace: versions to build from, and versions that were built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, unique
from typing import Protocol

from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion


class MarketplaceOffers(Protocol):
    """The offers of Azure's Marketplace."""

    def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
        """Every version of the source in its region, in no order. Raises NotFound for an unknown source."""
        ...

    def get_image(self, source: MarketplaceSource, version: MarketplaceVersion) -> SourceImage:
        """What the Marketplace says about one version. Raises NotFound for a version that is not offered (now)."""
        ...

    def list_names(self, location: Region, *parents: str) -> Sequence[str]:
        """Names of publishers, or below 1 or 2 `parents` of offers and SKUs. Empty, or NotFound, if one is unknown."""
        ...


@unique
class VersionState(Enum):
    """The place of a gallery version in its life."""

    CREATING = "creating"  # being created, or replicating
    READY = "ready"  # created and replicated to every region
    UPDATING = "updating"  # a later change of it has not ended: what it shows may not come to pass
    UPDATE_FAILED = "update-failed"  # replicated; its last change failed, and it may show it
    FAILED = "failed"  # creation or replication failed
    DELETING = "deleting"  # being deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryImageVersion:
    """A version in a gallery as the platform shows it. `disk_gb` and `end_of_life` are None where it does not say."""

    gallery: GalleryName
    image: ImageName
    version: GalleryVersion
    state: VersionState
    excluded_from_latest: bool
    is_divided: bool = False  # its mark about latest and its regions' differ: nobody says which wins
    tags: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    disk_gb: int | None = None
    end_of_life: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGalleryVersion:
    """A copy to make: `image`@`version` of `source_gallery` into `gallery`, excluded from latest."""

    gallery: GalleryName
    source_gallery: GalleryName
    image: ImageName
    version: GalleryVersion
    regions: tuple[TargetRegion, ...]
    tags: Mapping[str, str]
    end_of_life: datetime | None = None


class Galleries(Protocol):
    """Azure Compute Galleries."""

    def find_image(self, gallery: GalleryName, image: ImageName) -> OsTraits | None:
        """The traits that the image definition has, or None. PermanentError for traits that no image here has."""
        ...

    def ensure_image(self, gallery: GalleryName, image: ImageName, os: OsTraits) -> None:
        """Create the image definition if it is missing. Safe to repeat. Raises TransientError until it is ready."""
        ...

    def list_images(self, gallery: GalleryName) -> Sequence[ImageName]:
        """Names of the image definitions of a gallery, sorted. Names that no image can have are left out."""
        ...

    def find_version(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> GalleryImageVersion | None:
        """The version with its replication state, or None."""
        ...

    def list_versions(self, gallery: GalleryName, image: ImageName) -> Sequence[GalleryImageVersion]:
        """Every version of an image. Empty if there is no such image definition."""
        ...

    def begin_copy(self, new: NewGalleryVersion) -> None:
        """Start the copy and return. Safe to repeat. Watch the copy by `find_version`."""
        ...

    def set_excluded(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion, *, excluded: bool
    ) -> None:
        """Begin to put a version into `latest`, or to take it out. Raises NotFound. Read it back: it may fail later."""
        ...

    def set_life(self, wanted: GalleryImageVersion) -> None:
        """Like `set_excluded`, to the mark and the end of life of `wanted`. A date that has passed is not sent."""
        ...

    def begin_delete(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        """Start the deletion and return. A version that is gone is not an error."""
        ...
