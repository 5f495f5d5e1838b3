"""The route of the lineage: who is built from whom."""

from typing import Annotated

from fastapi import APIRouter, Query

from pipeline_core.domain.names import ImageName
from triggers.api import models
from triggers.api.parameters import parse
from triggers.provider import Provider

_CURSOR_LENGTH = 16 * 64  # a path of names, at most one for each level


def router(factory: Provider) -> APIRouter:
    """The route `/api/lineage`."""
    routes = APIRouter(prefix="/api/lineage", tags=["lineage"])

    @routes.get("")
    def show_lineage(
        image: Annotated[
            str | None, Query(max_length=63, description="Only its ancestors and what is below it")
        ] = None,
        after: Annotated[str, Query(max_length=_CURSOR_LENGTH, description="`next` of the page before")] = "",
        limit: Annotated[
            int, Query(ge=1, le=1000, description="With `image`, a page has at most 200 images below it")
        ] = 1000,
    ) -> models.Lineage:
        """A page of the forest by name, roots first; with `image`, its ancestors and a page of what is below it."""
        chosen = None if image is None else parse("image", ImageName, image)
        path = tuple(parse("after", ImageName, name) for name in after.split("/") if name)
        return models.Lineage.model_validate(factory().queries.lineage(chosen, after=path, limit=limit))

    return routes
