"""Routes of what holds builds back: outages of the platform, and SecOps' pause of the whole factory."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pipeline_core.domain.pauses import PauseState
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.forms.names import IMAGE_CURSOR
from triggers.api.operator_models import (
    FactoryPause,
    PauseRequest,
    PlatformBreakers,
    ResumeRequest,
    Retried,
    RetryRequest,
)
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/outages`, and `/api/pause` with `/api/resume`."""
    routes = APIRouter(tags=["outages"])

    @routes.get("/api/outages")
    def list_outages() -> PlatformBreakers:
        """The open platform breakers: class of error, scope, since when, and the next probe."""
        return PlatformBreakers.model_validate({"breakers": factory().retries.list()})

    @routes.post("/api/outages/retry")
    def retry(body: RetryRequest, caller: Caller) -> Retried:
        """Close the breakers of one class, and try again what failed by it, page by page. SecOps only."""
        after = IMAGE_CURSOR.read("after", body.after)
        return Retried.model_validate(factory().retries.retry(body.error_class, caller, after=after))

    @routes.get("/api/pause")
    def show_pause() -> FactoryPause:
        """Whether the factory is paused, and since when no container group is created."""
        return FactoryPause.of(factory().pauses.show())

    @routes.put(
        "/api/pause", responses={202: {"model": FactoryPause, "description": "Not complete yet: look again"}}
    )
    def pause_factory(body: PauseRequest, caller: Caller, response: Response) -> FactoryPause:
        """Pause the factory. 200: from now on no container group is created. 202: `settles_at` is the moment.

        Safe to repeat: a second request changes nothing. SecOps only.
        """
        view = factory().pauses.pause(caller, body.reason)
        response.status_code = 200 if view.state is PauseState.PAUSED else 202
        return FactoryPause.of(view)

    @routes.post("/api/resume")
    def resume_factory(caller: Caller, body: ResumeRequest | None = None) -> FactoryPause:
        """End the pause, and set everything going. Safe to repeat. SecOps only."""
        wish = body or ResumeRequest()
        return FactoryPause.of(factory().pauses.resume(caller, wish.reason))

    return routes
