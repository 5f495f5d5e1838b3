"""What a live gallery shows about one image, against what the factory believes. Pure.

It also decides whether so many images differ at once that the look itself is in doubt. Then nothing is moved: a list
that lies must not empty a fleet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.images import DoubtKind, ImageHead
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.versions import GalleryVersion

HOUR = timedelta(hours=1)  # in which every image is looked at, and in which moves are counted
APART = timedelta(minutes=2)  # between the two looks that a missing version needs
FEW = 3  # images that may differ in an hour, however small the fleet is
_SHARE = 100  # and one in so many images of a larger fleet
_KEPT = 200  # suspects that one row names; a fleet of 10,000 images may move 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVersion:
    """A version in the list of its gallery.

    `is_offered`: some mark lets it into `latest`. `is_whole`: it can be used, and is not being deleted. `is_busy`: a
    change has not ended, and nothing can be said about its marks. `build` is the build that its tags name.
    """

    version: GalleryVersion
    is_offered: bool
    is_whole: bool
    is_busy: bool = False
    build: BuildId | None = None


@unique
class Sight(Enum):
    """What the list shows about the current version."""

    NOTHING_CURRENT = "nothing-current"  # no version is published
    HELD = "held"  # it is there, and `latest` may mean it
    BUSY = "busy"  # it is being changed: the next look tells
    MISSING = "missing"  # it is not there, or cannot be used
    KEPT_OUT = "kept-out"  # every mark keeps it out of `latest`


def sight_of(head: ImageHead, seen: Mapping[GalleryVersion, SeenVersion]) -> Sight:
    """What the list shows about the current version of the head."""
    if head.current is None:
        return Sight.NOTHING_CURRENT
    found = seen.get(head.current.version)
    if found is None:
        return Sight.MISSING
    if found.is_busy:
        return Sight.BUSY
    if not found.is_whole:
        return Sight.MISSING
    return Sight.HELD if found.is_offered else Sight.KEPT_OUT


def returned(head: ImageHead, seen: Mapping[GalleryVersion, SeenVersion]) -> tuple[GalleryVersion, ...]:
    """The versions that somebody had taken out, and that are in `latest` again."""
    there = (seen.get(version) for version in head.taken_out)
    return tuple(each.version for each in there if each is not None and each.is_offered and not each.is_busy)


def unlisted(head: ImageHead, seen: Mapping[GalleryVersion, SeenVersion]) -> tuple[GalleryVersion, ...]:
    """The versions that somebody had taken out, and that the list does not show any more."""
    return tuple(version for version in head.taken_out if version not in seen)


def above(head: ImageHead, seen: Mapping[GalleryVersion, SeenVersion]) -> tuple[GalleryVersion, ...]:
    """Versions of the factory that are in `latest` above the current one, and not by their active build; highest first.

    A version that somebody had taken out and let in again is not among them.
    """
    active = None if head.active is None else head.active.build
    found = [
        each.version
        for each in seen.values()
        if each.is_offered and not each.is_busy and each.build not in (None, active)
    ]
    limit = None if head.current is None else head.current.version
    return tuple(
        sorted(
            (
                version
                for version in found
                if limit is not None and version > limit and version not in head.taken_out
            ),
            reverse=True,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An image whose gallery differs since `since`. `is_moved`: its pointer was moved for that reason."""

    image: ImageName
    kind: DoubtKind
    version: GalleryVersion
    since: datetime
    is_moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """The images that differed in the last hour, or still differ.

    `alarmed_at` is when there became too many; None while there are not. `announce` is the image in whose
    journal the alarm belongs, None once it is there. Until `accepted_until`, SecOps has decided that the looks are
    right, and no number is too many.
    """

    suspects: tuple[Suspect, ...] = ()
    alarmed_at: datetime | None = None
    accepted_until: datetime | None = None
    accepted_by: str = ""
    accepted_identity: str | None = None
    announce: ImageName | None = None

    def find(self, image: ImageName) -> Suspect | None:
        """The suspect of this image, or None."""
        return next((each for each in self.suspects if each.image == image), None)

    def adding(self, suspect: Suspect) -> "Suspects":
        """With this suspect in place of an older one of the same image, as far as one row holds them."""
        if suspect in self.suspects:
            return self
        others = tuple(each for each in self.suspects if each.image != suspect.image)
        return replace(self, suspects=(*others, suspect)[-_KEPT:])

    def without(self, image: ImageName) -> "Suspects":
        """Without an image that no longer differs."""
        return replace(self, suspects=tuple(each for each in self.suspects if each.image != image))

    def since(self, now: datetime) -> "Suspects":
        """Without moves that are older than an hour."""
        kept = tuple(each for each in self.suspects if not each.is_moved or each.since > now - HOUR)
        return replace(self, suspects=kept)

    def judged(self, fleet: int, now: datetime) -> "Suspects":
        """The same with the alarm set where there are too many for a fleet of this size, and cleared where not."""
        recent = self.since(now)
        is_accepted = recent.accepted_until is not None and now < recent.accepted_until
        are_too_many = not is_accepted and len(recent.suspects) > limit_of(fleet)
        if not are_too_many:
            return replace(recent, alarmed_at=None, announce=None)
        if recent.alarmed_at is not None:
            return recent
        return replace(recent, alarmed_at=now, announce=recent.suspects[-1].image)

    def announced(self, alarm: datetime) -> "Suspects":
        """The same once the alarm of this moment was raised; a later one is still to be raised."""
        return replace(self, announce=None) if self.alarmed_at == alarm else self

    @property
    def are_too_many(self) -> bool:
        """True where nothing may be moved."""
        return self.alarmed_at is not None


def limit_of(fleet: int) -> int:
    """How many images of a fleet may differ in an hour before the looks themselves are in doubt."""
    return max(FEW, fleet // _SHARE)


def by_version(seen: Iterable[SeenVersion]) -> dict[GalleryVersion, SeenVersion]:
    """The list by version."""
    return {each.version: each for each in seen}
