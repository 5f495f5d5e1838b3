"""The route that derives lost records again, a step per request. SecOps only."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline_core.ports import Principal
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/state`."""
    routes = APIRouter(prefix="/api/state", tags=["state"])

    @routes.post("/rebuild")
    def rebuild_state(
        caller: Annotated[Principal, Depends(caller_of)], body: models.StateRequest | None = None
    ) -> models.StateStep:
        """Take one step (send `next` as `after` until it is null); a step may be taken again. SecOps only."""
        wish = body or models.StateRequest()
        return models.StateStep.model_validate(factory().recovery.step(caller, wish.after, force=wish.force))

    return routes
