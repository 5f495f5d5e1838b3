"""Twins of the services of grants: one approval of payments-api for team ml, and one base."""

from dataclasses import dataclass, field
from datetime import date

from pipeline_core.domain import access
from pipeline_core.domain.access import Subject
from pipeline_core.domain.access_table import ApiOperation, SubjectKind
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
from pipeline_core.services.policies.approvals import ApprovalView, ApprovalViews
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
