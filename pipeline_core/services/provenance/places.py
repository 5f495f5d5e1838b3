"""In which live gallery the versions of an image are, registered or deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import FormerImage
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion
from pipeline_core.state.images import ImageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPlaces:
    """An image that an older release deleted has no record of its gallery: then every live one is asked."""

    images: ImageStore
    galleries: Galleries
    deployment: Deployment

    def find_version(self, image: ImageName, version: GalleryVersion) -> GalleryImageVersion | None:
        """The live version, or None. Raises NotFound where the image was never registered."""
        return next(
            (
                found
                for gallery in self.of_image(image)
                if (found := self.galleries.find_version(gallery, image, version)) is not None
            ),
            None,
        )

    def list_versions(self, former: FormerImage) -> Sequence[GalleryImageVersion]:
        """Every live version of a deleted image. Costs one list call for each gallery."""
        return [
            found
            for gallery in self._of_former(former)
            for found in self.galleries.list_versions(gallery, former.name)
        ]

    def of_image(self, image: ImageName) -> tuple[GalleryName, ...]:
        """The galleries to ask for versions of an image. Raises NotFound where it was never registered."""
        head = self.images.find_head(image)
        if head is not None:
            return (head.value.registration.gallery,)
        former = self.images.find_former(image)
        if former is None:
            raise NotFound(f"image {image} is not registered: register it first")
        return self._of_former(former.value)

    def _of_former(self, former: FormerImage) -> tuple[GalleryName, ...]:
        return self.deployment.live if former.gallery is None else (former.gallery,)
