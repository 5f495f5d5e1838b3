"""Routes of followed Marketplace sources: what is offered, what was withdrawn, and SecOps' decision about it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline_core.domain.sources import SourceKey
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.forms.form import in_path
from triggers.api.forms.names import RELEASE, SOURCE
from triggers.api.source_models import AcceptRequest, FollowedSource, FollowedSources
from triggers.provider import Provider

Key = Annotated[SourceKey, Depends(in_path("key", SOURCE))]


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
        release = RELEASE.read("release", body.release)
        return FollowedSource.model_validate(factory().sources.accept(str(key), release, caller, body.reason))

    return routes
