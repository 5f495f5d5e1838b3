"""Routes of retention: what it would do, for one image and for the fleet. They change nothing."""

from typing import Annotated

from fastapi import APIRouter, Query

from pipeline_core.domain.names import ImageName
from triggers.api.parameters import parse
from triggers.api.retention_models import RetentionPage, RetentionPlan
from triggers.provider import Provider

_PAGE = 20  # each image costs a list call of Azure


def router(factory: Provider) -> APIRouter:
    """The routes below `/api/retention`, and the one of an image."""
    routes = APIRouter(prefix="/api", tags=["retention"])

    @routes.get("/images/{name}/retention")
    def show_retention(name: str) -> RetentionPlan:
        """What retention would do about each live version of an image now, and why the others stay."""
        plan = factory().retention.of_image(parse("name", ImageName, name))
        return RetentionPlan.model_validate(plan)

    @routes.get("/retention")
    def list_retention(
        after: Annotated[str, Query(max_length=63)] = "",
        limit: Annotated[int, Query(ge=1, le=50)] = _PAGE,
    ) -> RetentionPage:
        """The same for a page of images by name; continue with `next`."""
        return RetentionPage.model_validate(factory().retention.page(after, limit))

    return routes
