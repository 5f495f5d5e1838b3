"""The live versions of an image as its gallery shows them, also of a deleted image. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import attempts, proofs
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion
from pipeline_core.services.effects import latest
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.services.versions.retention import listed_version
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLine:
    """One live version. `provenance` is the digest of its statement, empty where it names none."""

    version: GalleryVersion
    gallery: str
    state: str
    in_latest: bool
    standing: str
    reason: str
    build: str
    provenance: str
    end_of_life: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsView:
    """The versions of one image, newest first. `team` is None where no record shows it.

    `deleted_at` is None for a registered image, and where an older release deleted it.
    """

    image: ImageName
    team: TeamName | None
    is_deleted: bool
    deleted_at: datetime | None
    current: GalleryVersion | None
    versions: tuple[VersionLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionQueries:
    """Costs two reads and one list call of Azure."""

    records: Records
    galleries: Galleries
    places: VersionPlaces

    def of_image(self, name: ImageName) -> VersionsView:
        """Raise NotFound for a name that no image ever had."""
        head = self.records.images.find_head(name)
        if head is not None:
            registration, now_current = head.value.registration, head.value.current
            current = None if now_current is None else now_current.version
            shown = self.galleries.list_versions(registration.gallery, name)
            return VersionsView(
                image=name,
                team=registration.team,
                is_deleted=False,
                deleted_at=None,
                current=current,
                versions=self._lines(name, shown, current),
            )
        former = self.records.images.find_former(name)
        if former is None:
            raise NotFound(f"image {name} is not registered; GET /api/images lists those that are")
        shown = self.places.list_versions(former.value)
        offered = max((each.version for each in shown if latest.may_be_in(each)), default=None)
        return VersionsView(
            image=name,
            team=former.value.team,
            is_deleted=True,
            deleted_at=former.value.deleted_at,
            current=None,
            versions=self._lines(name, shown, offered),
        )

    def _lines(
        self, name: ImageName, shown: Sequence[GalleryImageVersion], current: GalleryVersion | None
    ) -> tuple[VersionLine, ...]:
        known = self.records.versions.of_image(name)
        lines = []
        for each in sorted(shown, key=_number, reverse=True):
            stored = known.get(each.version)
            lines.append(
                VersionLine(
                    version=each.version,
                    gallery=str(each.gallery),
                    state=each.state.value,
                    in_latest=latest.may_be_in(each),
                    standing=listed_version(each, stored, current).standing.value,
                    reason="" if stored is None else stored.value.reason,
                    build=each.tags.get(attempts.BUILD_TAG, ""),
                    provenance=proofs.provenance_of(each.tags),
                    end_of_life=each.end_of_life,
                )
            )
        return tuple(lines)


def _number(each: GalleryImageVersion) -> GalleryVersion:
    return each.version
