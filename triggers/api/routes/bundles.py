"""Routes of bundles: packed folders, kept under their digest."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from pipeline_core.ports import Principal
from triggers.api import models, version_models
from triggers.api.authentication import caller_of
from triggers.api.forms.names import TEAM, DigestInPath
from triggers.provider import Provider

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _content_of(request: Request) -> bytes:
    return await request.body()  # bounded by limits.BodyLimit


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/bundles`."""
    routes = APIRouter(prefix="/api/bundles", tags=["bundles"])

    @routes.put(
        "/{sha256}",
        openapi_extra=_BODY,
        responses={201: {"model": models.Bundle, "description": "Stored"}},
    )
    def store_bundle(
        sha256: DigestInPath,
        caller: Annotated[Principal, Depends(caller_of)],
        content: Annotated[bytes, Depends(_content_of)],
        response: Response,
    ) -> models.Bundle:
        """Store a packed folder (tar.gz, at most 20 MiB) for the caller's teams; 200 where it was stored before."""
        created = factory().registrar.store_bundle(sha256, content, caller)
        response.status_code = 201 if created else 200
        return models.Bundle(bundle=str(sha256), created=created)

    @routes.post("/{sha256}/share")
    def share_bundle(
        sha256: DigestInPath,
        body: version_models.ShareRequest,
        caller: Annotated[Principal, Depends(caller_of)],
    ) -> version_models.SharedBundle:
        """Let another team register images with a stored bundle. SecOps only."""
        record = factory().bundles.share(sha256, TEAM.read("to", body.to), caller, body.reason)
        return version_models.SharedBundle(bundle=str(sha256), owners=tuple(map(str, record.owners)))

    return routes
