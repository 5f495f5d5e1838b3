"""Routes of published versions: list them, let one be used again, names of deleted images, galleries, retention."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import IMAGE_CURSOR, TEAM, ImageInPath, VersionInPath
from triggers.api.retention_models import RetentionPage, RetentionPlan
from triggers.api.version_models import (
    AcceptGalleriesRequest,
    DifferingImages,
    HandoverRequest,
    IncludedVersion,
    IncludeRequest,
    ReservedName,
    ReservedNamePage,
    VersionList,
)
from triggers.provider import Provider

Cursor = Annotated[str | None, Depends(maybe_in_query("after", IMAGE_CURSOR))]
_PAGE = 20  # images of retention's plan: each costs a list call of Azure


def router(factory: Provider) -> APIRouter:
    """The routes of versions and galleries."""
    routes = APIRouter(prefix="/api", tags=["versions"])

    @routes.post("/images/{name}/versions/{version}/include")
    def include_version(
        name: ImageInPath,
        version: VersionInPath,
        body: IncludeRequest,
        caller: Annotated[Principal, Depends(caller_of)],
    ) -> IncludedVersion:
        """Let a version that was taken out of `latest` be used again. It is current where its input is desired."""
        record = factory().readmission.include(name, version, caller, body.reason)
        return IncludedVersion.model_validate(record)

    @routes.get("/images/{name}/versions")
    def list_versions(name: ImageInPath) -> VersionList:
        """The live versions of an image, newest first, also of a deleted one."""
        return VersionList.model_validate(factory().version_lists.of_image(name))

    @routes.get("/names")
    def list_names(
        after: Cursor,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> ReservedNamePage:
        """The names of deleted images that are reserved while live versions exist; continue with `next`."""
        return ReservedNamePage.model_validate(factory().names.page(after or "", limit))

    @routes.post("/names/{name}/handover")
    def hand_over_name(
        name: ImageInPath, body: HandoverRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> ReservedName:
        """Reserve the name of a deleted image for another team. SecOps only."""
        team = TEAM.read("to", body.to)
        return ReservedName.model_validate(factory().names.hand_over(name, team, caller, body.reason))

    @routes.get("/galleries")
    def show_galleries() -> DifferingImages:
        """The images whose gallery differs from what the factory believes, and whether these are too many to move."""
        return DifferingImages.model_validate(factory().suspicion.seen())

    @routes.post("/galleries/accept")
    def accept_galleries(
        body: AcceptGalleriesRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> DifferingImages:
        """For an hour, believe what the galleries show, however many images differ. SecOps only."""
        return DifferingImages.model_validate(factory().suspicion.accept(caller, body.reason))

    @routes.get("/images/{name}/retention")
    def show_retention(name: ImageInPath) -> RetentionPlan:
        """What retention would do about each live version of an image now, also of a deleted one."""
        return RetentionPlan.model_validate(factory().retention.of_image(name))

    @routes.get("/retention")
    def list_retention(
        after: Cursor,
        limit: Annotated[int, Query(ge=1, le=50)] = _PAGE,
    ) -> RetentionPage:
        """The same for a page of images by name; continue with `next`."""
        return RetentionPage.model_validate(factory().retention.page(after or "", limit))

    return routes
