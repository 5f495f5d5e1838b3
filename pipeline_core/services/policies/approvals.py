"""Who may build on images of other teams: SecOps approves and withdraws, the owner restricts. No build is ever stopped.

The record is written first, and its journal entries then, under keys that depend on the decision alone. So a decision
that is sent again writes the entries that a killed process left out, and writes none twice.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

from pipeline_core.domain import access, approvals
from pipeline_core.domain.access_table import ApiOperation, CallerStanding
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, UnreadableRow
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event, standing_key
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # approvals a page holds at most
_CHILDREN = 1000  # children of a parent that are looked at, to notify those of the team
_KEPT_BY = "the record of the approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """One approval and where it stands now. `ends_soon` is true where it holds and its end is near."""

    approval: Approval
    state: ApprovalState
    ends_soon: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalViews:
    """A page of approvals. `next` is the cursor of the next page, None at the end."""

    approvals: tuple[ApprovalView, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Approvals of parents. `secops` is the team whose images need none."""

    records: Records
    effects: Effects
    secops: TeamName

    def approve(
        self,
        parent: ImageName,
        team: TeamName,
        principal: Principal,
        *,
        until: date | None,
        reason: str,
    ) -> ApprovalView:
        """Let a team build on an image of another team, until the end of a day. SecOps only. Safe to repeat.

        Raises NotFound, and PermanentError (PERMISSION; CONFLICT where the owner withholds the image; POLICY without a
        reason, with a day that has passed, or where no approval is needed).
        """
        decision = self._decision(principal, reason)
        if until is not None and until < decision.at.date():
            raise PermanentError(ErrorClass.POLICY, f"{until} has passed: give the last day of the approval")
        head = self._head(parent)
        access.demand(ApiOperation.APPROVE_PARENT, principal, head.registration.subject)
        self._demand_needed(head, team)
        owner = head.registration.team

        def change(old: Approval | None) -> Approval:
            if old is not None and old.owner == owner and old.withheld is not None:
                state = ApprovalState.WITHHELD
                raise PermanentError(
                    ErrorClass.CONFLICT,
                    f"{approvals.why_not(state, old)}: {approvals.who_helps(state, parent, team, owner)}",
                )
            is_same = (
                old is not None
                and approvals.state_of(old, owner, decision.at.date()) is ApprovalState.APPROVED
                and old.until == until
                and old.granted is not None
                and old.granted.reason == decision.reason
            )
            if old is not None and is_same:
                return old
            return approvals.granted(old, parent, team, owner, decision, until)

        saved = self._change(parent, team, change)
        if saved.granted is not None:
            lasts = "" if until is None else f" until {until}"
            self._note(head, saved.granted, Event.APPROVED, f"team {team}{lasts}: {saved.granted.reason}")
        return self._view(saved, owner)

    def withdraw(
        self, parent: ImageName, team: TeamName, principal: Principal, *, reason: str
    ) -> ApprovalView:
        """End an approval (SecOps), or withdraw the offer (the parent's owner). Safe to repeat.

        Children that are registered stay, and are built as before; they say so in a condition. Raises NotFound,
        PermanentError (PERMISSION; POLICY without a reason, or where no approval is needed).
        """
        head = self._head(parent)
        owner = head.registration.team
        subject = head.registration.subject
        access.demand(ApiOperation.WITHDRAW_APPROVAL, principal, subject)
        decision = self._decision(principal, reason)
        self._demand_needed(head, team)
        is_owner = CallerStanding.SECOPS not in access.standing(principal, subject)

        def change(old: Approval | None) -> Approval:
            if is_owner:
                return approvals.withheld(old, parent, team, owner, decision)
            if old is None or old.granted is None or old.owner != owner:
                raise NotFound(
                    f"team {team} has no approval to build on {parent}; `imagefactory approvals list`"
                )
            return approvals.withdrawn(old, decision)

        saved = self._change(parent, team, change)
        event, made = (
            (Event.OFFER_WITHDRAWN, saved.withheld)
            if is_owner
            else (Event.APPROVAL_WITHDRAWN, saved.withdrawn)
        )
        if made is not None:
            self._note(head, made, event, f"team {team}: {made.reason}")
            self._note_children(parent, team, made, event)
        return self._view(saved, owner)

    def offer(self, parent: ImageName, team: TeamName, principal: Principal, *, reason: str) -> ApprovalView:
        """Offer a parent again whose owner had withdrawn it. Its owner only. SecOps' approval is still needed.

        Safe to repeat: the same reason is the same offer. Raises NotFound where there is nothing to take back, and
        PermanentError (PERMISSION; POLICY without a reason).
        """
        head = self._head(parent)
        owner = head.registration.team
        access.demand(ApiOperation.OFFER_PARENT, principal, head.registration.subject)
        decision = self._decision(principal, reason)

        def change(old: Approval | None) -> Approval:
            is_of_owner = old is not None and old.owner == owner
            if old is not None and is_of_owner and old.withheld is not None:
                return approvals.offered(old, decision)
            if (
                old is not None
                and is_of_owner
                and old.offered is not None
                and old.offered.reason == decision.reason
            ):
                return old
            raise NotFound(f"team {owner} has not withdrawn {parent} from team {team}: nothing to offer")

        saved = self._change(parent, team, change)
        if saved.offered is not None:
            self._note(head, saved.offered, Event.OFFERED, f"team {team}: {saved.offered.reason}")
        return self._view(saved, owner)

    def page(
        self,
        *,
        parent: ImageName | None = None,
        team: TeamName | None = None,
        ending: bool = False,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> ApprovalViews:
        """A page of approvals by team and parent. It may hold fewer than `limit`: continue with `next`.

        With `ending` it has those that hold and end soon. Costs one read, and one for each parent on the page.
        """
        page = self.records.approvals.page(team=team, after=after, limit=min(limit, PAGE_LIMIT))
        owners: dict[ImageName, TeamName | None] = {}
        views = []
        for approval in page.approvals:
            if parent is not None and approval.parent != parent:
                continue
            if approval.parent not in owners:
                owners[approval.parent] = self._find_owner(approval.parent)
            view = self._view(approval, owners[approval.parent] or approval.owner)
            if view.ends_soon or not ending:
                views.append(view)
        return ApprovalViews(approvals=tuple(views), next=page.after)

    def state(self, parent: ImageHead, team: TeamName) -> tuple[ApprovalState, Approval | None]:
        """Where the approval of a team for this parent stands. One read where an approval is needed, else none."""
        owner = parent.registration.team
        if not approvals.is_needed(team, owner, self.secops):
            return ApprovalState.NOT_NEEDED, None
        try:
            stored = self.records.approvals.find(parent.name, team)
        except UnreadableRow:
            return ApprovalState.UNREADABLE, None
        approval = None if stored is None else stored.value
        return approvals.state_of(approval, owner, self.effects.clock.now().date()), approval

    def _change(
        self, parent: ImageName, team: TeamName, change: Callable[[Approval | None], Approval]
    ) -> Approval:
        grants = self.effects.recovery_log.grants

        def save(stored: Stored[Approval] | None) -> Approval:
            # Without a row, the recovery log says whether it is only lost. A decision that began anew would rank below
            # the logged ones, and would pass over what the owner had withdrawn.
            old = grants.find_approval(parent, team) if stored is None else stored.value
            new = change(old)
            if stored is not None and new == old:
                return new
            new = replace(new, revision=1 if old is None else old.revision + 1)
            grants.announce_approval(parent, team)
            self.records.approvals.save(new, etag=None if stored is None else stored.etag)
            grants.settle_approval(parent, team)
            return new

        return changing(
            lambda: self.records.approvals.find(parent, team),
            save,
            subject=f"the approval of {parent} for team {team}",
            lost=RACED,
        )

    def _decision(self, principal: Principal, reason: str) -> GrantDecision:
        given = access.demand_reason(reason, _KEPT_BY)
        return GrantDecision(by=principal.actor, at=self.effects.clock.now(), reason=given)

    def _demand_needed(self, head: ImageHead, team: TeamName) -> None:
        owner = head.registration.team
        if not approvals.is_needed(team, owner, self.secops):
            whose = "every team builds" if owner == self.secops else f"team {team} itself builds"
            raise PermanentError(
                ErrorClass.POLICY,
                f"{head.name} belongs to team {owner}: {whose} on it without an approval",
            )

    def _head(self, image: ImageName) -> ImageHead:
        return self.records.images.get_head(image).value

    def _find_owner(self, parent: ImageName) -> TeamName | None:
        try:
            head = self.records.images.find_head(parent)
        except UnreadableRow:
            return None
        return None if head is None else head.value.registration.team

    def _view(self, approval: Approval, owner: TeamName) -> ApprovalView:
        today = self.effects.clock.now().date()
        return ApprovalView(
            approval=approval,
            state=approvals.state_of(approval, owner, today),
            ends_soon=approvals.is_ending(approval, owner, today),
        )

    def _note_children(self, parent: ImageName, team: TeamName, made: GrantDecision, event: Event) -> None:
        """Tell the team's own images, whose receivers are notified. Their condition says it in any case."""
        for name in islice(self.records.index.children(parent), _CHILDREN):
            try:
                child = self.records.images.find_head(name)
            except UnreadableRow:
                continue
            if child is not None and child.value.registration.team == team:
                self._note(child.value, made, event, f"its parent {parent}: {made.reason}")

    def _note(self, head: ImageHead, made: GrantDecision, event: Event, detail: str) -> None:
        key = standing_key(made.at, f"{event.value}\n{head.name}\n{detail}")
        entry = Entry(
            key=key,
            image=head.name,
            at=made.at,
            event=event,
            actor=made.by.name,
            identity=made.by.identity,
            detail=detail,
        )
        with contextlib.suppress(AlreadyExists):
            self.records.images.commit([records.add_entry(entry)], head=head)
        self.effects.logs.note(
            "approval-changed", image=str(head.name), reason=event.value, actor=made.by.identity
        )
