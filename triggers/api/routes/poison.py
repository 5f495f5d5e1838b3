"""Routes of poisoned messages: list them, send one again, put one aside."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline_core.domain.poison import PoisonState
from pipeline_core.ports import Principal
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.api.forms.form import in_path, maybe_in_query
from triggers.api.forms.names import POISON, POISON_CURSOR
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]
Key = Annotated[str, Depends(in_path("key", POISON))]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/poison`."""
    routes = APIRouter(prefix="/api/poison", tags=["poison"])

    @routes.get("")
    def list_poison(
        caller: Caller,
        after: Annotated[str | None, Depends(maybe_in_query("after", POISON_CURSOR))],
        state: PoisonState | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> models.PoisonRecords:
        """Messages that could not be handled, newest first. A team sees only those about its own images.

        A page may hold fewer than `limit`: continue with `next`.
        """
        page = factory().poison_review.page(caller, state=state, after=after or "", limit=limit)
        return models.PoisonRecords.model_validate(page)

    @routes.post("/{key}/requeue")
    def requeue_poison(key: Key, caller: Caller) -> models.PoisonRecord:
        """Send the exact text to its queue again; 409 where the record was closed before."""
        return models.PoisonRecord.model_validate(factory().poison_review.requeue(key, caller))

    @routes.delete("/{key}", status_code=204)
    def dismiss_poison(key: Key, caller: Caller) -> None:
        """Put a message aside; 409 where it was requeued before."""
        factory().poison_review.dismiss(key, caller)

    return routes
