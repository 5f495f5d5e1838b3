"""Routes of the kill switch: SecOps pause the whole factory, and let it go on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from pipeline_core.domain.pauses import PauseState
from pipeline_core.ports import Principal
from triggers.api.authentication import caller_of
from triggers.api.pause_models import FactoryPause, PauseRequest, ResumeRequest
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]


def router(factory: Provider) -> APIRouter:
    """The routes `/api/pause` and `/api/resume`."""
    routes = APIRouter(prefix="/api", tags=["pause"])

    @routes.get("/pause")
    def show_pause() -> FactoryPause:
        """Whether the factory is paused, and since when no container group is created."""
        return FactoryPause.of(factory().pauses.show())

    @routes.put(
        "/pause", responses={202: {"model": FactoryPause, "description": "Not complete yet: look again"}}
    )
    def pause_factory(body: PauseRequest, caller: Caller, response: Response) -> FactoryPause:
        """Pause the factory. 200: from now on no container group is created. 202: `settles_at` is the moment.

        Safe to repeat: a second request changes nothing. SecOps only.
        """
        view = factory().pauses.pause(caller, body.reason)
        response.status_code = 200 if view.state is PauseState.PAUSED else 202
        return FactoryPause.of(view)

    @routes.post("/resume")
    def resume_factory(caller: Caller, body: ResumeRequest | None = None) -> FactoryPause:
        """End the pause, and set everything going. Safe to repeat. SecOps only."""
        wish = body or ResumeRequest()
        return FactoryPause.of(factory().pauses.resume(caller, wish.reason))

    return routes
