"""Azure Compute Galleries and the Marketplace: versions to build from, and versions that were built."""

from collections.abc import Sequence
from typing import Protocol

from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.gallery_versions import GalleryImageVersion, NewGalleryVersion
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

    def set_regions(
        self,
        gallery: GalleryName,
        image: ImageName,
        version: GalleryVersion,
        regions: Sequence[TargetRegion],
    ) -> None:
        """Begin to have a version in these regions, and its own, alone. Raises NotFound. Read it back: it may fail."""
        ...

    def set_life(self, wanted: GalleryImageVersion) -> None:
        """Like `set_excluded`, to the mark and the end of life of `wanted`. A date that has passed is not sent."""
        ...

    def begin_delete(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        """Start the deletion and return. A version that is gone is not an error."""
        ...
