"""Routes of outages of the platform: what is held back, and SecOps' word that one is over."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.outage_models import PlatformBreakers, Retried, RetryRequest
from triggers.api.parameters import parse_cursor
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/outages`."""
    routes = APIRouter(prefix="/api/outages", tags=["outages"])

    @routes.get("")
    def list_outages() -> PlatformBreakers:
        """The open platform breakers: class of error, scope, since when, and the next probe."""
        return PlatformBreakers.model_validate({"breakers": factory().retries.list()})

    @routes.post("/retry")
    def retry(body: RetryRequest, caller: Annotated[Principal, Depends(caller_of)]) -> Retried:
        """Close the breakers of one class, and try again what failed by it, page by page. SecOps only."""
        after = parse_cursor("after", CursorForm.IMAGE, body.after)
        return Retried.model_validate(factory().retries.retry(body.error_class, caller, after=after))

    return routes
