"""Routes of receivers: look, secrets, off and on, replay, a trial; and SecOps' receivers for the whole fleet."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ALERTS, FleetReceiver, ReceiverId
from pipeline_core.ports import Principal
from pipeline_core.services.notify.receivers import PAGE, PAGE_LIMIT
from triggers.api import receiver_models as models
from triggers.api.authentication import caller_of
from triggers.api.forms.form import in_path, maybe_in_query
from triggers.api.forms.names import IMAGE, RECEIVER, RECEIVER_CURSOR
from triggers.provider import Provider

Caller = Annotated[Principal, Depends(caller_of)]
Id = Annotated[ReceiverId, Depends(in_path("receiver", RECEIVER))]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/receivers`."""
    routes = APIRouter(prefix="/api/receivers", tags=["receivers"])

    @routes.get("")
    def list_receivers(
        image: Annotated[ImageName | None, Depends(maybe_in_query("image", IMAGE))],
        cursor: Annotated[str | None, Depends(maybe_in_query("cursor", RECEIVER_CURSOR))],
        limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE,
    ) -> models.Receivers:
        """A page of the receivers that have a feed, or of those of one image. It may hold fewer than `limit`."""
        page = factory().receivers.page(
            image,
            after=ReceiverId(cursor) if cursor else None,
            limit=limit,
        )
        return models.Receivers.model_validate(page)

    @routes.get("/{receiver}")
    def get_receiver(receiver: Id) -> models.Receiver:
        """One receiver with its dead letters."""
        return models.Receiver.model_validate(factory().receivers.show(receiver))

    @routes.post("/{receiver}/secret")
    def rotate_secret(receiver: Id, caller: Caller) -> models.RotatedSecret:
        """Make a new signing secret, shown once. The former one signs too for a day."""
        return models.RotatedSecret(secret=factory().receivers.rotate(receiver, caller))

    @routes.post("/{receiver}/disable")
    def disable_receiver(
        receiver: Id, caller: Caller, body: Annotated[models.DisableRequest, Body()]
    ) -> models.Receiver:
        """Send nothing any more; what happens is kept for a replay."""
        view = factory().receivers.disable(receiver, caller, body.reason)
        return models.Receiver.model_validate(view)

    @routes.post("/{receiver}/enable")
    def enable_receiver(
        receiver: Id, caller: Caller, body: Annotated[models.EnableRequest, Body()]
    ) -> models.Receiver:
        """Send again, with what was missed or without."""
        view = factory().receivers.enable(receiver, caller, replays=body.replay)
        return models.Receiver.model_validate(view)

    @routes.post("/{receiver}/replay")
    def replay_receiver(
        receiver: Id, caller: Caller, body: Annotated[models.ReplayRequest, Body()]
    ) -> models.Receiver:
        """Send again from a time on, or from the first dead letter on; 409 while it is switched off."""
        since = body.since
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        return models.Receiver.model_validate(factory().receivers.replay(receiver, caller, since))

    @routes.post("/{receiver}/test")
    def test_receiver(receiver: Id, caller: Caller) -> models.Trial:
        """Send a trial now, and say what came back. It takes at most 20 seconds."""
        accepted, detail = factory().receivers.test(receiver, caller)
        return models.Trial(accepted=accepted, detail=detail)

    @routes.post("")
    def add_fleet_receiver(body: models.FleetReceiverRequest, caller: Caller) -> models.Receiver:
        """Add a receiver of SecOps for the whole fleet. SecOps only; 409 where it wants something else already."""
        receiver = FleetReceiver(url=body.webhook, events=_events(body), bases=body.bases)
        view = factory().receivers.add(receiver, caller, replaces=body.replace)
        return models.Receiver.model_validate(view)

    @routes.delete("/{receiver}", status_code=204)
    def remove_fleet_receiver(receiver: Id, caller: Caller) -> None:
        """Send a receiver of SecOps nothing new. SecOps only."""
        factory().receivers.remove(receiver, caller)

    return routes


def _events(body: models.FleetReceiverRequest) -> frozenset[Event]:
    known = {event.value: event for event in Event}
    unknown = sorted(set(body.events) - known.keys())
    if unknown:
        text = f"{', '.join(unknown)[:200]} is not an event: docs/authoring.md lists them"
        raise PermanentError(ErrorClass.POLICY, text)
    return frozenset(known[name] for name in body.events) | (ALERTS if body.alerts else frozenset())
