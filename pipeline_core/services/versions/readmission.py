"""A version that somebody had taken out of `latest` may be used again: let in in the gallery, or asked for here."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import access, attempts
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import (
    ErrorClass,
    InvalidValue,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, Fingerprint, ImageName
from pipeline_core.domain.version_records import Intent, Standing, VersionRecord, change
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, Principal, TableWrite, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.pointer import GALLERY
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Readmission:
    """Whether it becomes current again is the plan's to say: it does where its input is still what is desired."""

    records: Records
    galleries: Galleries
    marks: latest.Marks
    unproven: Unproven
    effects: Effects

    def include(
        self, name: ImageName, version: GalleryVersion, principal: Principal, reason: str
    ) -> VersionRecord:
        """Let a version be used again. Safe to repeat.

        Raises NotFound, and PermanentError: PERMISSION for other teams, CONFLICT where nothing proves the version,
        or where the gallery does not hold all of it.
        """
        head = self.records.images.get_head(name)
        team = head.value.registration.team
        access.demand_change(name, team, principal.roles, principal.groups, deed="include a version of it")
        live = self._demand(head.value, version)
        known = self._find_in_use(head.value, live)
        if known is not None:
            return known
        record = self._readmit(name, live, actor=principal.name, reason=reason or "asked for")
        current = head.value.current
        if current is not None and version < current.version and not latest.is_settled(live, excluded=False):
            with contextlib.suppress(
                TransientError
            ):  # the intent is written down: the next reuse goes on with it
                self.marks.settle(live, excluded=False)
        return record

    def settle(self, live: GalleryImageVersion, *, excluded: bool) -> None:
        """Put back a mark that a look found to be another than ours. Raises as `Marks.settle`."""
        self.marks.settle(live, excluded=excluded)

    def _find_in_use(self, head: ImageHead, live: GalleryImageVersion) -> VersionRecord | None:
        """The record of the current version where nobody took that out: nothing is to be done or reported."""
        current = head.current
        if current is None or current.version != live.version or live.version in head.taken_out:
            return None
        stored = self.records.versions.find(head.name, live.version)
        record = VersionRecord(image=head.name, version=live.version) if stored is None else stored.value
        is_live = record.standing is Standing.LIVE and record.intent is None
        return record if is_live and latest.may_be_in(live) and head.doubt is None else None

    def readmit_seen(self, name: ImageName, version: GalleryVersion) -> None:
        """The gallery shows the version in `latest` again: somebody with a right to it has decided so."""
        head = self.records.images.get_head(name)
        live = self.galleries.find_version(head.value.registration.gallery, name, version)
        if live is not None and latest.may_be_in(live):
            self._readmit(name, live, actor=GALLERY, reason=f"{version} is in latest of {live.gallery} again")

    def forget_gone(self, head: Stored[ImageHead], versions: Sequence[GalleryVersion]) -> Stored[ImageHead]:
        """Name those versions no longer as taken out that a GET does not find: nobody can include them again.

        Their input stays held. The head as it is stored then. Raises StaleWrite where the image has changed.
        """
        name, gallery = head.value.name, head.value.registration.gallery
        gone = [each for each in versions if self.galleries.find_version(gallery, name, each) is None]
        if not gone or self.galleries.find_image(gallery, name) is None:
            return head
        changed, writes = head.value, list[TableWrite]()
        for version in gone:
            changed = changed.letting_in(version)
            writes += self._gone(name, version, f"{gallery} no longer holds {version}")
        copy = self.effects.projection.find(name)
        etags = self.records.images.commit([records.put_head(changed, etag=head.etag), *writes])
        self.effects.projection.follow(changed, copy)
        return Stored(value=changed, etag=etags[0])

    def _gone(self, name: ImageName, version: GalleryVersion, reason: str) -> list[TableWrite]:
        stored = self.records.versions.find(name, version)
        before = VersionRecord(image=name, version=version) if stored is None else stored.value
        if before.standing is Standing.PRUNED:  # retention has deleted it, and said so
            return []
        after = change(before, Standing.GONE, self.effects.clock.now(), actor=GALLERY, reason=reason)
        entry = self.effects.journal.of_image(name, Event.GONE, actor=GALLERY, detail=reason)
        return [
            put_version(after, etag=None if stored is None else stored.etag),
            records.add_entry(replace(entry, version=str(version))),
        ]

    def _demand(self, head: ImageHead, version: GalleryVersion) -> GalleryImageVersion:
        gallery = head.registration.gallery
        live = self.galleries.find_version(gallery, head.name, version)
        if live is None:
            raise NotFound(f"{gallery} holds no {head.name}@{version}")
        if live.state not in (VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED):
            raise PermanentError(
                ErrorClass.CONFLICT,
                f"{head.name}@{version} in {gallery} is {live.state.value}: wait for its end",
            )
        current = None if head.current is None else head.current.version
        if not self.unproven.check(live, current):
            text = (
                f"{head.name}@{version} is not proven: `imagefactory verify {head.name}@{version}` says why"
            )
            raise PermanentError(ErrorClass.CONFLICT, text)
        return live

    def _readmit(
        self, name: ImageName, live: GalleryImageVersion, *, actor: str, reason: str
    ) -> VersionRecord:
        def readmit(head: Stored[ImageHead]) -> VersionRecord:
            stored = self.records.versions.find(name, live.version)
            before = VersionRecord(image=name, version=live.version) if stored is None else stored.value
            after = change(before, Standing.LIVE, self.effects.clock.now(), actor=actor, reason=reason)
            current = head.value.current
            if not latest.may_be_in(live) or (current is not None and live.version > current.version):
                # Until a reuse has made it current, a look would take it back as one above the current one.
                after = replace(after, intent=Intent.INCLUDE)
            entry = self.effects.journal.of_image(name, Event.INCLUDED, actor=actor, detail=reason)
            changed = head.value.letting_in(live.version)
            self.effects.projection.forget_claim(name)
            self.records.images.commit(
                [
                    records.put_head(changed, etag=head.etag),
                    put_version(after, etag=None if stored is None else stored.etag),
                    records.add_entry(replace(entry, version=str(live.version))),
                    *self._free(name, live),
                ]
            )
            self.effects.projection.project(name)
            return after

        done = changing(
            lambda: self.records.images.get_head(name), readmit, subject=str(name), lost=StaleWrite
        )
        self.effects.outbox.rebuild(name, "version-included", CampaignId(f"look-{name}"))
        return done

    def _free(self, name: ImageName, live: GalleryImageVersion) -> list[TableWrite]:
        """The claim on the version's input says again that the version is good."""
        try:
            fingerprint = Fingerprint(live.tags.get(attempts.FINGERPRINT_TAG, ""))
        except InvalidValue:
            return []
        claim = self.records.images.find_claim(name, fingerprint)
        if claim is None or claim.value.outcome is not Outcome.WITHHELD:
            return []
        freed = replace(claim.value, outcome=Outcome.SUCCEEDED, version=live.version, detail="")
        return [records.put_claim(freed, etag=claim.etag)]
