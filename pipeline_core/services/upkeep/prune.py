"""Retention, carried out in slices: exclude first, delete after the grace period, take back what is used again.

Each step is one transaction of the image's partition: the head on its ETag and the version's record. So a version
cannot become current while it is taken away. `domain.retention` decides.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain import attempts, rounds, version_records
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import AlreadyExists, NotFound, StaleWrite
from pipeline_core.domain.images import RetentionHold
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.retention import Removal, RetentionStep
from pipeline_core.domain.rounds import Round
from pipeline_core.domain.version_records import Intent, Standing, VersionRecord
from pipeline_core.ports import Galleries, GalleryImageVersion, TableWrite
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.versions.retention import ROUND, RetentionPlan, RetentionPlans
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.stores import Records

_EVERY = timedelta(hours=20)  # a round begins within a day of the one before, also where a timer is late
_LONG = timedelta(days=1)  # a round that lasts longer says so in each slice
_NAMES = 500  # images of one slice: half of an hour's budget of Azure's reads at two slices in it
_TIME = timedelta(minutes=4)  # of one slice; a function has ten minutes, and others run beside it
_CHANGES = 40  # requests to Azure that change or delete a version, in one slice


@dataclass(slots=True, kw_only=True)
class _Slice:
    """What is left of one slice, and the last image it has looked at."""

    until: datetime
    changes: int
    changed: int = 0
    after: str = ""
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruner:
    """One slice a run. Costs a list call, a blob and three reads for each image; a quiet run costs one read."""

    records: Records
    galleries: Galleries
    plans: RetentionPlans
    effects: Effects

    def prune(self) -> int:
        """The number of versions that the slice excluded, deleted or took back. An image that fails is skipped.

        Raises TransientError after too many transient errors; the next slice goes on behind the last image.
        """
        now = self.effects.clock.now()
        last = self.records.rounds.find(ROUND)
        current = rounds.resume(None if last is None else last.value, now, _EVERY)
        if current is None:
            return 0
        run = _Slice(until=now + _TIME, changes=_CHANGES, after=current.after)
        try:
            self._look_at_all(run)
        finally:
            etag = None if last is None else last.etag
            reached = rounds.advance(current, run.after, is_over=run.is_over)
            self._save(reached, etag)
            self._note_age(reached)
        return run.changed

    def _note_age(self, reached: Round) -> None:
        """Log how long a long round has lasted: more versions are to go than the slices of a day can change."""
        age = self.effects.clock.now() - reached.began_at
        if age > _LONG:
            hours = age // timedelta(hours=1)
            self.effects.logs.note(
                "prune-long-round", subject=reached.after, hours=hours, is_over=reached.is_over
            )

    def _save(self, current: Round, etag: str | None) -> None:
        try:
            self.records.rounds.save(ROUND, current, etag=etag)
        except (AlreadyExists, StaleWrite):  # another slice ran at the same time, and its place is as good
            self.effects.logs.note("prune-raced", subject=current.after)

    def _look_at_all(self, run: _Slice) -> None:
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="prune-failed")
        names = self.plans.names(after=run.after, limit=_NAMES)
        for name in names:
            if self.effects.clock.now() >= run.until or run.changes <= 0:
                return
            run.after = name
            bulkhead.run(name, partial(self._look_at, ImageName(name), run))
        run.is_over = len(names) < _NAMES

    def _look_at(self, name: ImageName, run: _Slice) -> bool:
        try:
            plan = self.plans.of_image(name)
        except NotFound:
            return False
        for step in plan.steps:
            if step.removal is not Removal.NONE and run.changes > 0:
                plan = self._carry_out(plan, step, run)
        self._note_hold(plan)
        return True

    def _carry_out(self, plan: RetentionPlan, step: RetentionStep, run: _Slice) -> RetentionPlan:
        """The plan with the head as the step leaves it. A head that somebody else has changed is decided on again."""
        known: RetentionPlan | None = plan

        def look(seen: RetentionPlan) -> RetentionPlan:
            same = [
                each for each in seen.steps if (each.version, each.removal) == (step.version, step.removal)
            ]
            return self._apply(seen, same[0], run) if same else seen

        def read() -> RetentionPlan:
            nonlocal known
            seen, known = known, None
            return seen or self.plans.again(plan)

        return changing(
            read,
            look,
            subject=f"{plan.image}@{step.version}",
            remedy="the next round looks again",
            lost=(AlreadyExists, StaleWrite),
        )

    def _apply(self, plan: RetentionPlan, step: RetentionStep, run: _Slice) -> RetentionPlan:
        found = plan.listed[step.version]
        match step.removal:
            case Removal.EXCLUDE:
                return self._exclude(plan, found, run)
            case Removal.WAIT:
                self._repeat_mark(found, step, run)
            case Removal.DELETE:
                return self._delete(plan, found, run)
            case Removal.TAKE_BACK:
                return self._take_back(plan, found, step, run)
            case Removal.NONE:
                pass
        return plan

    def _exclude(self, plan: RetentionPlan, found: GalleryImageVersion, run: _Slice) -> RetentionPlan:
        before, due = _record_of(plan, found), plan.due
        record = replace(
            version_records.change(
                before,
                Standing.PRUNING,
                self.effects.clock.now(),
                actor=version_records.RETENTION,
                reason=f"it is not among the {plan.rule.keep} that are kept, and nothing uses it",
            ),
            delete_after=due,
            marked_until=due,
            was_standing=_standing_of(plan, found),
            was_excluded=not latest.may_be_in(found),
            end_of_life=found.end_of_life,
        )
        detail = f"{found.version} is deleted after {due:%Y-%m-%d %H:%M} UTC"
        after = self._commit(plan, record, Event.RETIRED, detail, run)
        self._mark(replace(found, excluded_from_latest=True, end_of_life=due), run)
        return after

    def _repeat_mark(self, found: GalleryImageVersion, step: RetentionStep, run: _Slice) -> None:
        """Exclude it again, with its end of life, where an earlier request was lost or has failed."""
        if step.delete_after is None or _is_marked(found, step.delete_after):
            return
        place = (found.gallery, found.image, found.version)
        now_shown = self.galleries.find_version(*place)  # a list does not say whether a change has failed
        if now_shown is not None and not _is_marked(now_shown, step.delete_after):
            wanted = replace(now_shown, excluded_from_latest=True, end_of_life=step.delete_after)
            self._mark(wanted, run)

    def _delete(self, plan: RetentionPlan, found: GalleryImageVersion, run: _Slice) -> RetentionPlan:
        record = _record_of(plan, found)
        if record.standing is not Standing.PRUNED:
            if latest.may_be_in(found):
                # It is still in `latest`, so a machine may have been made from it a moment ago.
                self._mark(replace(found, excluded_from_latest=True), run)
                return plan
            pruned = version_records.change(
                record,
                Standing.PRUNED,
                self.effects.clock.now(),
                actor=version_records.RETENTION,
                reason=record.reason,
            )
            detail = f"{found.image}@{found.version}"
            plan = self._commit(plan, pruned, Event.PRUNED, detail, run, claim_of=found)
        run.changes -= 1
        self.galleries.begin_delete(found.gallery, found.image, found.version)
        return plan

    def _take_back(
        self, plan: RetentionPlan, found: GalleryImageVersion, step: RetentionStep, run: _Slice
    ) -> RetentionPlan:
        """Give the version its former marks, then its former standing. Both are repeated where one is lost."""
        record = _record_of(plan, found)
        is_above = plan.current is not None and found.version > plan.current
        excluded = is_above or (record.was_excluded and found.version != plan.current)
        self._mark(replace(found, excluded_from_latest=excluded, end_of_life=record.end_of_life), run)
        why = "; ".join(map(str, step.reasons))[:1000]
        is_retired = record.standing in (Standing.PRUNING, Standing.PRUNED)
        back = version_records.change(
            record,
            record.was_standing if is_retired else record.standing,
            self.effects.clock.now(),
            actor=version_records.RETENTION,
            reason=f"it was to be removed, and stays: {why}",
        )
        # Until a look has confirmed that it is in `latest` again, an absent mark is nobody else's.
        back = replace(back, marked_until=None, intent=None if excluded else Intent.INCLUDE)
        return self._commit(plan, back, Event.TAKEN_BACK, f"{found.version} stays: {why}", run)

    def _mark(self, wanted: GalleryImageVersion, run: _Slice) -> None:
        run.changes -= 1
        self.galleries.set_life(wanted)

    def _commit(
        self,
        plan: RetentionPlan,
        record: VersionRecord,
        event: Event,
        detail: str,
        run: _Slice,
        *,
        claim_of: GalleryImageVersion | None = None,
    ) -> RetentionPlan:
        """Write record, journal and claim on the ETag of the head that was decided on. Raises StaleWrite.

        The head is written as it is: a reuse, a publication or a registration that was decided on the same head fails.
        For a deleted image it is the record of its name, which a registration deletes.
        """
        known = plan.records.get(record.version)
        entry = self.effects.journal.of_image(plan.image, event, detail=detail)
        writes: list[TableWrite] = [
            plan.same_owner(),
            put_version(record, etag=None if known is None else known.etag),
            records.add_entry(entry),
        ]
        if claim_of is not None:
            writes += self._prune_claim(claim_of)
        etags = self.records.images.commit(writes, head=plan.head)
        run.changed += 1
        self.effects.logs.note(event.value, image=str(plan.image), version=str(record.version))
        return plan.after_write(etags[0])

    def _prune_claim(self, found: GalleryImageVersion) -> list[TableWrite]:
        """The claim must never call a deleted version good."""
        fingerprint = found.tags.get(attempts.FINGERPRINT_TAG, "")
        claim = self.records.images.find_claim(found.image, Fingerprint(fingerprint)) if fingerprint else None
        if claim is None or claim.value.version != found.version:
            return []
        if claim.value.outcome is Outcome.WITHHELD:
            self.effects.projection.forget_claim(found.image)
        return [records.put_claim(replace(claim.value, outcome=Outcome.PRUNED), etag=claim.etag)]

    def _note_hold(self, plan: RetentionPlan) -> None:
        """Keep in the head how many versions only unknown use keeps, for the image's condition."""
        head, count = plan.head, plan.waiting_for_use
        if head is None:
            return
        known = head.retention_hold
        if count == (0 if known is None else known.versions):
            return
        since = self.effects.clock.now() if known is None else known.since
        hold = RetentionHold(versions=count, since=since) if count else None
        copy, changed = self.effects.projection.find(plan.image), replace(head, retention_hold=hold)
        try:
            self.records.images.commit([records.put_head(changed, etag=plan.owner.etag)])
        except StaleWrite:
            return  # the next round counts again
        self.effects.projection.follow(changed, copy)


def _standing_of(plan: RetentionPlan, found: GalleryImageVersion) -> Standing:
    """What the version is before retention takes it: live, or kept out of `latest` by the factory itself."""
    known, current = plan.records.get(found.version), plan.current
    return version_records.standing_of(
        None if known is None else known.value,
        is_offered=latest.may_be_in(found),
        is_above=current is None or found.version > current,
    )


def _is_marked(found: GalleryImageVersion, due: datetime) -> bool:
    """True where the gallery shows the version out of `latest`, and an end of life that is not later than `due`.

    Both are one request. A version that was out before would otherwise never show its end where that was lost.
    Azure keeps whole seconds, so what it shows may be earlier than `due`.
    """
    has_end = found.end_of_life is not None and found.end_of_life <= due
    return has_end and latest.is_settled(found, excluded=True)


def _record_of(plan: RetentionPlan, found: GalleryImageVersion) -> VersionRecord:
    known = plan.records.get(found.version)
    return VersionRecord(image=plan.image, version=found.version) if known is None else known.value
