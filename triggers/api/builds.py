"""Routes of builds."""

from fastapi import APIRouter

from pipeline_core.domain.names import BuildId
from triggers.api import models
from triggers.api.parameters import parse
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/builds`."""
    routes = APIRouter(prefix="/api/builds", tags=["builds"])

    @routes.get("/{identity}")
    def show_build(identity: str) -> models.Build:
        """One build: where it is, why it was started, how it ended."""
        return models.Build.model_validate(factory().queries.build(parse("identity", BuildId, identity)))

    return routes
