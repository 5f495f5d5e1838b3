"""Routes of waivers: what images may fail until when, by whose word, and what is asked for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Principal
from pipeline_core.services.policies.waivers import WaiverSubject
from triggers.api.authentication import caller_of
from triggers.api.parameters import CURSOR, parse, parse_cursor
from triggers.api.routes.grants.models import (
    GrantedWaiver,
    GrantedWaivers,
    GrantWaiverRequest,
    WaiverChange,
)
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]


def router(factory: Provider) -> APIRouter:
    """The routes of waivers."""
    routes = APIRouter(prefix="/api", tags=["waivers"])

    @routes.get("/waivers")
    def list_waivers(
        image: str | None = None,
        *,
        asked: Annotated[
            bool, Query(description="Only those that do not count: nobody granted them")
        ] = False,
        ending: Annotated[bool, Query(description="Only those that count and end within 14 days")] = False,
        after: Annotated[str, Query(description=CURSOR)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 200,
    ) -> GrantedWaivers:
        """Waivers that definitions ask for, by image. `limit` counts images; a page may be empty: go on with `next`."""
        page = factory().waivers.page(
            image=None if image is None else parse("image", ImageName, image),
            asked=asked,
            ending=ending,
            after=parse_cursor("after", CursorForm.IMAGE, after),
            limit=limit,
        )
        return GrantedWaivers.model_validate(page)

    @routes.put("/images/{name}/waivers")
    def grant_waiver(name: str, body: GrantWaiverRequest, caller: Caller) -> GrantedWaiver:
        """Let an image fail a rule until a day. For those whom the policy names; the definition must ask for it."""
        found = factory().waivers.grant(_subject(name, body), caller, until=body.until, reason=body.reason)
        return GrantedWaiver.model_validate(found)

    @routes.post("/images/{name}/waivers/withdraw")
    def withdraw_waiver(name: str, body: WaiverChange, caller: Caller) -> GrantedWaiver:
        """End a waiver. For those whom the policy names. What is live stays."""
        found = factory().waivers.withdraw(_subject(name, body), caller, reason=body.reason)
        return GrantedWaiver.model_validate(found)

    return routes


def _subject(name: str, body: WaiverChange) -> WaiverSubject:
    image = parse("name", ImageName, name)
    return WaiverSubject(image=image, kind=body.kind, rule=body.rule, path=body.path)
