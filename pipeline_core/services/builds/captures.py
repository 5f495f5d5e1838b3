"""The image definitions that a build needs, and the managed image that stands between its machine and its version.

`domain.captures` decides. This module looks at the definition that exists, makes one that is missing, and removes
the managed image when it is no longer needed. It never changes an image definition.
"""

from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts, captures
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.captures import Capture, TraitConflict
from pipeline_core.domain.definitions import ImageDefinition, OsTraits
from pipeline_core.domain.errors import (
    ErrorClass,
    FactoryError,
    NotProven,
    Owner,
    PermanentError,
    QuarantineFull,
    TransientError,
)
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.ports import Galleries, GalleryImageVersion, Logs, Resources, TaggedResource, VersionState
from pipeline_core.services.versions.purchases import Purchases

_MANAGED_IMAGE = "Microsoft.Compute/images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Captures:
    """A look costs one request per image definition. Azure makes a missing definition once in an image's life."""

    purchases: Purchases
    galleries: Galleries
    resources: Resources
    deployment: Deployment
    logs: Logs

    def quarantine_of(self, build: Build) -> GalleryName:
        """The gallery that the build's versions are made in, and copied from."""
        return self.deployment.quarantine_of(build.quarantine)

    @property
    def home(self) -> str:
        """The region of the galleries: every version has a copy there."""
        return str(self.deployment.location)

    def prepare(
        self, build: Build, definition: ImageDefinition, gallery: GalleryName
    ) -> tuple[OsTraits, int | None]:
        """The traits of the quarantined image definition, and the size of the build machine's disk in GB.

        `gallery` holds the parent of a child. The size is None where it is the source's. Raises PermanentError
        (TEMPLATE) where source or image definition do not fit, NotFound where the source is not offered (now),
        QuarantineFull where the subscription of the quarantine has no room for the image definition.
        """
        os = self.purchases.traits_to_build(build, definition, gallery)
        target = self._settle_quarantine(build, os)
        return target, self.purchases.disk_to_build(build, definition, gallery)

    def as_built(self, build: Build, definition: ImageDefinition) -> OsTraits:
        """The definition's traits with the plan of the quarantined image definition."""
        return self.purchases.traits_as_built(build, definition)

    def _settle_quarantine(self, build: Build, os: OsTraits) -> OsTraits:
        """The quarantine's image definition, made where it is missing.

        Raises PermanentError where it does not fit, QuarantineFull where there is no room for it.
        """
        gallery, image = self.quarantine_of(build), build.image
        found = self.galleries.find_image(gallery, image)
        if found is None:
            found = captures.new_definition(os, self.deployment.capture)
            try:
                self.galleries.ensure_image(gallery, image, found)
            except TransientError as error:
                if error.error_class is not ErrorClass.QUOTA:
                    raise
                raise QuarantineFull(str(error), retry_after=error.retry_after) from error
        _demand(gallery, image, captures.misfit(os, found) or captures.other_plan(os, found))
        return found

    def settle_live(self, build: Build, os: OsTraits) -> OsTraits:
        """The live image definition, made like the quarantined one where it is missing. Refuses any other."""
        gallery, image = build.gallery, build.image
        quarantined = self.galleries.find_image(self.quarantine_of(build), image)
        live = self.galleries.find_image(gallery, image)
        if live is None:
            live = quarantined or captures.new_definition(os, self.deployment.capture)
            self.galleries.ensure_image(gallery, image, live)
        _demand(gallery, image, captures.misfit(os, live))
        if quarantined is not None:
            _demand(
                gallery,
                image,
                captures.unlike(quarantined, live) or captures.other_plan(quarantined, live),
            )
        return live

    def find_made(self, build: Build) -> VersionState | None:
        """The state of the quarantined version that carries the tags of this attempt to build, or None."""
        if build.version is None:
            return None
        found = self.galleries.find_version(self.quarantine_of(build), build.image, build.version)
        if found is None or self._foreign(build, found, build.attempt):
            return None
        return found.state

    def demand_made(self, build: Build) -> None:
        """Refuse to publish a quarantined version that the build's own attempt has not made. One that is gone passes.

        Every builder may write every quarantined version that does not exist yet, so its name alone says nothing.
        Raises NotProven, of this version alone: no other build has the same cause, so it is not an outage.
        """
        if build.version is None:
            return
        gallery = self.quarantine_of(build)
        found = self.galleries.find_version(gallery, build.image, build.version)
        foreign = "" if found is None else self._foreign(build, found, build.build_attempt)
        if foreign:
            text = f"{gallery}/{build.image}@{build.version} is not what {build.id} made: {foreign}"
            remedy = "it is not published; find out who made it, then rebuild"
            raise NotProven(f"{text}; {remedy}", is_of_version=True)

    def _foreign(self, build: Build, found: GalleryImageVersion, attempt: int) -> str:
        """What shows that another writer made this version; empty where it is the one of this attempt to build."""
        wanted = {
            attempts.BUILD_TAG: str(build.id),
            attempts.ATTEMPT_TAG: str(attempt),
            attempts.STAGE_TAG: Phase.BUILDING.stage,
            attempts.IMAGE_TAG: str(build.image),
        }
        for tag, value in wanted.items():
            if found.tags.get(tag) != value:
                return f"its tag {tag} is {found.tags.get(tag)!r}, not {value!r}"
        source = found.copied_from.lower()
        machines, images = (
            f"{self._build_resources}/{kind}/".lower()
            for kind in ("Microsoft.Compute/virtualMachines", _MANAGED_IMAGE)
        )
        own = images + attempts.managed_image_of(build, attempt)
        if source and source != own and not source.startswith(machines):
            return f"it was made from {found.copied_from}, not from this attempt's machine"
        return ""

    def explain(self, gallery: GalleryName, image: ImageName, text: str) -> str:
        """`text`, Azure's word about a copy, behind what to do about it where this is known."""
        live = self.galleries.find_image(gallery, image)
        remedy = "" if live is None else captures.remedy_of_copy(live.security_type, text)
        return f"{remedy}: {text}" if remedy else text

    def managed_image_of(self, build: Build, definition: OsTraits) -> str:
        """The name of the managed image that this attempt makes, empty where its machine is captured directly."""
        is_needed = captures.capture_into(definition.security_type) is Capture.MANAGED_IMAGE
        return attempts.managed_image_of(build, build.attempt) if is_needed else ""

    @property
    def _build_resources(self) -> str:
        place = self.deployment
        return f"/subscriptions/{place.subscription_id}/resourceGroups/{place.build_resource_group}/providers"

    def discard(self, build: Build) -> None:
        """Start the deletion of the attempt's managed image. It may not exist.

        A failure costs nothing: the image carries the tags of the build, and the reaper removes it at the end.
        """
        name = attempts.managed_image_of(build, build.attempt)
        found = TaggedResource(
            id=f"{self._build_resources}/{_MANAGED_IMAGE}/{name}", type=_MANAGED_IMAGE, tags={}
        )
        try:
            self.resources.begin_delete(found)
        except FactoryError as error:
            self.logs.note(
                "managed-image-kept", image=str(build.image), build_id=str(build.id), error=str(error)
            )


def _demand(gallery: GalleryName, image: ImageName, problem: TraitConflict | None) -> None:
    if problem is not None:
        raise PermanentError(
            ErrorClass.TEMPLATE,
            f"the image definition {image} in {gallery} does not fit: {problem}",
            owner=Owner.TEAM,  # the definition asks for it: only another definition, or a person, helps
        )
