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
        view = factory().queries.lineage()
        return models.Lineage(
            levels=view.levels,
            parents=view.parents,
            errors=tuple(models.Misplaced(image=image, message=message) for image, message in view.errors),
        )

    return routes
