"""Routes of the dashboard: views in, pages out. The pages themselves are made in `dashboard/`."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from dashboard import pages
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import (
    IMAGE_CURSOR,
    POISON_CURSOR,
    BuildInPath,
    FromInQuery,
    ImageInPath,
    ToInQuery,
)
from triggers.provider import Provider

# Only the page itself and its own style sheet: no script, no frame, no foreign address.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}


def router(factory: Provider) -> APIRouter:
    """The routes of the pages, and of `/static/style.css`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def show_fleet(
        after: Annotated[str | None, Depends(maybe_in_query("after", IMAGE_CURSOR))],
    ) -> HTMLResponse:
        """The images by level, and what is being built."""
        held = factory()
        page = pages.fleet(held.queries.images(after=after or ""), banner=held.pauses.text())
        return HTMLResponse(page, headers=_HEADERS)

    @routes.get("/images/{name}")
    def show_image(name: ImageInPath) -> HTMLResponse:
        """One image with its builds and its journal."""
        held = factory()
        detail = held.queries.image(name)
        return HTMLResponse(pages.image(detail, banner=held.pauses.text()), headers=_HEADERS)

    @routes.get("/images/{name}/diff")
    def show_diff(name: ImageInPath, before: FromInQuery, after: ToInQuery) -> HTMLResponse:
        """What differs between two published versions."""
        held = factory()
        found = held.version_diff.diff(name, before, after)
        return HTMLResponse(pages.comparison(found, banner=held.pauses.text()), headers=_HEADERS)

    @routes.get("/builds/{identity}")
    def show_build(identity: BuildInPath) -> HTMLResponse:
        """One build with its gates and its evidence."""
        held = factory()
        shown, kept = held.queries.build(identity), held.evidence.show(identity)
        page = pages.build(shown, kept, banner=held.pauses.text())
        return HTMLResponse(page, headers=_HEADERS)

    @routes.get("/poison")
    def show_poison(
        caller: Annotated[Principal, Depends(caller_of)],
        after: Annotated[str | None, Depends(maybe_in_query("after", POISON_CURSOR))],
    ) -> HTMLResponse:
        """Messages that could not be handled, as far as the caller may see them."""
        held = factory()
        page = held.poison_review.page(caller, after=after or "")
        shown = pages.poison(page.records, page.after, banner=held.pauses.text())
        return HTMLResponse(shown, headers=_HEADERS)

    @routes.get("/static/style.css")
    def show_style() -> Response:
        """The style sheet."""
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(pages.style(), media_type="text/css", headers=headers)

    return routes
