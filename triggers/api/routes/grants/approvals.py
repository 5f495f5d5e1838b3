"""Routes of approvals: which team may build on which image of another team, and what a team may build on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.parameters import CURSOR, parse, parse_cursor
from triggers.api.routes.grants.models import (
    ApproveRequest,
    BaseImages,
    ParentApproval,
    ParentApprovals,
    ReasonRequest,
)
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]
After = Annotated[str, Query(description=CURSOR)]
Limit = Annotated[int, Query(ge=1, le=200)]
_ONE = "/images/{name}/approvals/{team}"


def router(factory: Provider) -> APIRouter:
    """The routes of approvals and bases."""
    routes = APIRouter(prefix="/api", tags=["approvals"])

    @routes.get("/approvals")
    def list_approvals(
        parent: str | None = None,
        team: str | None = None,
        *,
        ending: Annotated[bool, Query(description="Only those that hold and end within 14 days")] = False,
        after: After = "",
        limit: Limit = 100,
    ) -> ParentApprovals:
        """Approvals of parents. A page may hold fewer than `limit`: continue with `next`."""
        page = factory().approvals.page(
            parent=None if parent is None else parse("parent", ImageName, parent),
            team=None if team is None else parse("team", TeamName, team),
            ending=ending,
            after=parse_cursor("after", CursorForm.APPROVAL, after),
            limit=limit,
        )
        return ParentApprovals.model_validate(page)

    @routes.put(_ONE)
    def approve_parent(name: str, team: str, body: ApproveRequest, caller: Caller) -> ParentApproval:
        """Let a team build on an image of another team. SecOps only; 409 where the owner withdrew its offer."""
        image, wanted = parse("name", ImageName, name), parse("team", TeamName, team)
        found = factory().approvals.approve(image, wanted, caller, until=body.until, reason=body.reason)
        return ParentApproval.model_validate(found)

    @routes.post(f"{_ONE}/withdraw")
    def withdraw_approval(name: str, team: str, body: ReasonRequest, caller: Caller) -> ParentApproval:
        """End an approval (SecOps), or no longer offer an image (its owner). What is built on it goes on."""
        image, wanted = parse("name", ImageName, name), parse("team", TeamName, team)
        found = factory().approvals.withdraw(image, wanted, caller, reason=body.reason)
        return ParentApproval.model_validate(found)

    @routes.post(f"{_ONE}/offer")
    def offer_parent(name: str, team: str, body: ReasonRequest, caller: Caller) -> ParentApproval:
        """Offer an image again that its owner had withdrawn. Its owner only."""
        image, wanted = parse("name", ImageName, name), parse("team", TeamName, team)
        return ParentApproval.model_validate(
            factory().approvals.offer(image, wanted, caller, reason=body.reason)
        )

    @routes.get("/bases")
    def list_bases(team: str, after: After = "", limit: Limit = 200) -> BaseImages:
        """What a team may build on. A page may hold fewer than `limit`: continue with `next`."""
        first = parse_cursor("after", CursorForm.IMAGE, after)
        page = factory().bases.page(parse("team", TeamName, team), after=first, limit=limit)
        return BaseImages.model_validate(page)

    return routes
