"""Derives the lost records of an image from what is left. Pure. Where two readings differ, nothing is let in.

It must not choose a version that was never let into `latest`. It must not allot a version number that a container
of the lost records may still be making.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.versions import GalleryVersion

_UNSEEN = 100  # attempts of one image on one day whose versions no gallery shows yet
_HELD = (
    "it was out of latest when the image's records were lost, and no record says why; "
    "ask for a rebuild, or let it in by hand"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVersion:
    """A replicated live version of this factory; `is_included` is false where it was taken out of `latest`."""

    published: PublishedVersion
    is_included: bool

    @property
    def version(self) -> GalleryVersion:
        """Its number."""
        return self.published.version


def current_of(live: Iterable[LiveVersion], logged: GalleryVersion | None) -> PublishedVersion | None:
    """The current version: the highest in `latest`, or the recovery log's last one where that is higher.

    The log's version may be older than the newest in `latest`. It may also be out of `latest` because a person took
    it out, which does not make another version current.
    """
    found = {each.version: each.published for each in live if each.is_included or each.version == logged}
    return found[max(found)] if found else None


def claims_of(
    image: ImageName,
    live: Iterable[LiveVersion],
    current: PublishedVersion | None,
    *,
    is_logged: bool,
    taken_out: Collection[GalleryVersion] = (),
) -> tuple[Claim, ...]:
    """One claim per input of a live version, of its newest build: it can be current again without a build.

    A version above the current one that is out of `latest` was never let in, or the current one replaced it. In both
    cases its input may use it. Where no recovery log shows that (`is_logged` is false), a person may have taken the
    version out: its input is held. So is the input of a version that the log names as taken out (`taken_out`), unless
    it is in `latest` again.
    """
    newest: dict[str, Claim] = {}
    for each in live:
        published = each.published
        is_above = current is None or each.version > current.version
        is_doubtful = (not is_logged and is_above) or each.version in taken_out
        is_held = is_doubtful and not each.is_included
        claim = Claim(
            image=image,
            fingerprint=published.fingerprint,
            generation=generation_of(published.build),
            build=published.build,
            outcome=Outcome.WITHHELD if is_held else Outcome.SUCCEEDED,
            version=published.version,
            detail=_HELD if is_held else "",
            ended_at=published.published_at,
        )
        before = newest.get(str(published.fingerprint))
        if before is None or before.generation < claim.generation:
            newest[str(published.fingerprint)] = claim
    return tuple(newest.values())


def generation_of(build: BuildId) -> int:
    """The generation that a build's id ends with."""
    return int(str(build).rpartition(".")[2])


def last_version_of(
    known: Iterable[GalleryVersion], major: int, today: date, *, was_attempted: bool
) -> GalleryVersion | None:
    """A version at least as high as that of every attempt of the lost records.

    `known` are the versions in the galleries and the recovery log. An attempt that still runs makes a version that no
    gallery shows yet: it was allotted today at the latest, and it follows the known versions.
    """
    highest = max(known, default=None)
    if not was_attempted:
        return highest
    day = today.year * 10_000 + today.month * 100 + today.day
    start = GalleryVersion(major, day, 0)
    base = start if highest is None else max(start, highest)
    return GalleryVersion(base.major, base.day, base.sequence + _UNSEEN)
