"""The route of the lineage: who is built from whom."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.names import ImageName
from triggers.api import models
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import IMAGE, LINEAGE_CURSOR
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The route `/api/lineage`."""
    routes = APIRouter(prefix="/api/lineage", tags=["lineage"])

    @routes.get("")
    def show_lineage(
        image: Annotated[ImageName | None, Depends(maybe_in_query("image", IMAGE))],
        after: Annotated[str | None, Depends(maybe_in_query("after", LINEAGE_CURSOR))],
        limit: Annotated[
            int, Query(ge=1, le=1000, description="With `image`, a page has at most 200 images below it")
        ] = 1000,
    ) -> models.Lineage:
        """A page of the forest by name, roots first; with `image`, its ancestors and a page of what is below it."""
        path = tuple(ImageName(name) for name in (after or "").split("/") if name)
        return models.Lineage.model_validate(factory().queries.lineage(image, after=path, limit=limit))

    return routes
