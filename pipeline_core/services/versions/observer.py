"""Observed means observed: what a live gallery really holds decides what is current, not what the factory remembers.

One look compares the list of an image's versions with its head. Where they differ, the row says so at once, and the
pointer moves: unless so many images differ that the looks themselves are in doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain import observed
from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.images import Doubt, DoubtKind, ImageHead
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.observed import SeenVersion, Sight
from pipeline_core.domain.version_records import Intent, Standing, VersionRecord, is_being_let_in
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.versions.falls import Falls
from pipeline_core.services.versions.readmission import Readmission
from pipeline_core.services.versions.suspicion import Suspicion
from pipeline_core.state import images as records
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_STRAYS = 90  # in one transaction, which may have 100 writes
_WHOLE = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryObserver:
    """A quiet image costs one list call and two reads of blobs. One that differs costs a few reads more."""

    records: Records
    galleries: Galleries
    unproven: Unproven
    falls: Falls
    readmission: Readmission
    suspicion: Suspicion
    effects: Effects

    def look(self, known: ImageHead) -> bool:
        """Look at one image; `known` may be the fleet's copy. True where the gallery differed.

        Raises TransientError where it cannot look, or until the gallery shows what was changed.
        """
        gallery, image = known.registration.gallery, known.name
        listed = self.galleries.list_versions(gallery, image)
        current = None if known.current is None else known.current.version
        unproven = self.unproven.look(listed, current)
        seen = _seen(listed)
        if self._is_quiet(known, seen, unproven):
            return False
        head = self.records.images.find_head(image)
        if head is None:
            return False
        return self._settle(head, listed, unproven)

    def _is_quiet(
        self,
        head: ImageHead,
        seen: dict[GalleryVersion, SeenVersion],
        unproven: frozenset[GalleryVersion],
    ) -> bool:
        sight = observed.sight_of(head, seen)
        if sight is Sight.BUSY:
            return True
        is_held = sight in (Sight.HELD, Sight.NOTHING_CURRENT)
        is_proven = not self._is_unproven(head, unproven)
        differs = observed.returned(head, seen) or observed.above(head, seen) or observed.unlisted(head, seen)
        return is_held and is_proven and not differs and head.doubt is None

    def _is_unproven(self, head: ImageHead, unproven: frozenset[GalleryVersion]) -> bool:
        """True where the current version is unproven, and the setting wants it out of `latest`."""
        return head.current is not None and head.current.version in unproven

    def _settle(
        self,
        head: Stored[ImageHead],
        listed: Sequence[GalleryImageVersion],
        unproven: frozenset[GalleryVersion],
    ) -> bool:
        seen, image = _seen(listed), head.value.name
        doubt = self._doubt(head.value, seen, unproven)
        if doubt is not None:
            self._act(head, listed, doubt)
            return True
        self.suspicion.clear(image)
        if head.value.doubt is not None:
            head = self._mark(head, None)
        unlisted = observed.unlisted(head.value, seen)
        if unlisted:
            head = self.readmission.forget_gone(head, unlisted)
        back = observed.returned(head.value, seen)
        for version in back:
            self.readmission.readmit_seen(image, version)
        above = () if back else observed.above(head.value, seen)
        by_version = {each.version: each for each in listed}
        return self._take_back(head, [by_version[version] for version in above]) or bool(back)

    def _doubt(
        self,
        head: ImageHead,
        seen: dict[GalleryVersion, SeenVersion],
        unproven: frozenset[GalleryVersion],
    ) -> Doubt | None:
        """What speaks against the current version, confirmed by a GET of that very version."""
        current, sight = head.current, observed.sight_of(head, seen)
        if current is None or sight is Sight.BUSY:
            return None
        gallery = head.registration.gallery
        if sight is Sight.HELD:
            text = f"no signed statement proves {current.version} in {gallery}"
            return self._new(head, DoubtKind.UNPROVEN, text) if self._is_unproven(head, unproven) else None
        found = self.galleries.find_version(gallery, head.name, current.version)
        if found is None or found.state not in _WHOLE:
            # A gallery that does not answer for its definition says nothing about a version.
            if found is not None or self.galleries.find_image(gallery, head.name) is None:
                return None
            return self._new(head, DoubtKind.GONE, f"{gallery} no longer holds {current.version}")
        if found.state is VersionState.UPDATING:
            return None
        if found.state is VersionState.UPDATE_FAILED:  # it may show marks that nobody obeys: write them again
            self._let_in(found)
            return None
        return None if latest.may_be_in(found) else self._kept_out(head, found)

    def _kept_out(self, head: ImageHead, found: GalleryImageVersion) -> Doubt | None:
        """A doubt where somebody else took the current version out. Where we did, it is let in again."""
        stored = self.records.versions.find(head.name, found.version)
        record = None if stored is None else stored.value
        is_ours = record is not None and (
            record.intent is Intent.EXCLUDE or record.standing is Standing.SPARE
        )
        if is_ours:
            self._let_in(found)
            return None
        text = f"{found.version} was taken out of latest in {found.gallery}"
        return self._new(head, DoubtKind.EXCLUDED, text)

    def _let_in(self, found: GalleryImageVersion) -> None:
        """Make sure that the current version is in `latest`. Raises TransientError until the gallery shows it."""
        self.readmission.settle(found, excluded=False)
        self.effects.logs.note("version-let-in-again", image=str(found.image), version=str(found.version))

    def _new(self, head: ImageHead, kind: DoubtKind, detail: str) -> Doubt | None:
        if head.current is None:
            return None
        before, version = head.doubt, head.current.version
        is_known = before is not None and (before.kind, before.version) == (kind, version)
        since = before.since if is_known and before is not None else self.effects.clock.now()
        return Doubt(kind=kind, version=version, since=since, detail=detail)

    def _act(self, head: Stored[ImageHead], listed: Sequence[GalleryImageVersion], doubt: Doubt) -> None:
        """Write the doubt down first: the image is not shown as current from now on. Then move the pointer."""
        if head.value.doubt != doubt:
            head = self._mark(head, doubt)
        may_move = self.suspicion.note(head.value.name, doubt)
        if not may_move or (doubt.kind is DoubtKind.GONE and self._is_first(doubt.since)):
            return
        self.falls.fall(head, listed, doubt)
        self.suspicion.note(head.value.name, doubt, is_moved=True)

    def _is_first(self, since: datetime) -> bool:
        return self.effects.clock.now() < since + observed.APART

    def _mark(self, head: Stored[ImageHead], doubt: Doubt | None) -> Stored[ImageHead]:
        changed, copy = replace(head.value, doubt=doubt), self.effects.projection.find(head.value.name)
        etags = self.records.images.commit([records.put_head(changed, etag=head.etag)])
        self.effects.projection.follow(changed, copy)
        text = "" if doubt is None else doubt.detail
        self.effects.logs.note("version-doubted", image=str(head.value.name), why=text)
        return Stored(value=changed, etag=etags[0])

    def _take_back(self, head: Stored[ImageHead], above: Sequence[GalleryImageVersion]) -> bool:
        """Take the versions above the current one out of `latest`: a handler that was slow, or died, left them there.

        Our intent is written first, on the head that was decided on: a reuse that is on its way begins anew. A version
        that is about to be current stays. True where one was taken out. Raises StaleWrite where the image has changed.
        """
        image, now = head.value.name, self.effects.clock.now()
        intended: list[tuple[GalleryImageVersion, VersionRecord, str | None]] = []
        for live in above[:_STRAYS]:
            stored = self.records.versions.find(image, live.version)
            if is_being_let_in(None if stored is None else stored.value, now):
                continue
            record = VersionRecord(image=image, version=live.version) if stored is None else stored.value
            why = f"{live.version} is above the current version"
            intent = replace(record, intent=Intent.EXCLUDE, at=now, actor=FACTORY, identity=None, reason=why)
            intended.append((live, intent, None if stored is None else stored.etag))
        if not intended:
            return False
        writes = [put_version(record, etag=etag) for _, record, etag in intended]
        try:
            etags = self.records.images.commit([records.put_head(head.value, etag=head.etag), *writes])
        except AlreadyExists as error:
            raise StaleWrite(f"{image} has changed; it is looked at again") from error
        for (live, record, _), etag in zip(intended, etags[1:], strict=True):
            self.readmission.settle(live, excluded=True)
            self._confirm(live, Stored(value=record, etag=etag))
            self.effects.logs.note("version-taken-back", image=str(image), version=str(live.version))
        return True

    def _confirm(self, live: GalleryImageVersion, stored: Stored[VersionRecord]) -> None:
        """The gallery shows that it is out. If it became current meanwhile, our call came too late and is undone."""
        record = replace(stored.value, intent=None)
        if record.standing is Standing.LIVE:
            record = replace(record, standing=Standing.SPARE)
        try:
            self.records.images.commit([put_version(record, etag=stored.etag)])
        except StaleWrite:
            head = self.records.images.find_head(live.image)
            current = None if head is None else head.value.current
            if current is not None and current.version == live.version:
                self._let_in(replace(live, excluded_from_latest=True))


def _seen(listed: Sequence[GalleryImageVersion]) -> dict[GalleryVersion, SeenVersion]:
    return observed.by_version(
        SeenVersion(
            version=each.version,
            is_offered=latest.may_be_in(each),
            is_whole=each.state is VersionState.READY,  # of a failed change, a GET tells more than a list
            is_busy=each.state in (VersionState.UPDATING, VersionState.CREATING),
            build=find_build_id(each.tags),
        )
        for each in listed
    )
