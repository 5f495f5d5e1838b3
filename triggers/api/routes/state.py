"""The factory's own records: derive lost ones again, a step per request (SecOps only); list what cannot be read."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.ports import Principal
from triggers.api import operator_models
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import RECOVERY, UNREADABLE_CURSOR
from triggers.provider import Provider


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/state`."""
    routes = APIRouter(prefix="/api/state", tags=["state"])

    @routes.post("/rebuild")
    def rebuild_state(
        caller: Annotated[Principal, Depends(caller_of)], body: operator_models.StateRequest | None = None
    ) -> operator_models.StateStep:
        """Take one step (send `next` as `after` until it is null); a step may be taken again. SecOps only."""
        wish = body or operator_models.StateRequest()
        return operator_models.StateStep.model_validate(
            factory().recovery.step(caller, RECOVERY.read("after", wish.after), force=wish.force)
        )

    @routes.get("/unreadable")
    def list_unreadable(
        after: Annotated[str | None, Depends(maybe_in_query("after", UNREADABLE_CURSOR))],
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> operator_models.UnreadableRows:
        """The rows that the running release cannot read, by table, partition and key."""
        return operator_models.UnreadableRows.model_validate(
            factory().unreadable.page(after=after or "", limit=limit)
        )

    return routes
