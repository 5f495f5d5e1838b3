"""The route of the platform steps, which SecOps adds around every build."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline_core.ports import Principal
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.api.forms.names import DIGEST
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The route `/api/platform`."""
    routes = APIRouter(prefix="/api/platform", tags=["platform"])

    @routes.put("")
    def put_platform(
        body: models.PlatformRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> models.Platform:
        """Put new platform steps and a new catalog in force; every image becomes stale. SecOps only."""
        platform = factory().platforms.put(
            DIGEST.read("bundle", body.bundle), body.catalog, caller, drop_used=body.drop_used
        )
        return models.Platform(bundle=str(platform.digest), catalog=tuple(sorted(platform.catalog)))

    return routes
