"""Routes of the dashboard: views in, pages out. The pages themselves are made in `dashboard/`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from dashboard import pages
from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.parameters import parse, parse_cursor
from triggers.api.routes.poison import After
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
    def show_fleet(after: After = "") -> HTMLResponse:
        """The images by level, and what is being built."""
        first = parse_cursor("after", CursorForm.IMAGE, after)
        held = factory()
        page = pages.fleet(held.queries.images(after=first), banner=held.pauses.text())
        return HTMLResponse(page, headers=_HEADERS)

    @routes.get("/images/{name}")
    def show_image(name: str) -> HTMLResponse:
        """One image with its builds and its journal."""
        held = factory()
        detail = held.queries.image(parse("name", ImageName, name))
        return HTMLResponse(pages.image(detail, banner=held.pauses.text()), headers=_HEADERS)

    @routes.get("/images/{name}/diff")
    def show_diff(
        name: str,
        before: Annotated[str, Query(alias="from", max_length=64)],
        after: Annotated[str, Query(alias="to", max_length=64)],
    ) -> HTMLResponse:
        """What differs between two published versions."""
        held = factory()
        found = held.version_diff.diff(
            parse("name", ImageName, name),
            parse("from", GalleryVersion.parse, before),
            parse("to", GalleryVersion.parse, after),
        )
        return HTMLResponse(pages.comparison(found, banner=held.pauses.text()), headers=_HEADERS)

    @routes.get("/builds/{identity}")
    def show_build(identity: str) -> HTMLResponse:
        """One build with its gates and its evidence."""
        build, held = parse("identity", BuildId, identity), factory()
        shown, kept = held.queries.build(build), held.evidence.show(build)
        page = pages.build(shown, kept, banner=held.pauses.text())
        return HTMLResponse(page, headers=_HEADERS)

    @routes.get("/poison")
    def show_poison(caller: Annotated[Principal, Depends(caller_of)], after: After = "") -> HTMLResponse:
        """Messages that could not be handled, as far as the caller may see them."""
        first = parse_cursor("after", CursorForm.POISON, after)
        held = factory()
        page = held.poison_review.page(caller, after=first)
        shown = pages.poison(page.records, page.after, banner=held.pauses.text())
        return HTMLResponse(shown, headers=_HEADERS)

    @routes.get("/static/style.css")
    def show_style() -> Response:
        """The style sheet."""
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(pages.style(), media_type="text/css", headers=headers)

    return routes
