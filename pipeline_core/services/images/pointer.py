"""Makes `latest` of a gallery mean the version that the image's head is about to point at.

Each exclusion is written down as our own intent before the call and read back after it, so that a look at the gallery
never takes it for a stranger's. This module decides about no version.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.images import ImageHead, PublishedVersion
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.version_records import (
    LETTING_IN,
    RENEWED_AFTER,
    Intent,
    Standing,
    VersionRecord,
    change,
    is_being_let_in,
    may_be_taken_out_yet,
    standing_of,
)
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, TableWrite
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

GALLERY = "gallery"  # the actor of a change that was made in the gallery itself
_WRITES = 90  # in one transaction, which may have 100

Kept = dict[GalleryVersion, Stored[VersionRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What the gallery shows now: the writes of the versions' records, which belong in one transaction with the head.

    `kept` are the image's records as they are stored now.
    """

    writes: tuple[TableWrite, ...]
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Costs a list call, a GET, a read for each 1,000 records, and a change and a look for each version taken out."""

    records: Records
    galleries: Galleries
    marks: latest.Marks
    effects: Effects

    def offer(
        self,
        head: ImageHead,
        target: PublishedVersion | None,
        why: str,
        *,
        lost: GalleryVersion | None = None,
    ) -> Offered:
        """Exclude every version above the target, and the lost one, highest first; then include the target.

        Without a target only the lost version is excluded. Raises TransientError until the gallery shows all of it,
        LatestRefused where the platform refuses: the caller comes again, and goes on where it was.
        """
        listed = self.galleries.list_versions(head.registration.gallery, head.name)
        above = [
            each
            for each in listed
            if each.version == lost or (target is not None and each.version > target.version)
        ]
        kept = self._intend([each for each in above if latest.may_be_in(each)], head, why)
        for each in sorted(above, key=_number, reverse=True):
            self._settle(each, kept, excluded=True)
        if target is not None:
            self._let_in(head, target.version, kept, why)
        spare = (
            self._spare(each, kept.get(each.version), head, why) for each in above if each.version != lost
        )
        writes = [write for write in spare if write is not None]
        if target is not None:
            writes.append(self._live(head, target, kept.get(target.version), why))
        return Offered(writes=tuple(writes), kept=kept)

    def _let_in(self, head: ImageHead, version: GalleryVersion, kept: Kept, why: str) -> None:
        """Include the target. Where it is above the current one, our intent keeps a look from taking it back."""
        shown, now = self._shown(head, version), self._now()
        stored = kept.get(version)
        record = None if stored is None else stored.value
        if may_be_taken_out_yet(record, now) and not latest.is_settled(shown, excluded=True):
            text = f"{head.name}@{version} is being taken out of latest; it is looked at again"
            raise TransientError(ErrorClass.CONFLICT, text)
        is_above = head.current is not None and version > head.current.version
        if is_above and not latest.is_settled(shown, excluded=False) and not _is_intended(record, now):
            self._write_intents([_intent_of(shown, stored, Intent.INCLUDE, why, now)], kept)
        self._settle(shown, kept, excluded=False)

    def _shown(self, head: ImageHead, version: GalleryVersion) -> GalleryImageVersion:
        """The version itself: a list that lags does not have it yet, and the pointer would move without `latest`."""
        gallery = head.registration.gallery
        shown = self.galleries.find_version(gallery, head.name, version)
        if shown is None:
            text = f"{head.name}@{version} is not shown by {gallery}; it is looked at again"
            raise TransientError(ErrorClass.CONFLICT, text)
        return shown

    def _settle(self, found: GalleryImageVersion, kept: Kept, *, excluded: bool) -> None:
        record = kept.get(found.version)
        since = None if record is None or record.value.intent is None else record.value.at
        self.marks.settle(found, excluded=excluded, age=None if since is None else self._now() - since)

    def _intend(self, offered: Sequence[GalleryImageVersion], head: ImageHead, why: str) -> Kept:
        """The records of the image, with our intent in that of each version that is in `latest` now."""
        kept = dict(self.records.versions.of_image(head.name))
        self._write_intents(
            [
                _intent_of(each, kept.get(each.version), Intent.EXCLUDE, why, self._now())
                for each in offered
                if not _excludes(kept.get(each.version))
            ],
            kept,
        )
        return kept

    def _write_intents(self, intended: Sequence[tuple[VersionRecord, str | None]], kept: Kept) -> None:
        for some in _in_parts(intended):
            etags = self.records.images.commit([put_version(record, etag=etag) for record, etag in some])
            for (record, _), etag in zip(some, etags, strict=True):
                kept[record.version] = Stored(value=record, etag=etag)

    def _spare(
        self, found: GalleryImageVersion, stored: Stored[VersionRecord] | None, head: ImageHead, why: str
    ) -> TableWrite | None:
        """The record of a version above the target; None where it says all already, or its build has not ended."""
        is_active = head.active is not None and find_build_id(found.tags) == head.active.build
        record = None if stored is None else stored.value
        is_above = head.current is None or found.version > head.current.version
        standing = standing_of(record, is_offered=False, is_above=is_above)
        if is_active or (record is not None and record.standing is standing and record.intent is None):
            return None
        before = _record_of(found, stored)
        by_others = standing is Standing.EXCLUDED
        after = change(
            before,
            standing,
            self._now(),
            actor=GALLERY if by_others else FACTORY,
            reason="it was out of latest already, and not by the factory" if by_others else why,
        )
        return put_version(after, etag=None if stored is None else stored.etag)

    def _live(
        self, head: ImageHead, target: PublishedVersion, stored: Stored[VersionRecord] | None, why: str
    ) -> TableWrite:
        before = VersionRecord(image=head.name, version=target.version) if stored is None else stored.value
        after = change(before, Standing.LIVE, self._now(), actor=FACTORY, reason=why)
        return put_version(replace(after, published=target), etag=None if stored is None else stored.etag)

    def _now(self) -> datetime:
        return self.effects.clock.now()


def _excludes(stored: Stored[VersionRecord] | None) -> bool:
    return stored is not None and stored.value.intent is Intent.EXCLUDE


def _is_intended(record: VersionRecord | None, now: datetime) -> bool:
    """True where the intent to include holds for long enough: until the next try at least."""
    return is_being_let_in(record, now + LETTING_IN - RENEWED_AFTER)


def _intent_of(
    found: GalleryImageVersion, stored: Stored[VersionRecord] | None, intent: Intent, why: str, now: datetime
) -> tuple[VersionRecord, str | None]:
    """The record with our intent, and the ETag under which it is stored."""
    record = replace(_record_of(found, stored), intent=intent, at=now, actor=FACTORY, reason=why)
    return record, None if stored is None else stored.etag


def _record_of(found: GalleryImageVersion, stored: Stored[VersionRecord] | None) -> VersionRecord:
    return VersionRecord(image=found.image, version=found.version) if stored is None else stored.value


def _in_parts(
    things: Sequence[tuple[VersionRecord, str | None]],
) -> Iterable[Sequence[tuple[VersionRecord, str | None]]]:
    return (things[start : start + _WRITES] for start in range(0, len(things), _WRITES))


def _number(found: GalleryImageVersion) -> GalleryVersion:
    return found.version
