"""Twins of the services of grants: one approval of payments-api for team ml, one base, and two waivers."""

from dataclasses import dataclass, field, replace
from datetime import date

from pipeline_core.domain import access
from pipeline_core.domain.access import Subject
from pipeline_core.domain.access_table import ApiOperation, SubjectKind
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.definitions import Waiver, WaiverKind
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.policy import WaiverRules
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.domain.waivers import JudgedWaiver, WaiverGrant, WaiverState
from pipeline_core.ports import Principal
from pipeline_core.services.policies.approvals import ApprovalView, ApprovalViews
from pipeline_core.services.policies.waivers import WaiverSubject, WaiverView, WaiverViews
from pipeline_core.services.views.bases import BasePage, BaseView
from tests.unit.triggers import views

PAYMENTS = TeamName("payments")
UNTIL = date(2027, 1, 31)
_SUBJECT = Subject(kind=SubjectKind.TEAM_IMAGE, name="payments-api", team=PAYMENTS)


@dataclass(slots=True)
class Approvals:
    """`decided` has each decision; `asked` each question of a list."""

    decided: list[tuple[object, ...]] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def approve(
        self, parent: ImageName, team: TeamName, principal: Principal, *, until: date | None, reason: str
    ) -> ApprovalView:
        access.demand(ApiOperation.APPROVE_PARENT, principal, _SUBJECT)
        access.demand_reason(reason, "the record")
        return self._decide("approve", parent, team, principal, until, reason)

    def withdraw(
        self, parent: ImageName, team: TeamName, principal: Principal, *, reason: str
    ) -> ApprovalView:
        access.demand(ApiOperation.WITHDRAW_APPROVAL, principal, _SUBJECT)
        return self._decide("withdraw", parent, team, principal, None, reason)

    def offer(self, parent: ImageName, team: TeamName, principal: Principal, *, reason: str) -> ApprovalView:
        access.demand(ApiOperation.OFFER_PARENT, principal, _SUBJECT)
        return self._decide("offer", parent, team, principal, None, reason)

    def page(
        self,
        *,
        parent: ImageName | None = None,
        team: TeamName | None = None,
        ending: bool = False,
        after: str = "",
        limit: int = 200,
    ) -> ApprovalViews:
        self.asked.append((parent, team, ending, after, limit))
        made = GrantDecision(by=Actor(name="Admin", identity="user:a@t"), at=views.NOW, reason="r")
        approval = Approval(
            parent=ImageName("payments-api"), team=TeamName("ml"), owner=PAYMENTS, granted=made, until=UNTIL
        )
        view = ApprovalView(approval=approval, state=ApprovalState.APPROVED, ends_soon=True)
        return ApprovalViews(approvals=(view,), next="ml:payments-api")

    def _decide(
        self,
        deed: str,
        parent: ImageName,
        team: TeamName,
        principal: Principal,
        until: date | None,
        reason: str,
    ) -> ApprovalView:
        self.decided.append((deed, str(parent), str(team), until, reason))
        made = GrantDecision(by=principal.actor, at=views.NOW, reason=reason)
        approval = Approval(parent=parent, team=team, owner=PAYMENTS, granted=made, until=until)
        return ApprovalView(approval=approval, state=ApprovalState.APPROVED, ends_soon=False)


@dataclass(slots=True)
class Bases:
    """One image, which every team may build on."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def page(self, team: TeamName, *, after: str = "", limit: int = 200) -> BasePage:
        self.asked.append((team, after, limit))
        base = BaseView(
            name=ImageName("rhel9-base"),
            team=TeamName("secops"),
            parent=None,
            version=GalleryVersion.parse("1.20261121.1"),
            is_approved=False,
            until=None,
        )
        return BasePage(bases=(base,), next=None)


@dataclass(slots=True)
class Waivers:
    """One waiver of payments-api is granted, and one is asked for. Without grantors in the policy, SecOps decides."""

    decided: list[tuple[object, ...]] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def grant(self, subject: WaiverSubject, principal: Principal, *, until: date, reason: str) -> WaiverView:
        return self._decide("grant", subject, principal, until, reason)

    def withdraw(self, subject: WaiverSubject, principal: Principal, *, reason: str) -> WaiverView:
        return self._decide("withdraw", subject, principal, UNTIL, reason)

    def page(
        self,
        *,
        image: ImageName | None = None,
        asked: bool = False,
        ending: bool = False,
        after: str = "",
        limit: int = 200,
    ) -> WaiverViews:
        self.asked.append((image, asked, ending, after, limit))
        subject = WaiverSubject(image=ImageName("payments-api"), kind=WaiverKind.SCAN, rule="r")
        made = GrantDecision(by=Actor(name="Admin", identity="user:a@t"), at=views.NOW, reason="seen")
        other = replace(subject, kind=WaiverKind.HYGIENE, rule="private-key", path="/opt/key.pem")
        return WaiverViews(
            waivers=(_waiver(subject, made, UNTIL), _waiver(other, None, UNTIL)), next="payments-api"
        )

    def _decide(
        self, deed: str, subject: WaiverSubject, principal: Principal, until: date, reason: str
    ) -> WaiverView:
        if not WaiverRules().may_grant(principal.subject, principal.roles):
            raise PermanentError(
                ErrorClass.PERMISSION, "only those whom the policy names decide about waivers"
            )
        access.demand_reason(reason, "the record")
        self.decided.append((deed, subject, until, reason))
        made = GrantDecision(by=principal.actor, at=views.NOW, reason=reason)
        return _waiver(subject, made, until)


def _waiver(subject: WaiverSubject, made: GrantDecision | None, until: date) -> WaiverView:
    asked = Waiver(rule=subject.rule, reason="later", kind=subject.kind, path=subject.path)
    grant = None
    if made is not None:
        grant = WaiverGrant(
            image=subject.image,
            team=PAYMENTS,
            kind=subject.kind,
            rule=subject.rule,
            path=subject.path,
            until=until,
            granted=made,
        )
    state = WaiverState.ASKED if grant is None else WaiverState.GRANTED
    judged = JudgedWaiver(image=subject.image, asked=asked, state=state, grant=grant)
    return WaiverView(team=PAYMENTS, judged=judged, ends_soon=False)
