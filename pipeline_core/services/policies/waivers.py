"""Waivers that a definition asks for: who grants them, which count at a gate, and which end.

A grant is written in one transaction with the image's head, whose count of grants lets an input that a gate refused be
tried once more, and with the image's journal.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from pipeline_core.domain import access, waivers
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.definitions import ImageDefinition, Waiver, WaiverKind
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, ImageName, TeamName
from pipeline_core.domain.policy import ComplianceFloor, Policy, WaiverRules
from pipeline_core.domain.registered_conditions import of_waivers
from pipeline_core.domain.waivers import JudgedWaiver, WaiverGrant, WaiverState
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.grants.waivers import ImageGrants, put_waiver
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # images that one page looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverSubject:
    """What one waiver is about; `path` is for hygiene findings alone."""

    image: ImageName
    kind: WaiverKind
    rule: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverView:
    """A waiver that was asked for or granted, and where it stands now. `ends_soon`: it counts, and its end is near."""

    team: TeamName
    judged: JudgedWaiver
    ends_soon: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverViews:
    """A page of them by image. `next` is the cursor of the next page, None at the end."""

    waivers: tuple[WaiverView, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverGrants:
    """An image whose definition asks for no waiver costs no read here."""

    records: Records
    effects: Effects
    policies: Policies

    def grant(self, subject: WaiverSubject, principal: Principal, *, until: date, reason: str) -> WaiverView:
        """Let an image fail a rule that its definition names, until the end of a day. Safe to repeat.

        For the grantors of the policy. The image is looked at then, and an input that a gate refused is built again.
        Raises NotFound where the definition does not ask for it, and PermanentError (PERMISSION; POLICY without a
        reason, or with a day that has passed or is too far away).
        """
        policy = self._demand_grantor(principal)
        decision = self._decision(principal, reason)
        today = decision.at.date()
        if until < today:
            raise PermanentError(ErrorClass.POLICY, f"{until} has passed: give the last day of the waiver")
        if policy.waivers.is_too_long(until, today) and policy.waivers.longest is not None:
            last = today + policy.waivers.longest
            raise PermanentError(
                ErrorClass.POLICY, f"{until} is too far away: policy {policy.revision} allows {last} at most"
            )

        def change(head: ImageHead, old: WaiverGrant | None) -> WaiverGrant:
            is_same = (
                old is not None
                and old.team == head.registration.team
                and waivers.state_of(old, today=today, rules=policy.waivers) is WaiverState.GRANTED
                and (old.until, old.granted.reason) == (until, decision.reason)
            )
            if old is not None and is_same:
                return old
            return WaiverGrant(
                image=head.name,
                team=head.registration.team,
                kind=subject.kind,
                rule=waivers.rule_of(subject.kind, subject.rule),
                path=subject.path,
                until=until,
                granted=decision,
            )

        return self._change(subject, self._demand_asked, change, Event.WAIVER_GRANTED, policy.waivers)

    def withdraw(self, subject: WaiverSubject, principal: Principal, *, reason: str) -> WaiverView:
        """End a grant. For the grantors of the policy. What is live stays, and shows it. The first withdrawal stays.

        The definition need not ask for the waiver any more, nor be readable: the grant would count again as soon as it
        did. Raises NotFound, PermanentError (PERMISSION; POLICY without a reason).
        """
        policy = self._demand_grantor(principal)
        decision = self._decision(principal, reason)

        def change(head: ImageHead, old: WaiverGrant | None) -> WaiverGrant:
            if old is None:
                raise NotFound(
                    f"{head.name} was granted no waiver of {subject.rule}: there is nothing to withdraw"
                )
            return old if old.withdrawn is not None else replace(old, withdrawn=decision)

        return self._change(subject, self._find_asked, change, Event.WAIVER_WITHDRAWN, policy.waivers)

    def page(
        self,
        *,
        image: ImageName | None = None,
        asked: bool = False,
        ending: bool = False,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> WaiverViews:
        """The waivers of the next `limit` images of the fleet, or of one image. A page may be empty: use `next`.

        A grant that holds and is no longer asked for is shown too (`UNASKED`), so that it can be withdrawn. With
        `asked` the page has what is asked for and does not count; with `ending` those that count and end soon.

        Costs one read, and one for each image on the page that asks for a waiver or was granted one. Images that were
        recovered do not know the latter: what they no longer ask for is shown for one `image` alone. Raises NotFound
        for one image.
        """
        if image is not None:
            heads, following = [self.records.images.get_head(image).value], None
        else:
            fleet = self.records.index.fleet(after=after, limit=min(limit, PAGE_LIMIT))
            heads, following = list(fleet.heads), fleet.after
        rules = self.policies.seen().waivers
        looked_at = [head for head in heads if image is not None or head.grants or _may_ask(head)]
        reads = [self.effects.reads.begin(self._reading(head, rules)) for head in looked_at]
        found = [view for read in reads for view in read()]
        if asked:
            found = [view for view in found if view.judged.is_missing]
        if ending:
            found = [view for view in found if view.ends_soon]
        return WaiverViews(waivers=tuple(found), next=following)

    def judged(self, definition: ImageDefinition, rules: WaiverRules) -> tuple[JudgedWaiver, ...]:
        """The waivers of a definition as they stand now, by these rules. One read where it asks for any, else none."""
        if not waivers.asked_by(definition.verify):
            return ()
        return self._judged(definition, self.records.waivers.of_image(definition.name), rules)

    def _judged(
        self, definition: ImageDefinition, known: ImageGrants, rules: WaiverRules
    ) -> tuple[JudgedWaiver, ...]:
        unreadable = [
            each
            for each in waivers.asked_by(definition.verify)
            if known.is_unreadable(each.kind, waivers.rule_of(each.kind, each.rule), each.path)
        ]
        today = self.effects.clock.now().date()
        return waivers.judge(definition, known.grants, today=today, rules=rules, unreadable=unreadable)

    def floor_of(self, image: ImageName) -> ComplianceFloor:
        """The floor of an image; its `waivers` are the rules that `judged` takes. Raises UnreadableRow."""
        return self.policies.floor_of(image)

    def counting(self, definition: ImageDefinition, kind: WaiverKind) -> tuple[JudgedWaiver, ...]:
        """The waivers of one kind that count now. Where the definition asks for none of the kind, nothing is read."""
        if all(asked.kind is not kind for asked in waivers.asked_by(definition.verify)):
            return ()
        judged = self.judged(definition, self.floor_of(definition.name).waivers)
        return tuple(each for each in judged if each.counts and each.asked.kind is kind)

    def conditions(self, head: ImageHead, rules: WaiverRules) -> tuple[Condition, ...]:
        """What ended or ends soon. A definition that cannot be read has another condition."""
        if not _may_ask(head):
            return ()
        today = self.effects.clock.now().date()
        return of_waivers(self.judged(self._definition(head), rules), today)

    def notes(self, definition: ImageDefinition, rules: WaiverRules) -> tuple[str, ...]:
        """For the person who registers: which waivers do not count yet, and whom to ask."""
        void = [each for each in self.judged(definition, rules) if not each.counts]
        return tuple(waivers.missing([each]) for each in void)

    def _reading(self, head: ImageHead, rules: WaiverRules) -> Callable[[], list[WaiverView]]:
        def read() -> list[WaiverView]:
            try:
                definition = self._definition(head)
            except PermanentError:
                return []  # its definition cannot be read: the image says so
            known = self.records.waivers.of_image(head.name)
            today = self.effects.clock.now().date()
            asked = self._judged(definition, known, rules)
            unasked = waivers.unasked(definition, known.grants, today=today, rules=rules)
            return [self._view(head, each) for each in (*asked, *unasked)]

        return read

    def _change(
        self,
        subject: WaiverSubject,
        request: Callable[[ImageHead, WaiverSubject], Waiver | None],
        change: Callable[[ImageHead, WaiverGrant | None], WaiverGrant],
        event: Event,
        rules: WaiverRules,
    ) -> WaiverView:
        def commit(head: Stored[ImageHead]) -> WaiverView:
            asked = request(head.value, subject)
            rule = waivers.rule_of(subject.kind, subject.rule)
            stored = self.records.waivers.find(subject.image, subject.kind, rule, subject.path)
            old = None if stored is None else stored.value
            new = change(head.value, old)
            if new != old:
                new = replace(new, revision=1 if old is None else old.revision + 1)
                self._commit(head, new, event, etag=None if stored is None else stored.etag)
            elif event is Event.WAIVER_GRANTED:
                # The first try may have ended between its commit and these two.
                self._wake(head.value)
                self.effects.projection.project(subject.image)
            state = waivers.state_of(new, today=self.effects.clock.now().date(), rules=rules)
            judged = JudgedWaiver(
                image=subject.image, asked=asked or waivers.request_of(new), state=state, grant=new
            )
            return self._view(head.value, judged)

        return changing(
            lambda: self.records.images.get_head(subject.image),
            commit,
            subject=str(subject.image),
            lost=RACED,
        )

    def _commit(self, head: Stored[ImageHead], grant: WaiverGrant, event: Event, *, etag: str | None) -> None:
        name, is_grant = head.value.name, event is Event.WAIVER_GRANTED
        made = grant.granted if grant.withdrawn is None else grant.withdrawn
        about = f"{grant.kind.value} {grant.rule}{f' at {grant.path}' if grant.path else ''}"
        detail = f"{about}{f' until {grant.until}' if is_grant else ''}: {made.reason}"
        entry = self.effects.journal.of_image(name, event, actor=made.by, detail=detail)
        changed = replace(head.value, grants=head.value.grants + 1, failures=0) if is_grant else head.value
        if is_grant:
            # The sweep then looks at the image, also if this ends right after the commit and nobody sends it again.
            self.effects.projection.forget_claim(name)
        copy = self.effects.projection.find(name)
        log = self.effects.recovery_log.grants
        log.announce_waivers(name)
        self.records.images.commit(
            [
                records.put_head(changed, etag=head.etag),
                put_waiver(grant, etag=etag),
                records.add_entry(entry),
            ]
        )
        if is_grant:
            self._wake(changed)
        log.settle_waivers(name)
        self.effects.projection.follow(changed, copy)
        self.effects.logs.note(
            "waiver-changed", image=str(name), reason=event.value, rule=grant.rule, actor=made.by.identity
        )

    def _wake(self, head: ImageHead) -> None:
        """Ask for a look at an image that was granted a waiver. Safe to repeat."""
        self.effects.outbox.rebuild(head.name, "waiver", CampaignId(f"waiver-{head.name}-{head.grants}"))

    def _demand_asked(self, head: ImageHead, subject: WaiverSubject) -> Waiver:
        found = _named_in(self._definition(head), subject)
        if found is not None:
            return found
        raise NotFound(
            f"the definition of {head.name} does not ask for a waiver of {subject.kind.value} {subject.rule}"
            f"{f' at {subject.path}' if subject.path else ''}: its team names rule and reason in `spec.verify` first;"
            f" `imagefactory waivers list --image {head.name}` shows what it asks for"
        )

    def _find_asked(self, head: ImageHead, subject: WaiverSubject) -> Waiver | None:
        """None also where the definition cannot be read: a grant is withdrawn all the same."""
        try:
            return _named_in(self._definition(head), subject)
        except PermanentError:
            return None

    def _demand_grantor(self, principal: Principal) -> Policy:
        policy = self.policies.demand()
        if not policy.waivers.may_grant(principal.subject, principal.roles):
            who = (
                ", ".join(sorted(policy.waivers.grantors - policy.waivers.addresses))
                or f"SecOps ({access.ADMIN})"
            )
            raise PermanentError(
                ErrorClass.PERMISSION,
                f"only those whom policy {policy.revision} names decide about waivers: {who}",
            )
        return policy

    def _decision(self, principal: Principal, reason: str) -> GrantDecision:
        given = access.demand_reason(reason, "the record of the waiver")
        return GrantDecision(by=principal.actor, at=self.effects.clock.now(), reason=given)

    def _definition(self, head: ImageHead) -> ImageDefinition:
        return self.effects.documents.definition(head.registration.definition)

    def _view(self, head: ImageHead, judged: JudgedWaiver) -> WaiverView:
        is_ending = waivers.is_ending(judged, self.effects.clock.now().date())
        return WaiverView(team=head.registration.team, judged=judged, ends_soon=is_ending)


def _named_in(definition: ImageDefinition, subject: WaiverSubject) -> Waiver | None:
    """The waiver that the definition asks for, if it is the one of this subject."""
    wanted = (subject.kind, waivers.rule_of(subject.kind, subject.rule), subject.path)
    for asked in waivers.asked_by(definition.verify):
        if (asked.kind, waivers.rule_of(asked.kind, asked.rule), asked.path) == wanted:
            return asked
    return None


def _may_ask(head: ImageHead) -> bool:
    """False where the definition certainly asks for no waiver. A head of an older release knows those with a day."""
    promises = head.registration.promises
    return promises is None or bool(promises.asked or promises.waivers)
