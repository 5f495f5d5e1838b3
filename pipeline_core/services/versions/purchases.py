"""What the source of a build decides, as Azure says it at the moment of the build: its plan, and the least disk.

A root asks the Marketplace about the exact version, and a definition that does not fit it is refused before a
machine is started. A child has the plan of its parent's image definition, and a machine that proves a version the
plan of its own. Nothing is stored: a gallery never changes the plan of an image definition.
"""

from dataclasses import dataclass, replace

from pipeline_core.deployment import Deployment
from pipeline_core.domain import source_images
from pipeline_core.domain.builds import Build
from pipeline_core.domain.definitions import ImageDefinition, OsTraits
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, PermanentError, ScopeKind
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.sources import PurchasePlan, SourceVersion
from pipeline_core.ports import Galleries, MarketplaceOffers

_OF_SOURCE = (ErrorClass.NOT_FOUND, ErrorClass.TERMS)  # such an answer is about the source that was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """One request to Azure per look."""

    marketplace: MarketplaceOffers
    galleries: Galleries
    deployment: Deployment

    def traits_to_build(self, build: Build, definition: ImageDefinition, gallery: GalleryName) -> OsTraits:
        """The definition's traits with the plan of its source.

        `gallery` holds the parent of a child. Raises PermanentError (TEMPLATE) where the definition does not fit
        its source, NotFound for a version that is not offered (now).
        """
        origin = build.inputs.origin
        if not isinstance(origin, SourceVersion):
            return replace(definition.os, plan=self._plan_of(gallery, origin.image))
        try:
            image = self.marketplace.get_image(origin.source, origin.version)
        except PermanentError as error:
            if error.scope is None and error.error_class in _OF_SOURCE:
                error.scope = ErrorScope(kind=ScopeKind.SOURCE, name=origin.source.key)
            raise
        found = [*source_images.misfits(origin.source, image, definition)]
        if found:
            text = "; ".join(str(each) for each in found)
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"{build.image} does not fit its source {origin}: {text}",
                owner=Owner.TEAM,
            )
        return replace(definition.os, plan=image.plan)

    def disk_to_build(self, build: Build, definition: ImageDefinition, gallery: GalleryName) -> int | None:
        """The size of the build machine's disk in GB; None where it is the source's.

        A definition asks for at least so much. A parent that has grown beyond that since decides for its child.
        """
        wanted, origin = definition.build.os_disk_gb, build.inputs.origin
        if wanted is None or isinstance(origin, SourceVersion):
            return wanted
        parent = self.galleries.find_version(gallery, origin.image, origin.version)
        size = None if parent is None else parent.disk_gb
        return None if size is not None and size >= wanted else wanted

    def traits_as_built(self, build: Build, definition: ImageDefinition) -> OsTraits:
        """The definition's traits with the plan of the quarantined image definition."""
        return replace(
            definition.os, plan=self._plan_of(self.deployment.quarantine_of(build.quarantine), build.image)
        )

    def _plan_of(self, gallery: GalleryName, image: ImageName) -> PurchasePlan | None:
        found = self.galleries.find_image(gallery, image)
        return None if found is None else found.plan
