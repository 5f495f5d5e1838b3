"""Routes of followed Marketplace sources: what is offered, what was withdrawn, and SecOps' decision about it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.source_models import AcceptRequest, FollowedSource, FollowedSources
from triggers.provider import Provider

Key = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9._-]{1,128}(:[A-Za-z0-9._-]{1,128}){3}$",
        description="`publisher:offer:sku:location`, without case",
    ),
]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/sources`."""
    routes = APIRouter(prefix="/api/sources", tags=["sources"])

    @routes.get("")
    def list_sources() -> FollowedSources:
        """What is followed: its newest release, what was withdrawn since when, the last look, its images."""
        return FollowedSources.model_validate({"sources": factory().sources.list()})

    @routes.post("/{key}/accept")
    def accept_release(
        key: Key, body: AcceptRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> FollowedSource:
        """Let images step down to the newest release that is offered. SecOps only; 409 where none was withdrawn."""
        release = MarketplaceVersion.parse(body.release)
        return FollowedSource.model_validate(factory().sources.accept(key, release, caller, body.reason))

    return routes
