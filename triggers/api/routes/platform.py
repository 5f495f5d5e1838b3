"""The routes of the platform steps and of the files of tools, which SecOps add around every build."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pipeline_core.ports import Principal
from triggers.api import models, source_models
from triggers.api.authentication import caller_of
from triggers.api.forms.names import DIGEST, FileInPath
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/platform`."""
    routes = APIRouter(prefix="/api/platform", tags=["platform"])

    @routes.put("")
    def put_platform(
        body: models.PlatformRequest, caller: Annotated[Principal, Depends(caller_of)]
    ) -> models.Platform:
        """Put new platform steps and a new catalog in force; every image becomes stale. SecOps only."""
        platform = factory().platforms.put(
            DIGEST.read("bundle", body.bundle), body.catalog, caller, drop_used=body.drop_used
        )
        return models.Platform(bundle=str(platform.digest), catalog=tuple(sorted(platform.catalog)))

    @routes.get("/tools")
    def list_tools() -> source_models.ToolEntries:
        """The files of tools: what was brought, what became of it, and what builds wait for."""
        return source_models.ToolEntries.model_validate({"tools": factory().submissions.list()})

    @routes.post("/tools/{sha256}")
    def submit_tool(
        sha256: FileInPath, caller: Annotated[Principal, Depends(caller_of)], response: Response
    ) -> source_models.UploadOffer:
        """Ask to bring a file; the answer has the address to put it at, where it is needed. SecOps only."""
        response.headers["Cache-Control"] = "no-store"
        return source_models.UploadOffer.model_validate(factory().submissions.offer(sha256, caller))

    @routes.post("/tools/{sha256}/remove", status_code=204)
    def remove_tool(
        sha256: FileInPath,
        body: models.ReasonedRequest,
        caller: Annotated[Principal, Depends(caller_of)],
    ) -> None:
        """Forget a file that is not admitted, so that it can be brought again. SecOps only."""
        factory().submissions.remove(sha256, caller, body.reason)

    return routes
