"""What a gallery shows of a version, and a copy that is to be made. The port speaks these types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion


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
    """A version in a gallery as the platform shows it.

    `disk_gb`, `published_at` and `end_of_life` are None, `copied_from` is empty where it does not say.

    `regions` are those that it is, or will be, in. `failed_regions` are those whose last replication failed. Lists do
    not show them.
    """

    gallery: GalleryName
    image: ImageName
    version: GalleryVersion
    state: VersionState
    excluded_from_latest: bool
    is_divided: bool = False  # its mark about latest and its regions' differ: nobody says which wins
    tags: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    disk_gb: int | None = None
    regions: tuple[str, ...] = ()
    failed_regions: tuple[str, ...] = ()
    copied_from: str = ""  # `GALLERY/IMAGE@VERSION` in a gallery of the settings, else a resource id
    published_at: datetime | None = None  # when it was made; no later change of the version moves it
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
