"""The route of the lineage: who is built from whom."""

from fastapi import APIRouter

from triggers.api import models
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The route `/api/lineage`."""
    routes = APIRouter(prefix="/api/lineage", tags=["lineage"])

    @routes.get("")
    def show_lineage() -> models.Lineage:
        """The whole forest, roots first."""
        return models.Lineage.model_validate(factory().queries.lineage())

    return routes
