"""Reconcile one image: observe, plan, apply. Only this module starts new builds."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import breaker, builds, chains, claims, dispatch, looks, plan, wanted
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.errors import FactoryError, LatestRefused, StaleWrite, UnreadableRow
from pipeline_core.domain.images import ActiveBuild, ImageHead, parent_facts
from pipeline_core.domain.journal import Event
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import CampaignId, ImageName, build_id
from pipeline_core.domain.plan import Decision, DoNothing, RestReason, ReuseVersion, StartBuild
from pipeline_core.domain.wanted import Wish
from pipeline_core.ports import Row, TableWrite
from pipeline_core.services.effects.announcements import Announcements
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.observe import Observation, Observer
from pipeline_core.services.images.reuse import Reuse
from pipeline_core.services.images.wishes import Wishes
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.messages import ANCESTOR_ENDED, BUILD_ENDED, PARENT_PUBLISHED, RebuildMessage

_SOON = timedelta(seconds=2)

# An image that rests passes the wake-up on: its descendants may have waited for an image above it.
_PASSES_ON = frozenset(
    {
        RestReason.UNKNOWN,
        RestReason.NOT_ADMITTED,
        RestReason.BLOCKED,
        RestReason.COOLING_DOWN,
        RestReason.BREAKER_OPEN,
        RestReason.RELEASE_WITHDRAWN,
        RestReason.SUSPENDED,
        RestReason.NOT_WANTED,
        RestReason.OUTSIDE_WINDOW,
    }
)


def _always(_: ImageHead) -> bool:
    return True


# What these messages report changes nothing for an image that is current: its parent's version is the one it was
# built from, and no claim holds it back. So a short look is enough, and it leaves no note. An image that passes the
# message on looks at all its ancestors, because they may be a cycle.
_BRIEF: Mapping[str, Callable[[ImageHead], bool]] = {
    BUILD_ENDED: _always,
    ANCESTOR_ENDED: chains.is_leaf,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """The result of a look: the decision that was applied, and whether the image may have descendants."""

    decision: Decision
    has_descendants: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queued:
    """A build that was just committed: the head that the commit left, and the fleet's copy from before it."""

    build: Build
    head: ImageHead
    copy: Row | None
    note: LookNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Safe to run twice, late and out of order: the stored rows decide what to do."""

    observer: Observer
    records: Records
    reuse: Reuse
    wishes: Wishes
    announcements: Announcements
    effects: Effects

    def handle(self, message: RebuildMessage) -> None:
        """Look at the image that the message points at.

        A refused change of `latest` ends the message. The sweep asks again until it is accepted: were each message
        sent again, those of all sweeps during an outage would add up.
        """
        image = ImageName(message.image)
        campaign = CampaignId(message.campaign or f"look-{image}")
        try:
            looked = self._look(image, campaign, reason=message.reason)
        except LatestRefused as error:
            self.effects.logs.note("look-left-to-the-sweep", image=str(image), error=str(error)[:1000])
            return
        if _wakes_descendants(looked.decision, message.reason) and looked.has_descendants:
            for child in self.records.index.children(image):
                self.effects.outbox.rebuild(child, ANCESTOR_ENDED, campaign)

    def after_publish(
        self, image: ImageName, campaign: CampaignId, known: Stored[ImageHead] | None = None
    ) -> bool:
        """Look at an image whose build has just ended (rule 9); True where it may have descendants.

        `known` is the head that the caller has just written. The first look does not read it again.
        """
        return self._look(image, campaign, known=known, reason=BUILD_ENDED).has_descendants

    def after_publish_with(
        self,
        image: ImageName,
        children: Sequence[ImageName],
        campaign: CampaignId,
        known: Stored[ImageHead] | None = None,
    ) -> Sequence[ImageName]:
        """As `after_publish`, and start the builds of children, at most MOST_TOGETHER, that wait for nothing else.

        The answer names the children that need a look of their own. What the family shares is read once.
        """
        heads = [head for child in children if (head := self._find_child(child, image)) is not None]
        now = self.effects.clock.now()
        own: Observation | None = None
        below: Sequence[Observation] = ()
        with contextlib.suppress(
            UnreadableRow
        ):  # a row above the parent, perhaps: each look says what it needs
            own, below = self.observer.observe_family(image, heads, now, known)
        if not self._look(image, campaign, seen=own, reason=BUILD_ENDED).has_descendants:
            return ()
        started = [queued for each in below if (queued := self._start_plain(each, campaign, now)) is not None]
        if started:
            self._queue_all(started)
        begun = {queued.head.name for queued in started}
        return [child for child in children if child not in begun]

    def reconcile(
        self, image: ImageName, campaign: CampaignId, known: Stored[ImageHead] | None = None
    ) -> Decision:
        """Decide about one image and apply the decision; raises TransientError where others keep changing the image.

        `known` is the head that the caller has just read or written. The first look does not read it again.
        """
        return self._look(image, campaign, known=known).decision

    def _look(
        self,
        image: ImageName,
        campaign: CampaignId,
        *,
        known: Stored[ImageHead] | None = None,
        seen: Observation | None = None,
        reason: str = "",
    ) -> _Looked:
        """Observe, plan and apply. The first try uses `known` or `seen`, where the caller has just read it."""
        brief = _BRIEF.get(reason)

        def look(now: datetime) -> _Looked:
            nonlocal known, seen
            observation = seen or self.observer.observe(image, now, known, brief=brief)
            known, seen = None, None
            decision = plan.plan(observation.snapshot, now)
            self._note(image, decision)
            self._apply(observation, decision, campaign, now)
            if _leaves_note(decision, is_brief=brief is not None):
                self.effects.projection.note(image, looks.note_of(observation.snapshot))
            return _Looked(decision=decision, has_descendants=_may_pass_on(observation))

        # Raced: the image has changed since it was observed.
        return changing(
            self.effects.clock.now,
            look,
            subject=str(image),
            remedy="look again",
            lost=RACED,
            retry_after=_SOON,
        )

    def _apply(
        self, observation: Observation, decision: Decision, campaign: CampaignId, now: datetime
    ) -> None:
        head = observation.head
        if head is None:
            # A registration that stopped half-way, or a deletion, left a copy in the fleet.
            self.effects.projection.project(observation.snapshot.image)
            return
        if head.value.announce:
            self.announcements.send(head)
            raise StaleWrite(f"{head.value.name} was written when its change was announced")
        pending = self._find_pending(head.value)
        if pending is not None:
            answer = wanted.judge(observation.snapshot, pending.value, now)
            if not answer.wish.is_wanted and not _replaces(decision, answer.wish):
                self.wishes.withdraw(pending, answer)
                raise StaleWrite(f"{pending.value.id} was withdrawn: {answer.why}")
        match decision:
            case StartBuild():
                self._start(observation, head, decision, campaign, now)
            case ReuseVersion():
                self.reuse.apply(observation, head, decision, campaign, now)
            case DoNothing(why=RestReason.IN_FLIGHT):
                self._join(pending)
            case DoNothing():
                pass

    def _start(
        self,
        observation: Observation,
        head: Stored[ImageHead],
        decision: StartBuild,
        campaign: CampaignId,
        now: datetime,
    ) -> None:
        replaced = None if decision.replaces is None else self.records.images.find_build(decision.replaces)
        queued = self._commit_start(observation, head, decision, campaign, now, replaced)
        if replaced is not None:
            # First: if this process ends here, the sweep sees that nobody knows the build that the copy names.
            self.records.index.remove_active(replaced.value.id)
            self.records.index.withdraw(replaced.value)
        self._queue_all([queued])

    def _find_child(self, child: ImageName, parent: ImageName) -> Stored[ImageHead] | None:
        """The child's head; None where it has another parent now, or cannot be read: its own look says more."""
        try:
            stored = self.records.images.find_head(child)
        except UnreadableRow:
            return None
        return stored if stored is not None and stored.value.registration.parent == parent else None

    def _start_plain(self, observation: Observation, campaign: CampaignId, now: datetime) -> _Queued | None:
        """Start a build where that is all that is to be done; None where the image needs a look of its own."""
        head, decision = observation.head, plan.plan(observation.snapshot, now)
        if head is None or head.value.active is not None or head.value.announce:
            return None
        if not isinstance(decision, StartBuild) or decision.replaces is not None:
            return None
        try:
            queued = self._commit_start(observation, head, decision, campaign, now, None)
        except FactoryError as error:
            self.effects.logs.note("start-left-to-a-look", image=str(head.value.name), error=str(error))
            return None
        self._note(head.value.name, decision)
        return queued

    def _commit_start(
        self,
        observation: Observation,
        head: Stored[ImageHead],
        decision: StartBuild,
        campaign: CampaignId,
        now: datetime,
        replaced: Stored[Build] | None,
    ) -> _Queued:
        image = head.value.name
        waits = now if replaced is None else replaced.value.queued_at
        build = replace(
            _pending_build(head.value, decision, campaign, now, waits, observation.snapshot.world.heads),
            cores=self.effects.documents.cores_of(head.value.registration),
        )
        old_claim = observation.claims.get((image, decision.fingerprint))
        claim = Claim(
            image=image,
            fingerprint=decision.fingerprint,
            generation=decision.generation,
            build=build.id,
            outcome=Outcome.IN_FLIGHT,
            gates=head.value.registration.gates,
            limits=head.value.registration.limits,
            grants=head.value.grants,
        )
        observed = observation.snapshot.world.heads[image]
        active = ActiveBuild(build=build.id, fingerprint=build.fingerprint, phase=Phase.PENDING)
        changed = replace(breaker.let_through(observed), active=active)
        writes = [
            records.put_head(changed, etag=head.etag),
            records.put_build(build, etag=None),
            records.put_claim(claim, etag=None if old_claim is None else old_claim.etag),
            records.add_entry(self.effects.journal.of_build(build, Event.QUEUED)),
        ]
        if observed.breaker is not None:
            closed = self.effects.journal.of_build(build, Event.BREAKER_CLOSED, detail="an input has changed")
            writes.append(records.add_entry(closed))
        if replaced is not None:
            writes += self._supersede(replaced, build, now)
        copy = self.effects.projection.find(image)
        self.records.images.commit(writes)
        return _Queued(build=build, head=changed, copy=copy, note=looks.note_of(observation.snapshot))

    def _queue_all(self, queued: Sequence[_Queued]) -> None:
        """Let the dispatcher and the sweep find builds that were just committed. One message is enough for all."""
        self.records.index.add_queued([dispatch.first_row_of(each.build) for each in queued])
        self.effects.outbox.dispatch("build-queued")
        self.effects.projection.follow_all([(each.head, each.copy, each.note) for each in queued])

    def _supersede(self, old: Stored[Build], new: Build, now: datetime) -> list[TableWrite]:
        if old.value.phase is not Phase.PENDING:
            raise StaleWrite(f"build {old.value.id} has begun or ended since it was observed")
        ended = builds.finish(old.value, Result.SUPERSEDED, now)
        entry = self.effects.journal.of_build(ended, Event.SUPERSEDED, detail=f"replaced by {new.id}")
        writes = [
            records.put_build(ended, etag=old.etag),
            records.add_past(ended),
            records.add_entry(entry),
        ]
        claim = self.records.images.find_claim(ended.image, ended.fingerprint)
        if claim is not None and ended.fingerprint != new.fingerprint:
            writes.append(records.put_claim(claims.settle(claim.value, ended), etag=claim.etag))
        return writes

    def _find_pending(self, head: ImageHead) -> Stored[Build] | None:
        """The image's build that waits for a slot, or None."""
        if head.active is None or head.active.phase is not Phase.PENDING:
            return None
        build = self.records.images.find_build(head.active.build)
        return build if build is not None and build.value.phase is Phase.PENDING else None

    def _join(self, pending: Stored[Build] | None) -> None:
        """Make sure that a build that waits for a slot can be found by the dispatcher."""
        if pending is None:
            return
        self.records.index.add_active(pending.value.id)
        self.records.index.add_pending(dispatch.first_row_of(pending.value), again=True)
        self.effects.outbox.dispatch("build-queued")

    def _note(self, image: ImageName, decision: Decision) -> None:
        why = decision.why.value if isinstance(decision, DoNothing) else type(decision).__name__
        reasons = ", ".join(str(reason) for reason in decision.reasons)
        self.effects.logs.note("image-decided", image=str(image), decision=why, reasons=reasons)


