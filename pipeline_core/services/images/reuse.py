"""Make a version current again that was already built from the desired inputs, instead of building it again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import looks, wishes
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.images import ImageHead, PublishedVersion
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId
from pipeline_core.domain.plan import ReuseVersion
from pipeline_core.domain.version_records import Standing, VersionRecord, change, standing_of
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.announcements import Announcements
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.observe import Observation
from pipeline_core.services.images.pointer import GALLERY, Pointer
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.provenance.live_facts import LiveFacts
from pipeline_core.state import images as records
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_SOON = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """A version that somebody took out of `latest`, that is gone or that nothing proves is not used."""

    records: Records
    galleries: Galleries
    unproven: Unproven
    facts: LiveFacts
    pointer: Pointer
    announcements: Announcements
    effects: Effects

    def apply(
        self,
        observation: Observation,
        head: Stored[ImageHead],
        decision: ReuseVersion,
        campaign: CampaignId,
        now: datetime,
    ) -> None:
        """Make the version current, and `latest` mean it. Raises StaleWrite to be looked at again."""
        image = head.value.name
        live, record = self._demand_good(observation, head, decision)
        observed = observation.snapshot.world.heads[image]
        known = self.facts.find(live, record)
        current = PublishedVersion(
            version=decision.version,
            fingerprint=decision.fingerprint,
            inputs=decision.inputs,
            build=decision.build,
            lane=decision.lane,
            published_at=now,
            scan=None if known is None else known.scan,
            followed=decision.followed,
            missing=None if known is None else known.missing,
            gates="" if known is None else known.gates,
            report=None if known is None else known.report,
        )
        detail = f"{decision.version} has the desired input"
        offered = self.pointer.offer(head.value, current, detail)
        entry = self.effects.journal.of_image(image, Event.REUSED, detail=detail)
        changed = replace(
            observed,
            current=current,
            pointer_revision=observed.pointer_revision + 1,
            announce=str(campaign),
            doubt=None,
            changes=observed.changes.after(decision.lane, now),
        )
        changed = wishes.to_be_judged(changed, judged_by=current.gates, actor=FACTORY, now=now)
        self.announcements.prepare(head.value, campaign)
        copy = self.effects.projection.find(image)
        etags = self.records.images.commit(
            [records.put_head(changed, etag=head.etag), records.add_entry(entry), *offered.writes]
        )
        self.effects.projection.follow(changed, copy, looks.note_of(observation.snapshot))
        self.announcements.send(Stored(value=changed, etag=etags[0]))

    def _demand_good(
        self, observation: Observation, head: Stored[ImageHead], decision: ReuseVersion
    ) -> tuple[GalleryImageVersion, VersionRecord | None]:
        """The version and its record. Raises StaleWrite where it cannot be used; its claim says so from then on.

        Raises TransientError while a change of it has not ended: nothing can be said about it then.
        """
        image, version = head.value.name, decision.version
        live = self.galleries.find_version(head.value.registration.gallery, image, version)
        if live is not None and live.state is VersionState.UPDATING:
            text = f"{image}@{version} is being changed; it is looked at again"
            raise TransientError(ErrorClass.CONFLICT, text, retry_after=_SOON)
        is_whole = live is not None and live.state in (VersionState.READY, VersionState.UPDATE_FAILED)
        if live is None or not is_whole or not self.unproven.check(live):
            self._forget(observation, decision)
            raise StaleWrite(f"{image}@{version} cannot be reused; the next look builds its inputs again")
        stored = self.records.versions.find(image, version)
        record = None if stored is None else stored.value
        current = head.value.current
        standing = standing_of(
            record,
            is_offered=latest.may_be_in(live),
            # Where nothing is current, as after a deletion, nothing went back below the version.
            is_above=current is not None and version > current.version,
        )
        if standing is Standing.PRUNED:
            self._forget(observation, decision)
            raise StaleWrite(f"{image}@{version} is being removed; the next look builds its inputs again")
        if not standing.may_be_current:
            self._withhold(observation, head, decision, live, stored)
            raise StaleWrite(f"{image}@{version} was taken out of latest; its inputs are held")
        return live, record

    def _forget(self, observation: Observation, decision: ReuseVersion) -> None:
        """Record that the claim's version is gone. The next look builds its inputs again."""
        claim = observation.claims[(observation.snapshot.image, decision.fingerprint)]
        gone = replace(claim.value, outcome=Outcome.PRUNED, version=None)
        self.records.images.commit([records.put_claim(gone, etag=claim.etag)])

    def _withhold(
        self,
        observation: Observation,
        head: Stored[ImageHead],
        decision: ReuseVersion,
        live: GalleryImageVersion,
        stored: Stored[VersionRecord] | None,
    ) -> None:
        """Record that somebody took the version out of `latest`. Its input is held until it is included again."""
        image, version, now = head.value.name, decision.version, self.effects.clock.now()
        claim = observation.claims[(image, decision.fingerprint)]
        record = VersionRecord(image=image, version=version) if stored is None else stored.value
        why = f"{version} was taken out of latest in {live.gallery}"
        if record.standing.may_be_current:
            record = change(record, Standing.EXCLUDED, now, actor=GALLERY, reason=why)
        held = replace(claim.value, outcome=Outcome.WITHHELD, detail=record.reason or why, ended_at=record.at)
        marked = head.value.taking_out(version)
        entry = self.effects.journal.of_image(image, Event.EXCLUDED, actor=GALLERY, detail=why)
        self.records.images.commit(
            [
                records.put_head(marked, etag=head.etag),
                records.put_claim(held, etag=claim.etag),
                put_version(record, etag=None if stored is None else stored.etag),
                records.add_entry(entry),
            ]
        )
        self.effects.projection.project(image)
