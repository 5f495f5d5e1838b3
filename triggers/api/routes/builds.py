"""Routes of builds."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pipeline_core.ports import Principal
from pipeline_core.services.views.views import build_view
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.api.forms.names import BuildInPath
from triggers.provider import Provider

_LOCATION = {"description": "The build", "schema": {"type": "string"}}


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/builds`."""
    routes = APIRouter(prefix="/api/builds", tags=["builds"])

    @routes.get("/{identity}")
    def show_build(identity: BuildInPath) -> models.Build:
        """One build: where it is, why it was started, how it ended."""
        return models.Build.model_validate(factory().queries.build(identity))

    @routes.post("/{identity}/cancel", status_code=202, responses={202: {"headers": {"Location": _LOCATION}}})
    def cancel_build(
        identity: BuildInPath,
        caller: Annotated[Principal, Depends(caller_of)],
        response: Response,
        body: models.CancelRequest | None = None,
    ) -> models.Build:
        """Stop a build: what it made is removed, then it ends as cancelled. Safe to repeat; 409 after its end."""
        wish = body or models.CancelRequest()
        build = factory().canceller.cancel(identity, caller, wish.reason)
        response.headers["Location"] = f"/api/builds/{build.id}"
        return models.Build.model_validate(build_view(build))

    return routes
