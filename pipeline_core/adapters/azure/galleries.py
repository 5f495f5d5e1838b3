"""Azure Compute Galleries, in any subscription: image definitions, copies, and the content of `latest`."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any

from azure.core.exceptions import AzureError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute import models as shapes

from pipeline_core.adapters.azure import errors
from pipeline_core.adapters.azure import gallery_bodies as bodies
from pipeline_core.adapters.azure.configuration import Configuration, GalleryPlace
from pipeline_core.domain import captures
from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.errors import (
    BeingMade,
    ErrorClass,
    InvalidValue,
    NotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.source_images import PlanChange
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, NewGalleryVersion, VersionState

_FAILED = frozenset({"Failed", "Canceled"})


class AzureGalleries:
    """`compute` gives the client of a subscription, `publisher` the one that may write versions, `cleaner` the one that
    may delete them. An identity that has one of these rights cannot put another disk behind a live version's number.
    """

    def __init__(
        self,
        compute: Callable[[str], ComputeManagementClient],
        publisher: Callable[[str], ComputeManagementClient],
        cleaner: Callable[[str], ComputeManagementClient],
        configuration: Configuration,
    ) -> None:
        self._compute = compute
        self._publisher = publisher
        self._cleaner = cleaner
        self._configuration = configuration

    def find_image(self, gallery: GalleryName, image: ImageName) -> OsTraits | None:
        """The traits of the image definition, or None. PermanentError for traits that no image here has.

        Raises BeingMade while the platform makes or changes it. One that failed counts as None.
        """
        found = self._find_definition(gallery, image)
        if found is None or _state_of(found) in _FAILED:
            return None
        if _state_of(found) != "Succeeded":
            raise BeingMade(f"image {image} in {gallery} is being made")
        try:
            return bodies.os_of(found)
        except ValueError as error:
            text = (
                f"{image} in {gallery} is not of this factory: {error}; delete it, or use another image name"
            )
            raise PermanentError(ErrorClass.TEMPLATE, text) from error

    def ensure_image(self, gallery: GalleryName, image: ImageName, os: OsTraits) -> None:
        """Create the image definition if it is missing. PermanentError if it has other traits.

        Raises BeingMade until the platform has made it: a version of it is refused before.
        """
        body = bodies.render_definition(image, os, self._configuration.location, self._configuration.tags)
        found = self._find_definition(gallery, image)
        if found is None or _state_of(found) in _FAILED:
            self._write_definition(gallery, image, body)
            found = self._find_definition(gallery, image)
        if found is None or _state_of(found) != "Succeeded":
            raise BeingMade(f"image {image} in {gallery} is being made")
        if bodies.plan_of(found) != os.plan:
            change = PlanChange(kept=bodies.plan_of(found), sold=os.plan)
            raise PermanentError(
                ErrorClass.TEMPLATE, f"the source of {image} in {gallery} {change.message}: {change.remedy}"
            )
        if bodies.traits_of(found) != bodies.traits_of(body):
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"{image} in {gallery} was made with other traits at the same moment: try again",
            )

    def list_images(self, gallery: GalleryName) -> Sequence[ImageName]:
        """Names of the image definitions of a gallery, sorted. Names that no image can have are left out."""
        place, client = self._at(gallery)
        with errors.translated(f"list images of {gallery}"):
            listed = list(client.gallery_images.list_by_gallery(place.resource_group, str(place.name)))
        names = (_image_name(str(found.name)) for found in listed)
        return sorted(name for name in names if name is not None)

    def find_version(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> GalleryImageVersion | None:
        """The version with its replication state, or None."""
        found = self._find(gallery, image, version)
        return None if found is None else self._shown(gallery, image, version, found)

    def list_versions(self, gallery: GalleryName, image: ImageName) -> Sequence[GalleryImageVersion]:
        """Every version of an image. Empty if there is no such image definition.

        A list does not show the state of the replication. A version is provisioned only after replication has
        ended.
        """
        place, client = self._at(gallery)
        try:
            listed = list(
                client.gallery_image_versions.list_by_gallery_image(
                    place.resource_group, str(place.name), str(image)
                )
            )
        except AzureError as error:
            if errors.is_absent(error):
                return []
            raise errors.translate(error, f"list versions of {image} in {gallery}") from error
        return [
            self._shown(gallery, image, version, found)
            for found in listed
            if (version := _parse(str(found.name))) is not None
        ]

    def begin_copy(self, new: NewGalleryVersion) -> None:
        """Start the copy and return. Safe to repeat. Raises NotFound without source or definition.

        An existing version is not written again: the same PUT would take it out of `latest`.
        """
        if self._find(new.gallery, new.image, new.version) is not None:
            return
        place, client = self._as_publisher(new.gallery)
        source = self._configuration.place(new.source_gallery)
        body = bodies.render_version(new, source, self._configuration.location, self._configuration.tags)
        with _refused_for_good(new):
            client.gallery_image_versions.begin_create_or_update(
                place.resource_group,
                str(place.name),
                str(new.image),
                str(new.version),
                _content(body),
                polling=False,
            )

    def set_excluded(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion, *, excluded: bool
    ) -> None:
        """Begin to put a version into `latest`, or to take it out. Look at its marks and its state afterwards.

        Raises NotFound. CONFLICT while the version is being made or changed. A version whose last change failed may
        show marks that nobody obeys, so it is written again.
        """
        profile, has_failed = self._profile_of(gallery, image, version)
        if bodies.is_marked(profile, excluded=excluded) and not has_failed:
            return
        wanted = GalleryImageVersion(
            gallery=gallery,
            image=image,
            version=version,
            state=VersionState.UPDATING,
            excluded_from_latest=excluded,
            end_of_life=bodies.end_of_life_of(profile),
        )
        self._write_life(wanted, profile)

    def set_life(self, wanted: GalleryImageVersion) -> None:
        """Like `set_excluded`, to the mark and the end of life of `wanted`. A date that has passed is not sent."""
        profile, has_failed = self._profile_of(wanted.gallery, wanted.image, wanted.version)
        kept, life = bodies.end_of_life_of(profile), wanted.end_of_life
        is_past = life is not None and life <= datetime.now(UTC)
        is_marked = bodies.is_marked(profile, excluded=wanted.excluded_from_latest)
        if is_marked and not has_failed and (is_past or kept == life):
            return
        self._write_life(replace(wanted, end_of_life=kept if is_past else life), profile)

    def _profile_of(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> tuple[dict[str, Any], bool]:
        """The publishing profile of a version, and whether its last change failed. Raises NotFound."""
        found = self._find(gallery, image, version)
        if found is None:
            raise NotFound(f"{image}@{version} is not in {gallery}")
        properties = found.as_dict().get("properties") or {}
        profile: dict[str, Any] = properties.get("publishingProfile") or {}
        return profile, str(properties.get("provisioningState") or "") in _FAILED

    def _write_life(self, wanted: GalleryImageVersion, profile: Mapping[str, Any]) -> None:
        place, client = self._as_publisher(wanted.gallery)
        excluded = wanted.excluded_from_latest
        body = bodies.render_exclusion(
            profile, excluded=excluded, end_of_life=wanted.end_of_life, now=datetime.now(UTC)
        )
        subject = f"{wanted.image}@{wanted.version} in {wanted.gallery}"
        with errors.translated(f"set excludeFromLatest={excluded} on {subject}"):
            client.gallery_image_versions.begin_update(
                place.resource_group,
                str(place.name),
                str(wanted.image),
                str(wanted.version),
                _content(body),
                polling=False,
            )

    def set_regions(
        self,
        gallery: GalleryName,
        image: ImageName,
        version: GalleryVersion,
        regions: Sequence[TargetRegion],
    ) -> None:
        """Begin to have a version in these regions, and its own, alone. Raises NotFound. Look at its state afterwards.

        CONFLICT while the version is being made or changed. A new region has the version's own mark about `latest`.
        """
        found = self._find(gallery, image, version)
        if found is None:
            raise NotFound(f"{image}@{version} is not in {gallery}")
        profile = (found.as_dict().get("properties") or {}).get("publishingProfile") or {}
        place, client = self._as_publisher(gallery)
        body = bodies.render_regions(profile, regions, self._configuration.location, datetime.now(UTC))
        names = ", ".join(str(region.name) for region in regions)
        with errors.translated(f"replicate {image}@{version} in {gallery} to {names}"):
            client.gallery_image_versions.begin_update(
                place.resource_group,
                str(place.name),
                str(image),
                str(version),
                _content(body),
                polling=False,
            )

    def begin_delete(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        """Start the deletion and return. A version that is gone is not an error."""
        place = self._configuration.place(gallery)
        client = self._cleaner(place.subscription_id)
        try:
            client.gallery_image_versions.begin_delete(
                place.resource_group, str(place.name), str(image), str(version), polling=False
            )
        except AzureError as error:
            if not errors.is_absent(error):
                raise errors.translate(error, f"delete {image}@{version} in {gallery}") from error

    def _find_definition(self, gallery: GalleryName, image: ImageName) -> dict[str, Any] | None:
        place, client = self._at(gallery)
        try:
            found = client.gallery_images.get(place.resource_group, str(place.name), str(image))
        except AzureError as error:
            if errors.is_absent(error):
                return None
            raise errors.translate(error, f"look at image {image} in {gallery}") from error
        shown: dict[str, Any] = found.as_dict()
        return shown

    def _write_definition(self, gallery: GalleryName, image: ImageName, body: dict[str, Any]) -> None:
        place, client = self._at(gallery)
        with errors.translated(f"create image {image} in {gallery}"):
            client.gallery_images.begin_create_or_update(
                place.resource_group, str(place.name), str(image), _content(body), polling=False
            )

    def _find(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> shapes.GalleryImageVersion | None:
        place, client = self._at(gallery)
        try:
            return client.gallery_image_versions.get(
                place.resource_group,
                str(place.name),
                str(image),
                str(version),
                expand=shapes.ReplicationStatusTypes.REPLICATION_STATUS,
            )
        except AzureError as error:
            if errors.is_absent(error):
                return None
            raise errors.translate(error, f"look at {image}@{version} in {gallery}") from error

    def _shown(
        self,
        gallery: GalleryName,
        image: ImageName,
        version: GalleryVersion,
        found: shapes.GalleryImageVersion,
    ) -> GalleryImageVersion:
        body: dict[str, Any] = found.as_dict()
        shown = _shown(gallery, image, version, body)
        source = bodies.source_of(body.get("properties") or {})
        return replace(shown, copied_from=bodies.named(source, self._configuration.galleries.values()))

    def _as_publisher(self, gallery: GalleryName) -> tuple[GalleryPlace, ComputeManagementClient]:
        place = self._configuration.place(gallery)
        return place, self._publisher(place.subscription_id)

    def _at(self, gallery: GalleryName) -> tuple[GalleryPlace, ComputeManagementClient]:
        place = self._configuration.place(gallery)
        return place, self._compute(place.subscription_id)


def _state_of(shown: Mapping[str, Any]) -> str:
    return str((shown.get("properties") or {}).get("provisioningState") or "")


@contextmanager
def _refused_for_good(new: NewGalleryVersion) -> Iterator[None]:
    """Errors of a copy. Azure calls a security type that does not fit a conflict, and no later try repairs it."""
    try:
        with errors.translated(f"copy {new.image}@{new.version} from {new.source_gallery} to {new.gallery}"):
            yield
    except TransientError as error:
        if captures.remedy_of(str(error)):
            raise PermanentError(ErrorClass.TEMPLATE, str(error)) from error
        raise


def version_state(provisioning: str, replication: str | None, *, is_excluded: bool = True) -> VersionState:
    """The state from ARM's two words. `replication` is None if it was not requested.

    A version that has failed was made well, and a later change of it failed, where all its copies are complete, or
    where it is in `latest`: the factory lets in only what is whole, so a further region failed.
    """
    if provisioning == "Deleting":
        return VersionState.DELETING
    has_failed = provisioning in _FAILED or replication == "Failed"
    if has_failed and not is_excluded:
        return VersionState.UPDATE_FAILED
    if provisioning in _FAILED and replication == "Completed":
        return VersionState.UPDATE_FAILED
    if provisioning in _FAILED or replication == "Failed":
        return VersionState.FAILED
    if provisioning == "Updating":
        return VersionState.UPDATING
    is_ready = provisioning == "Succeeded" and replication in (None, "Completed")
    return VersionState.READY if is_ready else VersionState.CREATING


def _shown(
    gallery: GalleryName, image: ImageName, version: GalleryVersion, body: Mapping[str, Any]
) -> GalleryImageVersion:
    properties = body.get("properties") or {}
    replication = properties.get("replicationStatus")
    profile = properties.get("publishingProfile") or {}
    aggregated = None if replication is None else str(replication.get("aggregatedState") or "Unknown")
    return GalleryImageVersion(
        gallery=gallery,
        image=image,
        version=version,
        state=version_state(
            str(properties.get("provisioningState") or ""),
            aggregated,
            is_excluded=bodies.is_excluded(profile),
        ),
        excluded_from_latest=bodies.is_excluded(profile),
        is_divided=bodies.is_divided(profile),
        tags=body.get("tags") or {},
        detail=bodies.failures_of(replication or {}),
        regions=bodies.regions_of(profile),
        failed_regions=bodies.failed_regions(replication or {}),
        disk_gb=bodies.disk_gb_of(properties),
        published_at=bodies.published_at_of(profile),
        end_of_life=bodies.end_of_life_of(profile),
    )


def _parse(text: str) -> GalleryVersion | None:
    """The version, or None for a name in another form, which no version of this factory has."""
    try:
        return GalleryVersion.parse(text)
    except InvalidValue:
        return None


def _image_name(text: str) -> ImageName | None:
    """The image's name, or None for a name that no image of this factory can have. Azure ignores case in names."""
    try:
        return ImageName(text.lower())
    except InvalidValue:
        return None


def _content(body: dict[str, Any]) -> IO[bytes]:
    """Exactly our JSON: the golden files show the bytes that are sent."""
    return io.BytesIO(json.dumps(body).encode())
