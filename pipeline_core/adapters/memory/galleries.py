"""Galleries in memory: copies take their time by the clock, need a source, and begin out of `latest`."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.domain.definitions import OsTraits, SecurityType, TargetRegion
from pipeline_core.domain.errors import (
    BeingMade,
    ErrorClass,
    NotFound,
    ParentNotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.source_images import PlanChange
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Clock, GalleryImageVersion, NewGalleryVersion, VersionState

_Place = tuple[str, str, GalleryVersion]
_OFFERED = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})
_BUSY = frozenset({VersionState.CREATING, VersionState.UPDATING, VersionState.DELETING})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    shown: GalleryImageVersion
    ready_at: datetime
    settled_at: datetime | None = None  # the end of its last change
    update_fails: str = ""  # why that change does not come to pass
    was_excluded: bool = True  # what machines go by until that change has come to pass
    gone_at: datetime | None = None
    fails: str = ""


@dataclass(slots=True, kw_only=True)
class MemoryGalleries:
    """`replication`, `deletion` and `defining` are the times that the next copies, deletions and definitions take.

    `fails_with` is the reason with which the next copies fail, if it is not empty; `fails_in` has reasons by region
    (its name) for the next copies to it. `updating` is the time that a
    change of a mark takes, and each of `update_failures` is the reason with which one of the next changes fails.
    """

    clock: Clock
    names: Iterable[GalleryName]
    replication: timedelta = timedelta(0)
    deletion: timedelta = timedelta(0)
    fails_with: str = ""
    fails_in: dict[str, str] = field(default_factory=dict)
    home: str = "westeurope"  # every version is there, too
    updating: timedelta = timedelta(0)
    update_failures: list[str] = field(default_factory=list)
    defining: timedelta = timedelta(0)
    _made_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _images: dict[tuple[str, str], OsTraits] = field(default_factory=dict)
    _versions: dict[_Place, _Version] = field(default_factory=dict)
    _of_image: dict[tuple[str, str], set[GalleryVersion]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def find_image(self, gallery: GalleryName, image: ImageName) -> OsTraits | None:
        """The traits of the image definition, or None. Raises BeingMade until it is made."""
        self._demand(gallery)
        with self._lock:
            place = (_key(gallery), str(image))
            if place in self._images and not self._is_made(place):
                raise BeingMade(f"image {image} in {gallery} is being made")
            return self._images.get(place)

    def ensure_image(self, gallery: GalleryName, image: ImageName, os: OsTraits) -> None:
        """Create the image definition if it is missing. PermanentError if it has other traits.

        Raises BeingMade until it is made.
        """
        self._demand(gallery)
        with self._lock:
            place = (_key(gallery), str(image))
            if place not in self._images and self.defining:
                self._made_at[place] = self.clock.now() + self.defining
            found = self._images.setdefault(place, os)
            if not self._is_made(place):
                raise BeingMade(f"image {image} in {gallery} is being made")
        if found.plan != os.plan:
            change = PlanChange(kept=found.plan, sold=os.plan)
            raise PermanentError(
                ErrorClass.TEMPLATE, f"the source of {image} in {gallery} {change.message}: {change.remedy}"
            )
        if found != os:
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"{image} in {gallery} was made with other traits at the same moment: try again",
            )

    def list_images(self, gallery: GalleryName) -> Sequence[ImageName]:
        """Names of the image definitions of a gallery, sorted."""
        self._demand(gallery)
        with self._lock:
            return [ImageName(image) for at, image in sorted(self._images) if at == _key(gallery)]

    def find_version(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> GalleryImageVersion | None:
        """The version with its replication state, or None."""
        self._demand(gallery)
        with self._lock:
            return self._look((_key(gallery), str(image), version))

    def list_versions(self, gallery: GalleryName, image: ImageName) -> Sequence[GalleryImageVersion]:
        """Every version of an image. Empty if there is no such image definition."""
        self._demand(gallery)
        with self._lock:
            at = (_key(gallery), str(image))
            places = [(*at, version) for version in sorted(self._of_image.get(at, ()))]
            return [found for place in places if (found := self._look(place)) is not None]

    def begin_copy(self, new: NewGalleryVersion) -> None:
        """Start the copy and return. Safe to repeat. Raises NotFound without source or definition."""
        self._demand(new.gallery)
        with self._lock:
            if self.find_version(new.gallery, new.image, new.version) is not None:
                return
            if not self._is_made((_key(new.gallery), str(new.image))):
                raise ParentNotFound(f"{new.gallery} has no image definition {new.image}; create it first")
            source = self.find_version(new.source_gallery, new.image, new.version)
            if source is None:
                raise NotFound(f"{new.image}@{new.version} is not in {new.source_gallery}: nothing to copy")
            if source.state is not VersionState.READY:
                text = f"{new.image}@{new.version} in {new.source_gallery} is {source.state.value}"
                raise TransientError(ErrorClass.CONFLICT, text)
            self._demand_guest_state(new)
            names = tuple(dict.fromkeys([*(str(region.name) for region in new.regions), self.home]))
            failed = tuple(name for name in names if name in self.fails_in)
            self._put(
                GalleryImageVersion(
                    gallery=new.gallery,
                    image=new.image,
                    version=new.version,
                    state=VersionState.CREATING,
                    excluded_from_latest=True,
                    tags=dict(new.tags),
                    disk_gb=source.disk_gb,
                    copied_from=f"{new.source_gallery}/{new.image}@{new.version}",
                    published_at=self.clock.now(),
                    end_of_life=new.end_of_life,
                    regions=names,
                    failed_regions=failed,
                ),
                ready_at=self.clock.now() + self.replication,
                fails=self.fails_with or "; ".join(f"{name}: {self.fails_in[name]}" for name in failed),
            )

    def set_excluded(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion, *, excluded: bool
    ) -> None:
        """Begin to put a version into `latest`, or to take it out. Look at its marks and its state afterwards.

        Raises NotFound. CONFLICT while the version is being made or changed.
        """
        with self._lock:
            found = self.find_version(gallery, image, version)
            if found is None:
                raise NotFound(f"{image}@{version} is not in {gallery}")
            self.set_life(replace(found, excluded_from_latest=excluded))

    def set_life(self, wanted: GalleryImageVersion) -> None:
        """Like `set_excluded`, to the mark and the end of life of `wanted`. A date that has passed is not sent."""
        gallery, image, version = wanted.gallery, wanted.image, wanted.version
        excluded, end_of_life = wanted.excluded_from_latest, wanted.end_of_life
        with self._lock:
            found = self.find_version(gallery, image, version)
            if found is None:
                raise NotFound(f"{image}@{version} is not in {gallery}")
            if end_of_life is not None and end_of_life <= self.clock.now():
                end_of_life = found.end_of_life
            is_marked = (
                found.excluded_from_latest is excluded
                and not found.is_divided
                and found.end_of_life == end_of_life
            )
            if is_marked and found.state is not VersionState.UPDATE_FAILED:
                return
            if found.state in _BUSY:
                raise TransientError(ErrorClass.CONFLICT, f"{image}@{version} is {found.state.value}")
            place = (_key(gallery), str(image), version)
            stored = self._versions[place]
            self._versions[place] = replace(
                stored,
                was_excluded=self._is_kept_out(stored),
                shown=replace(
                    stored.shown, excluded_from_latest=excluded, is_divided=False, end_of_life=end_of_life
                ),
                settled_at=self.clock.now() + self.updating,
                update_fails=self.update_failures.pop(0) if self.update_failures else "",
            )

    def set_regions(
        self,
        gallery: GalleryName,
        image: ImageName,
        version: GalleryVersion,
        regions: Sequence[TargetRegion],
    ) -> None:
        """Begin to have a version in these regions, and its own, alone. Look at its state afterwards.

        Raises NotFound. CONFLICT while the version is being made or changed.
        """
        with self._lock:
            found = self.find_version(gallery, image, version)
            if found is None:
                raise NotFound(f"{image}@{version} is not in {gallery}")
            if found.state in _BUSY:
                raise TransientError(ErrorClass.CONFLICT, f"{image}@{version} is {found.state.value}")
            names = tuple(dict.fromkeys([*(str(region.name) for region in regions), self.home]))
            added = set(names) - set(found.regions)
            failed = tuple(name for name in names if name in added and name in self.fails_in)
            words = [f"{name}: {self.fails_in[name]}" for name in failed]
            place = (_key(gallery), str(image), version)
            stored = self._versions[place]
            self._versions[place] = replace(
                stored,
                was_excluded=self._is_kept_out(stored),
                shown=replace(stored.shown, regions=names, failed_regions=failed),
                settled_at=self.clock.now() + (self.replication if added else self.updating),
                update_fails=self.update_failures.pop(0) if self.update_failures else "; ".join(words),
            )

    def begin_delete(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        """Start the deletion and return. A version that is gone is not an error."""
        with self._lock:
            if self.find_version(gallery, image, version) is None:
                return
            place = (_key(gallery), str(image), version)
            stored = self._versions[place]
            if stored.gone_at is None:
                self._versions[place] = replace(stored, gone_at=self.clock.now() + self.deletion)

    def change_security_type(self, gallery: GalleryName, image: ImageName, value: SecurityType) -> None:
        """What an operator does with Azure's own tools: the new security type begins with the next version."""
        place = (_key(gallery), str(image))
        with self._lock:
            self._images[place] = replace(self._images[place], security_type=value)

    def add_version(self, shown: GalleryImageVersion, *, os: OsTraits | None = None) -> None:
        """A version that another tool made, such as Packer. It exists at once, in its given state."""
        made = self._images.get((_key(shown.gallery), str(shown.image)))
        if os is not None or made is None:
            self.ensure_image(shown.gallery, shown.image, os or OsTraits())
        failed = shown.detail or "failed" if shown.state is VersionState.FAILED else ""
        never = datetime.max.replace(tzinfo=self.clock.now().tzinfo)
        ready_at = never if shown.state is VersionState.CREATING else self.clock.now()
        with self._lock:
            self._put(shown, ready_at=ready_at, fails=failed)

    def latest(self, gallery: GalleryName, image: ImageName) -> GalleryVersion | None:
        """The version that a new machine gets if it asks for the newest one."""
        with self._lock:
            offered = [
                found.version
                for found in self.list_versions(gallery, image)
                if found.state in _OFFERED
                and not self._is_kept_out(self._versions[_key(gallery), str(image), found.version])
            ]
        return max(offered, default=None)

    def everything(self, gallery: GalleryName) -> list[GalleryImageVersion]:
        """Every version in a gallery, of all images, as a list of resources shows them."""
        self._demand(gallery)
        with self._lock:
            places = sorted(place for place in self._versions if place[0] == _key(gallery))
            return [found for place in places if (found := self._look(place)) is not None]

    def _is_made(self, place: tuple[str, str]) -> bool:
        made_at = self._made_at.get(place)
        return place in self._images and (made_at is None or self.clock.now() >= made_at)

    def _put(self, shown: GalleryImageVersion, *, ready_at: datetime, fails: str) -> None:
        place = (_key(shown.gallery), str(shown.image), shown.version)
        self._versions[place] = _Version(shown=shown, ready_at=ready_at, fails=fails)
        self._of_image.setdefault(place[:2], set()).add(shown.version)

    def _is_kept_out(self, stored: _Version) -> bool:
        is_pending = stored.settled_at is not None and self.clock.now() < stored.settled_at
        return stored.was_excluded if is_pending or stored.update_fails else stored.shown.excluded_from_latest

    def _look(self, place: _Place) -> GalleryImageVersion | None:
        found, now = self._versions.get(place), self.clock.now()
        if found is None:
            return None
        if found.gone_at is not None:
            if now >= found.gone_at:
                del self._versions[place]
                self._of_image[place[:2]].discard(place[2])
                return None
            return replace(found.shown, state=VersionState.DELETING)
        if now < found.ready_at:
            return replace(found.shown, state=VersionState.CREATING, failed_regions=())
        if found.fails:
            return replace(found.shown, state=VersionState.FAILED, detail=found.fails)
        if found.settled_at is not None and now < found.settled_at:
            return replace(found.shown, state=VersionState.UPDATING)
        if found.update_fails:
            return replace(found.shown, state=VersionState.UPDATE_FAILED, detail=found.update_fails)
        if found.shown.state is VersionState.READY:
            return found.shown
        # This state is final: the copy is over.
        ready = replace(found.shown, state=VersionState.READY)
        self._versions[place] = replace(found, shown=ready)
        return ready

    def _demand_guest_state(self, new: NewGalleryVersion) -> None:
        """Versions with the guest state of Trusted Launch go to an image definition of that type, and no others."""
        types = [
            self._images[(_key(gallery), str(new.image))].security_type
            for gallery in (new.source_gallery, new.gallery)
        ]
        if types[0] is not types[1] and SecurityType.TRUSTED_LAUNCH in types:
            source, target = (each.value for each in types)
            raise PermanentError(
                ErrorClass.TEMPLATE, f"a {source} version of {new.image} cannot be a source for {target}"
            )

    def _demand(self, gallery: GalleryName) -> None:
        if _key(gallery) not in {_key(name) for name in self.names}:
            raise NotFound(f"the gallery {gallery} is not in the settings")


def _key(gallery: GalleryName) -> str:
    """Azure compares gallery names without case."""
    return str(gallery).lower()
