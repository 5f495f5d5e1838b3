"""Routes of registered images: list, show, register, unregister, ask for a build."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from pipeline_core.domain import captures
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Principal
from pipeline_core.services.views.views import ImageDetail, image_view
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_header, maybe_in_query
from triggers.api.forms.names import BUILD_CURSOR, DIGEST, ENTRY_CURSOR, IMAGE_CURSOR, KEY, TEAM, ImageInPath
from triggers.api.preconditions import Precondition, expected_of, precondition_of, quoted
from triggers.provider import Provider

_ETAG = {"description": "The version of the document", "schema": {"type": "string"}}
_LOCATION = {"description": "The build, or the image where there is none", "schema": {"type": "string"}}
_PAGE, _HISTORY = 100, 50

Caller = Annotated[Principal, Depends(caller_of)]
Limit = Annotated[int, Query(ge=1, le=200)]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/images`."""
    routes = APIRouter(prefix="/api/images", tags=["images"])

    @routes.get("")
    def list_images(
        team: Annotated[TeamName | None, Depends(maybe_in_query("team", TEAM))],
        after: Annotated[str | None, Depends(maybe_in_query("after", IMAGE_CURSOR))],
        limit: Annotated[int, Query(ge=1, le=200)] = _PAGE,
    ) -> models.Images:
        """A page of images by name; with `team` it may hold fewer than `limit`: continue with `next`."""
        held = factory()
        page = models.Images.model_validate(held.queries.images(team=team, after=after or "", limit=limit))
        return page.model_copy(update={"paused": held.pauses.text() or None})

    @routes.get("/{name}", responses={200: {"headers": {"ETag": _ETAG}}})
    def show_image(name: ImageInPath, response: Response) -> models.ImageWithHistory:
        """One image with the decision about it as of now, its builds and its journal."""
        held = factory()
        detail = held.queries.image(name)
        if detail.etag is not None:
            response.headers["ETag"] = quoted(detail.etag)
        return with_history(detail, paused=held.pauses.text())

    @routes.get("/{name}/builds")
    def list_builds(
        name: ImageInPath,
        cursor: Annotated[str | None, Depends(maybe_in_query("cursor", BUILD_CURSOR))],
        limit: Limit = _HISTORY,
    ) -> models.Builds:
        """The builds of an image, newest first, also of a deleted one. The first page has the build that runs."""
        page = factory().history.builds(name, after=cursor or "", limit=limit)
        return models.Builds.model_validate(page)

    @routes.get("/{name}/journal")
    def list_journal(
        name: ImageInPath,
        cursor: Annotated[str | None, Depends(maybe_in_query("cursor", ENTRY_CURSOR))],
        limit: Limit = _HISTORY,
    ) -> models.Journal:
        """The journal of an image, newest first. Also of a deleted one."""
        page = factory().history.journal(name, after=cursor or "", limit=limit)
        return models.Journal.model_validate(page)

    @routes.put(
        "/{name}",
        responses={
            200: {"headers": {"ETag": _ETAG}},
            201: {"model": models.RegisteredImage, "description": "Created", "headers": {"ETag": _ETAG}},
        },
    )
    def register_image(
        name: ImageInPath,
        body: models.RegistrationRequest,
        condition: Annotated[Precondition, Depends(precondition_of)],
        caller: Caller,
        response: Response,
    ) -> models.RegisteredImage:
        """Create an image (`If-None-Match: *`) or replace its definition (`If-Match`)."""
        registered = factory().registrar.register(
            name,
            body.document,
            DIGEST.read("bundle", body.bundle),
            caller,
            expected=condition.expected,
            create_only=condition.create_only,
        )
        response.status_code = 201 if registered.created else 200
        response.headers.update({"ETag": quoted(registered.etag), "Location": f"/api/images/{name}"})
        shown = models.Image.model_validate(image_view(registered.head, state="registered"))
        fixed = tuple(models.FixedTrait.model_validate(each) for each in captures.fixed_traits(registered.os))
        return models.RegisteredImage(**dict(shown), fixed=fixed, notes=registered.notes)

    @routes.delete("/{name}", status_code=204)
    def unregister_image(
        name: ImageInPath, expected: Annotated[str, Depends(expected_of)], caller: Caller
    ) -> None:
        """Forget a definition; its live versions stay. Refused while it has children or an active build."""
        factory().registrar.unregister(name, caller, expected)

    @routes.post("/{name}/builds", status_code=202, responses={202: {"headers": {"Location": _LOCATION}}})
    def request_build(
        name: ImageInPath,
        caller: Caller,
        response: Response,
        key: Annotated[str | None, Depends(maybe_in_header("Idempotency-Key", KEY))],
        body: models.RebuildRequest | None = None,
    ) -> models.RequestedBuild:
        """Ask for a build of unchanged inputs; one `Idempotency-Key` of one caller is one request."""
        wish = body or models.RebuildRequest()
        answer = factory().requests.request(name, caller, wish.reason, key)
        place = f"/api/images/{name}" if answer.build is None else f"/api/builds/{answer.build}"
        response.headers["Location"] = place
        return models.RequestedBuild.model_validate(answer)

    return routes


def with_history(detail: ImageDetail, *, paused: str = "") -> models.ImageWithHistory:
    image = models.Image.model_validate(detail.image)
    return models.ImageWithHistory(
        **dict(image),
        definition=detail.definition,
        bundle=detail.bundle,
        builds=detail.builds,
        journal=detail.journal,
        next_builds=detail.next_builds,
        next_journal=detail.next_journal,
        paused=paused or None,
    )
