"""The routes of the platform steps, their trial, and the files of tools, which SecOps add around every build."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Principal
from triggers.api import models, source_models
from triggers.api.authentication import caller_of
from triggers.api.forms.names import DIGEST, IMAGE, FileInPath
from triggers.api.operator_models import (
    EndTrialRequest,
    Platform,
    PlatformPlan,
    PlatformPlanRequest,
    PlatformRequest,
    PromoteRequest,
)
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/platform`."""
    routes = APIRouter(prefix="/api/platform", tags=["platform"])

    @routes.get("")
    def show_platform() -> Platform:
        """The platform steps and the catalog in force, and what is on trial on which images."""
        return Platform.of(*factory().platforms.show())

    @routes.put("")
    def put_platform(body: PlatformRequest, caller: Caller) -> Platform:
        """Put new platform steps and a new catalog in force; every image becomes stale. SecOps only.

        With `canaries`, they are tried on these images alone, in place of a trial that runs.
        """
        return Platform.of(
            factory().platforms.put(
                DIGEST.read("bundle", body.bundle),
                body.catalog,
                caller,
                drop_used=body.drop_used,
                canaries=_images(body.canaries),
            )
        )

    @routes.post("/plan")
    def plan_platform(body: PlatformPlanRequest, caller: Caller) -> PlatformPlan:
        """What these platform steps would rebuild, and for how long. Changes nothing. SecOps only."""
        return PlatformPlan.of(
            factory().platform_plans.plan(
                DIGEST.read("bundle", body.bundle), body.catalog, caller, canaries=_images(body.canaries)
            )
        )

    @routes.post("/promote")
    def promote_trial(body: PromoteRequest, caller: Caller) -> Platform:
        """Put the steps on trial in force; canaries that have them are current. Safe to repeat. SecOps only."""
        bundle = DIGEST.read("bundle", body.bundle)
        return Platform.of(
            factory().platforms.promote(
                bundle,
                caller,
                drop_used=body.drop_used,
                untried=body.untried,
                over_newer=body.over_newer,
            )
        )

    @routes.post("/end-trial")
    def end_trial(body: EndTrialRequest, caller: Caller) -> Platform:
        """Give the steps on trial up; their canaries go back. Safe to repeat. SecOps only."""
        return Platform.of(factory().platforms.end_trial(DIGEST.read("bundle", body.bundle), caller))

    @routes.get("/tools")
    def list_tools() -> source_models.ToolEntries:
        """The files of tools: what was brought, what became of it, and what builds wait for."""
        return source_models.ToolEntries.model_validate({"tools": factory().submissions.list()})

    @routes.post("/tools/{sha256}")
    def submit_tool(sha256: FileInPath, caller: Caller, response: Response) -> source_models.UploadOffer:
        """Ask to bring a file; the answer has the address to put it at, where it is needed. SecOps only."""
        response.headers["Cache-Control"] = "no-store"
        return source_models.UploadOffer.model_validate(factory().submissions.offer(sha256, caller))

    @routes.post("/tools/{sha256}/remove", status_code=204)
    def remove_tool(
        sha256: FileInPath,
        body: models.ReasonedRequest,
        caller: Caller,
    ) -> None:
        """Forget a file. An admitted one only where no catalog in force or on trial names it. SecOps only."""
        factory().submissions.remove(sha256, caller, body.reason)

    return routes


def _images(names: list[str]) -> tuple[ImageName, ...]:
    return tuple(IMAGE.read("canaries", name) for name in names)
