"""Routes of waivers: what images may fail until when, by whose word, and what is asked for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Principal
from pipeline_core.services.policies.waivers import WaiverSubject
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import IMAGE, IMAGE_CURSOR, ImageInPath
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
        image: Annotated[ImageName | None, Depends(maybe_in_query("image", IMAGE))],
        after: Annotated[str | None, Depends(maybe_in_query("after", IMAGE_CURSOR))],
        *,
        asked: Annotated[
            bool, Query(description="Only those that do not count: nobody granted them")
        ] = False,
        ending: Annotated[bool, Query(description="Only those that count and end within 14 days")] = False,
        limit: Annotated[int, Query(ge=1, le=200)] = 200,
    ) -> GrantedWaivers:
        """Waivers asked for or granted, by image. `limit` counts images; a page may be empty: go on with `next`."""
        page = factory().waivers.page(
            image=image,
            asked=asked,
            ending=ending,
            after=after or "",
            limit=limit,
        )
        return GrantedWaivers.model_validate(page)

    @routes.put("/images/{name}/waivers")
    def grant_waiver(name: ImageInPath, body: GrantWaiverRequest, caller: Caller) -> GrantedWaiver:
        """Let an image fail a rule until a day. For those whom the policy names; the definition must ask for it."""
        found = factory().waivers.grant(_subject(name, body), caller, until=body.until, reason=body.reason)
        return GrantedWaiver.model_validate(found)

    @routes.post("/images/{name}/waivers/withdraw")
    def withdraw_waiver(name: ImageInPath, body: WaiverChange, caller: Caller) -> GrantedWaiver:
        """End a waiver. For those whom the policy names. What is live stays."""
        found = factory().waivers.withdraw(_subject(name, body), caller, reason=body.reason)
        return GrantedWaiver.model_validate(found)

    return routes


def _subject(name: ImageName, body: WaiverChange) -> WaiverSubject:
    return WaiverSubject(image=name, kind=body.kind, rule=body.rule, path=body.path)
