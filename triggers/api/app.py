"""Puts the HTTP app together: routes, and the layers that every request passes. Calls no service."""

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from triggers.api import errors, openapi
from triggers.api.authentication import Authentication, demand_operation
from triggers.api.correlation import Correlation
from triggers.api.limits import BodyLimit, ChangeLimit
from triggers.api.routes import (
    builds,
    bundles,
    evidence,
    health,
    images,
    lineage,
    outages,
    pages,
    platform,
    poison,
    policy,
    provenance,
    receivers,
    sources,
    state,
    versions,
)
from triggers.api.routes.grants import approvals, waivers
from triggers.provider import Provider

MODULES = (
    health,
    images,
    builds,
    bundles,
    lineage,
    platform,
    evidence,
    poison,
    policy,
    provenance,
    receivers,
    outages,
    sources,
    state,
    versions,
    approvals,
    waivers,
    pages,
)  # in this order: the first route that matches answers
_TITLE = "Image Factory"
_VERSION = "1"  # of the API; a change that breaks callers raises it
_DESCRIPTION = "Keeps golden VM images fresh on Azure. Errors are problem details (RFC 9457)."


def create_app(factory: Provider) -> FastAPI:
    """The ASGI app over the services that `factory` gives; `factory` is first called by the first request."""
    app = FastAPI(
        title=_TITLE,
        version=_VERSION,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages load scripts from foreign addresses
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(demand_operation)],
        generate_unique_id_function=lambda route: route.name,
        # From the outside in: an answer to every request, who calls, how many changes, the size of the body.
        middleware=[
            Middleware(Correlation),
            Middleware(Authentication, factory=factory),
            Middleware(ChangeLimit, factory=factory),
            Middleware(BodyLimit),
        ],
    )
    errors.install(app)
    for module in MODULES:
        app.include_router(module.router(factory))
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def routes_of(factory: Provider) -> list[APIRoute]:
    """Every route of ours, with its full path, in order. The app itself shows only the routers that it includes."""
    found = (route for module in MODULES for route in module.router(factory).routes)
    return [route for route in found if isinstance(route, APIRoute)]
