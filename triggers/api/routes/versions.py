"""Routes of published versions: list them, let one be used again, names of deleted images, galleries, retention."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
from triggers.api import parameters
from triggers.api.authentication import caller_of
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

_PAGE = 20  # images of retention's plan: each costs a list call of Azure


def router(factory: Provider) -> APIRouter:
    """The routes of versions and galleries."""
    routes = APIRouter(prefix="/api", tags=["versions"])

    @routes.post("/images/{name}/versions/{version}/include")
    def include_version(
        name: str, version: str, body: IncludeRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> IncludedVersion:
        """Let a version that was taken out of `latest` be used again. It is current where its input is desired."""
        image = parameters.parse("name", ImageName, name)
        wanted = parameters.parse("version", GalleryVersion.parse, version)
        record = factory().readmission.include(image, wanted, caller, body.reason)
        return IncludedVersion.model_validate(record)

    @routes.get("/images/{name}/versions")
    def list_versions(name: str) -> VersionList:
        """The live versions of an image, newest first, also of a deleted one."""
        found = factory().version_lists.of_image(parameters.parse("name", ImageName, name))
        return VersionList.model_validate(found)

    @routes.get("/names")
    def list_names(
        after: Annotated[str, Query(description=parameters.CURSOR)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> ReservedNamePage:
        """The names of deleted images that are reserved while live versions exist; continue with `next`."""
        first = parameters.parse_cursor("after", CursorForm.IMAGE, after)
        return ReservedNamePage.model_validate(factory().names.page(first, limit))

    @routes.post("/names/{name}/handover")
    def hand_over_name(
        name: str, body: HandoverRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> ReservedName:
        """Reserve the name of a deleted image for another team. SecOps only."""
        image, team = parameters.parse("name", ImageName, name), parameters.parse("to", TeamName, body.to)
        return ReservedName.model_validate(factory().names.hand_over(image, team, caller, body.reason))

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
    def show_retention(name: str) -> RetentionPlan:
        """What retention would do about each live version of an image now, also of a deleted one."""
        plan = factory().retention.of_image(parameters.parse("name", ImageName, name))
        return RetentionPlan.model_validate(plan)

    @routes.get("/retention")
    def list_retention(
        after: Annotated[str, Query(description=parameters.CURSOR)] = "",
        limit: Annotated[int, Query(ge=1, le=50)] = _PAGE,
    ) -> RetentionPage:
        """The same for a page of images by name; continue with `next`."""
        first = parameters.parse_cursor("after", CursorForm.IMAGE, after)
        return RetentionPage.model_validate(factory().retention.page(first, limit))

    return routes
