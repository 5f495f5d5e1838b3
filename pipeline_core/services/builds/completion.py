"""The end of a build: one transaction for all its records, then its slot, its messages and its copies."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import breaker, builds, chains, claims, floors, wishes
from pipeline_core.domain.builds import Build, Failure, Result
from pipeline_core.domain.errors import ErrorClass, FactoryError, StaleWrite, TransientError
from pipeline_core.domain.images import ImageHead, PublishedVersion, missing_regions
from pipeline_core.domain.journal import Event
from pipeline_core.ports import TableWrite
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.cascade import Cascade
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.outages import successes
from pipeline_core.services.outages.outages import Outages
from pipeline_core.state import images as records
from pipeline_core.state.capacity import SlotReleased
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.messages import ANCESTOR_ENDED, BUILD_ENDED

_EVENT = {
    Result.SUCCEEDED: Event.PUBLISHED,
    Result.FAILED: Event.FAILED,
    Result.CANCELLED: Event.CANCELLED,
    Result.SUPERSEDED: Event.SUPERSEDED,
    Result.WITHDRAWN: Event.WITHDRAWN,
}
_HEAD_WRITE = 1  # of an end: behind the build's row


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Ends builds. The container groups of a build are gone before this class ends it."""

    records: Records
    effects: Effects
    poller: Poller
    outages: Outages
    cascade: Cascade

    def end(
        self,
        build: Stored[Build],
        result: Result,
        failure: Failure | None = None,
        *,
        head: Stored[ImageHead] | None = None,
        why: str = "",
        beside: Sequence[TableWrite] = (),
    ) -> Build:
        """Commit the end and announce it; raises StaleWrite where the build, or a given `head`, has changed.

        `why` is the journal's text where there is no failure; `beside` are writes of the same transaction.
        """
        now = self.effects.clock.now()
        ended = builds.finish(build.value, result, now, failure=failure)
        entry = self.effects.journal.of_build(
            ended,
            _EVENT[result],
            detail=why if failure is None else f"{failure.error_class.value}: {failure.message}",
        )
        head = head or self.records.images.find_head(ended.image)
        writes: list[TableWrite] = [records.add_entry(entry)]
        claim = self.records.images.find_claim(ended.image, ended.fingerprint)
        gates = "" if claim is None or claim.value.build != ended.id else claim.value.gates
        after = None if head is None else _after(head.value, ended, gates)
        if head is not None and after is not None:
            writes.insert(0, records.put_head(after, etag=head.etag))
            if after.breaker is not None and head.value.breaker is None:
                opened = self.effects.journal.of_build(
                    ended,
                    Event.BREAKER_OPENED,
                    detail=f"{after.failures} builds failed in a row; repair the cause and ask for a rebuild",
                )
                writes.append(records.add_entry(opened))
        writes.insert(0, records.put_build(ended, etag=build.etag))
        writes.append(records.add_past(ended))
        if ended.result is Result.SUCCEEDED:
            writes.append(records.add_version(ended))
        if claim is not None and claim.value.build == ended.id:
            writes.append(records.put_claim(claims.settle(claim.value, ended), etag=claim.etag))
        copy = self.effects.projection.find(ended.image)
        etags = self.records.images.commit([*writes, *beside])
        self.effects.logs.note(
            "build-ended", image=str(ended.image), build_id=str(ended.id), result=result.value
        )
        self.outages.ended(ended)
        lost = claims.lost_release(ended)
        if lost is not None:  # before any message: the next look at the image then knows what to build from
            self.poller.doubt(lost.source, lost.version)
        if after is None:
            project = functools.partial(self.effects.projection.project, ended.image)
            self._announce(Stored(value=ended, etag=etags[0]), project)
        else:
            project = functools.partial(self.effects.projection.follow, after, copy)
            self._announce(
                Stored(value=ended, etag=etags[0]), project, Stored(value=after, etag=etags[_HEAD_WRITE])
            )
        return ended

    def has_announced(self, ended: Build) -> bool:
        """True where nothing is left to do about an end: the build has no row among the active ones any more."""
        return not ended.announce and not self.records.index.is_active(ended.id)

    def announce(self, ended: Stored[Build]) -> None:
        """Announce an end, then remove the build's row from the active ones. The sweep repeats this until that row
        is gone."""
        self._announce(ended, functools.partial(self.effects.projection.project, ended.value.image))

    def _announce(
        self, ended: Stored[Build], project: Callable[[], None], head: Stored[ImageHead] | None = None
    ) -> None:
        """`head` is the image's head where this process has just written it."""
        build = ended.value
        # A build that succeeded gave its slot back before it published; the sweep frees what a dead handler left.
        is_free = build.result is Result.SUCCEEDED
        released = SlotReleased.NOT_HELD if is_free else self.records.capacity.release(build.id)
        if released is SlotReleased.RACED:
            raise TransientError(ErrorClass.CONFLICT, f"the slot of build {build.id} is being changed")
        # A build whose inputs were outdated at its end is followed by the next build (rule 9 of the engine).
        if build.result is Result.SUCCEEDED and build.version is not None:
            project()
            if head is None or not self._has_followed(head, build):
                # Its handler looks at the image and at its children.
                self.effects.outbox.published(build.image, build.version, build.campaign)
        else:
            if build.result is not Result.SUPERSEDED:
                # Each child that rests, or is current, passes it on to its own children.
                for child in self.records.index.children(build.image):
                    self.effects.outbox.rebuild(child, ANCESTOR_ENDED, build.campaign)
            self.effects.outbox.rebuild(build.image, BUILD_ENDED, build.campaign)
            project()
        if released.is_freed:
            self.effects.outbox.dispatch("slot-freed")
        successes.note(self.outages, build, released)
        for notice in filter(None, (build.notice, build.alarm)):  # an older release wrote them
            self.effects.outbox.notify(build.image, notice)
        if build.announce:
            self._clear(ended)
        self.records.index.remove_active(build.id)

    def _clear(self, ended: Stored[Build]) -> None:
        """The end was committed by an older release, whose rows say themselves that it is announced."""
        build = ended.value
        try:
            self.records.images.commit([records.put_build(replace(build, announce=False), etag=ended.etag)])
        except StaleWrite:
            self.effects.logs.note("announced-twice", image=str(build.image), build_id=str(build.id))

    def _has_followed(self, head: Stored[ImageHead], build: Build) -> bool:
        """Look at the image (rule 9) and at its few children here and now. False: send the message instead.

        These looks read every input after the commit of the end, as the message's handler would.
        """
        try:
            return self.cascade.follow_at_once(head, build.campaign)
        except FactoryError as error:  # the build has ended: nothing that the look meets may fail it
            self.effects.logs.note("look-left-to-message", image=str(build.image), error=str(error))
            return False