def _pending_build(
    head: ImageHead,
    decision: StartBuild,
    campaign: CampaignId,
    now: datetime,
    waits: datetime,
    heads: Mapping[ImageName, ImageHead],
) -> Build:
    identity = build_id(head.name, decision.fingerprint, decision.generation)
    return Build(
        id=identity,
        image=head.name,
        team=head.registration.team,
        fingerprint=decision.fingerprint,
        generation=decision.generation,
        inputs=decision.inputs,
        definition=head.registration.definition,
        gallery=head.registration.gallery,
        quarantine=head.registration.quarantine,
        reasons=decision.reasons,
        lane=decision.lane,
        followed=decision.followed,
        campaign=campaign,
        phase=Phase.PENDING,
        seq=0,
        attempt=1,
        created_at=now,
        phase_since=now,
        planned_on=head.pointer_revision,
        priority=dispatch.priority_key(decision.lane, chains.remaining(head), waits, identity),
        waits_since=waits,
        parent=parent_facts(decision.inputs, heads),
    )


def _replaces(decision: Decision, wish: Wish) -> bool:
    """True where the newer build begins now: it takes the place in the queue of the one that is held back."""
    return wish is Wish.HELD_BACK and isinstance(decision, StartBuild)


def _may_pass_on(observation: Observation) -> bool:
    """False for a leaf, and for an image in broken lineage: a cycle would pass its messages round and round."""
    head, broken = observation.head, observation.snapshot.world.broken
    return head is not None and head.value.name not in broken and not chains.is_leaf(head.value)


def _leaves_note(decision: Decision, *, is_brief: bool) -> bool:
    """True where the sweep and the lists must know what the look found, because nothing else comes of it."""
    if not isinstance(decision, DoNothing):
        return False
    if decision.why is RestReason.CURRENT:
        return not is_brief
    return decision.why in _PASSES_ON or decision.why is RestReason.WAITS_FOR_ANCESTOR


def _wakes_descendants(decision: Decision, reason: str) -> bool:
    if not isinstance(decision, DoNothing) or decision.has_no_place:
        return False
    if reason == ANCESTOR_ENDED:
        return decision.why in _PASSES_ON or decision.why is RestReason.CURRENT
    return reason == PARENT_PUBLISHED and decision.why in _PASSES_ON
