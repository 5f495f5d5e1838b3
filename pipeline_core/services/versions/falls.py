"""The current version is lost: the last good one becomes current, or none does and the image is built.

The pointer's revision rises, while its version falls. What is built from the lost version is left as it is: the
children follow the pointer, and the pages show what is still built from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import retention
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import Doubt, DoubtKind, ImageHead, PublishedVersion
from pipeline_core.domain.journal import Entry, Event
from pipeline_core.domain.names import CampaignId
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.version_records import Standing, VersionRecord, change
from pipeline_core.ports import GalleryImageVersion, TableWrite
from pipeline_core.services.effects.announcements import Announcements
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.pointer import GALLERY, Kept, Pointer
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.provenance.live_facts import LiveFacts
from pipeline_core.services.versions.retention import listed_version
from pipeline_core.state import images as records
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_STANDING = {
    DoubtKind.GONE: Standing.GONE,
    DoubtKind.EXCLUDED: Standing.EXCLUDED,
    DoubtKind.UNPROVEN: Standing.EXCLUDED,
}
# A bad version leaves its children at once. One that is lost was not bad: they follow as after a refresh.
_LANE = {
    DoubtKind.GONE: Lane.BACKGROUND,
    DoubtKind.EXCLUDED: Lane.SECURITY,
    DoubtKind.UNPROVEN: Lane.SECURITY,
}
# A version that a person took out may be bad: its input is held. One that is lost can be built again.
_OUTCOME = {
    DoubtKind.GONE: Outcome.PRUNED,
    DoubtKind.EXCLUDED: Outcome.WITHHELD,
    DoubtKind.UNPROVEN: Outcome.PRUNED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Falls:
    """One transaction moves the pointer; what it says is announced to the children in the same row."""

    records: Records
    pointer: Pointer
    unproven: Unproven
    facts: LiveFacts
    announcements: Announcements
    effects: Effects

    def fall(self, head: Stored[ImageHead], listed: Sequence[GalleryImageVersion], doubt: Doubt) -> None:
        """Move the pointer away from the doubted version. Raises TransientError until the gallery shows all of it,
        StaleWrite where the image has changed: the next look comes again."""
        lost = head.value.current
        if lost is None or lost.version != doubt.version:
            return
        campaign = CampaignId(f"look-{head.value.name}")
        image, kept = head.value.name, dict(self.records.versions.of_image(head.value.name))
        target = self._last_good(head.value, listed, kept)
        after = "nothing is current now" if target is None else f"{target.version} is current now"
        why = f"{doubt.detail}; {after}"
        offered = self.pointer.offer(head.value, target, why, lost=lost.version)
        actor = GALLERY if doubt.kind is not DoubtKind.UNPROVEN else FACTORY
        changed = replace(
            head.value,
            current=target,
            pointer_revision=head.value.pointer_revision + 1,
            doubt=None,
            announce=str(campaign),
            changes=head.value.changes.after(_LANE[doubt.kind], self.effects.clock.now()),
        )
        if doubt.kind is DoubtKind.EXCLUDED:
            changed = changed.taking_out(lost.version)
        writes = [
            records.put_head(changed, etag=head.etag),
            *offered.writes,
            self._record(_stored_record(head.value, lost, offered.kept), doubt, actor, lost),
            *self._hold(head.value, lost, doubt),
            records.add_entry(self._entry(head.value, doubt, actor)),
            records.add_entry(self.effects.journal.of_image(image, Event.FELL_BACK, actor=actor, detail=why)),
        ]
        self.announcements.prepare(head.value, campaign)
        copy = self.effects.projection.find(image)
        etags = self.records.images.commit(writes)
        self.effects.projection.follow(changed, copy)
        self.effects.logs.note("image-fell-back", image=str(image), version=str(lost.version), why=why[:1000])
        self.announcements.send(Stored(value=changed, etag=etags[0]))

    def _record(
        self, stored: tuple[VersionRecord, str | None], doubt: Doubt, actor: str, lost: PublishedVersion
    ) -> TableWrite:
        record, etag = stored
        after = change(
            record, _STANDING[doubt.kind], self.effects.clock.now(), actor=actor, reason=doubt.detail
        )
        return put_version(replace(after, published=lost), etag=etag)

    def _hold(self, head: ImageHead, lost: PublishedVersion, doubt: Doubt) -> list[TableWrite]:
        claim = self.records.images.find_claim(head.name, lost.fingerprint)
        if claim is None or claim.value.version != lost.version:
            return []
        outcome = _OUTCOME[doubt.kind]
        changed = replace(
            claim.value,
            outcome=outcome,
            version=lost.version if outcome is Outcome.WITHHELD else None,
            detail=doubt.detail,
            ended_at=self.effects.clock.now(),
        )
        return [records.put_claim(changed, etag=claim.etag)]

    def _entry(self, head: ImageHead, doubt: Doubt, actor: str) -> Entry:
        event = Event.GONE if doubt.kind is DoubtKind.GONE else Event.EXCLUDED
        entry = self.effects.journal.of_image(head.name, event, actor=actor, detail=doubt.detail)
        return replace(entry, version=str(doubt.version))

    def _last_good(
        self, head: ImageHead, listed: Sequence[GalleryImageVersion], kept: Kept
    ) -> PublishedVersion | None:
        """The first of the image's fallbacks that is proven, and whose facts are still known."""
        lost = head.current
        if lost is None:
            return None
        shown = {each.version: each for each in listed}
        order = retention.list_fallbacks(
            [listed_version(shown[each], kept.get(each), lost.version) for each in shown], lost.version
        )
        for version in order:
            record = kept[version].value if version in kept else None
            published = self.facts.find(shown[version], record)
            if published is not None and self.unproven.check(shown[version]):
                return replace(published, published_at=self.effects.clock.now())
        return None


def _stored_record(head: ImageHead, lost: PublishedVersion, kept: Kept) -> tuple[VersionRecord, str | None]:
    """The record of the lost version as it is stored now, with its ETag; a new one where there is none."""
    stored = kept.get(lost.version)
    if stored is None:
        return VersionRecord(image=head.name, version=lost.version), None
    return stored.value, stored.etag
