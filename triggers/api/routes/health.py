"""The route that shows load balancers and people whether the factory works. Open, as it shows nothing else."""

from fastapi import APIRouter

from triggers.api import models
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The route `/api/health`."""
    routes = APIRouter(prefix="/api/health", tags=["health"])

    @routes.get("")
    def check_health() -> models.Health:
        """200 where state can be read, 503 where it cannot."""
        held = factory()
        held.queries.check()
        return models.Health(status="ok", paused=bool(held.pauses.text()))

    return routes