def _after(head: ImageHead, ended: Build, gates: str) -> ImageHead:
    """The head without the build; a success becomes current, a failure of the team counts towards the breaker."""
    active = None if head.active is not None and head.active.build == ended.id else head.active
    match ended.result:
        case Result.SUCCEEDED if ended.version is not None:
            current = PublishedVersion(
                version=ended.version,
                fingerprint=ended.fingerprint,
                inputs=ended.inputs,
                build=ended.id,
                lane=ended.lane,
                published_at=ended.phase_since,
                scan=floors.scan_of(ended.verdicts),
                followed=ended.followed,
                missing=missing_regions(ended, ended.phase_since),
                gates=gates,
                report=ended.judged,
            )
            seconds = chains.measured(head, ended)
            published = replace(
                breaker.after_success(head),
                current=current,
                active=active,
                build_seconds=seconds,
                pointer_revision=head.pointer_revision + 1,
                doubt=None,
                changes=head.changes.after(ended.lane, ended.phase_since),
            )
            # `verify` may have changed while the build was on its way.
            return wishes.to_be_judged(published, judged_by=gates, actor=FACTORY, now=ended.phase_since)
        case Result.FAILED if _counts(ended):
            return replace(wishes.after_end(breaker.after_failure(head, ended), ended), active=active)
        case _:
            return replace(wishes.after_end(head, ended), active=active)


def _counts(ended: Build) -> bool:
    """True where a failure counts towards the image's breaker: the team's own, and not a release that is gone."""
    failure = ended.failure
    return failure is None or (failure.is_of_team and claims.lost_release(ended) is None)
