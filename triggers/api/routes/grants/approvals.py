"""Routes of approvals: which team may build on which image of another team, and what a team may build on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import (
    APPROVAL_CURSOR,
    IMAGE,
    IMAGE_CURSOR,
    TEAM,
    ImageInPath,
    TeamInPath,
    TeamInQuery,
)
from triggers.api.routes.grants.models import (
    ApproveRequest,
    BaseImages,
    ParentApproval,
    ParentApprovals,
    ReasonRequest,
)
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]
Limit = Annotated[int, Query(ge=1, le=200)]
_ONE = "/images/{name}/approvals/{team}"


def router(factory: Provider) -> APIRouter:
    """The routes of approvals and bases."""
    routes = APIRouter(prefix="/api", tags=["approvals"])

    @routes.get("/approvals")
    def list_approvals(
        parent: Annotated[ImageName | None, Depends(maybe_in_query("parent", IMAGE))],
        team: Annotated[TeamName | None, Depends(maybe_in_query("team", TEAM))],
        after: Annotated[str | None, Depends(maybe_in_query("after", APPROVAL_CURSOR))],
        *,
        ending: Annotated[bool, Query(description="Only those that hold and end within 14 days")] = False,
        limit: Limit = 100,
    ) -> ParentApprovals:
        """Approvals of parents. A page may hold fewer than `limit`: continue with `next`."""
        page = factory().approvals.page(
            parent=parent,
            team=team,
            ending=ending,
            after=after or "",
            limit=limit,
        )
        return ParentApprovals.model_validate(page)

    @routes.put(_ONE)
    def approve_parent(
        name: ImageInPath, team: TeamInPath, body: ApproveRequest, caller: Caller
    ) -> ParentApproval:
        """Let a team build on an image of another team. SecOps only; 409 where the owner withdrew its offer."""
        found = factory().approvals.approve(name, team, caller, until=body.until, reason=body.reason)
        return ParentApproval.model_validate(found)

    @routes.post(f"{_ONE}/withdraw")
    def withdraw_approval(
        name: ImageInPath, team: TeamInPath, body: ReasonRequest, caller: Caller
    ) -> ParentApproval:
        """End an approval (SecOps), or no longer offer an image (its owner). What is built on it goes on."""
        found = factory().approvals.withdraw(name, team, caller, reason=body.reason)
        return ParentApproval.model_validate(found)

    @routes.post(f"{_ONE}/offer")
    def offer_parent(
        name: ImageInPath, team: TeamInPath, body: ReasonRequest, caller: Caller
    ) -> ParentApproval:
        """Offer an image again that its owner had withdrawn. Its owner only."""
        return ParentApproval.model_validate(
            factory().approvals.offer(name, team, caller, reason=body.reason)
        )

    @routes.get("/bases")
    def list_bases(
        team: TeamInQuery,
        after: Annotated[str | None, Depends(maybe_in_query("after", IMAGE_CURSOR))],
        limit: Limit = 200,
    ) -> BaseImages:
        """What a team may build on. A page may hold fewer than `limit`: continue with `next`."""
        return BaseImages.model_validate(factory().bases.page(team, after=after or "", limit=limit))

    return routes
