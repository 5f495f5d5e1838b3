"""The bodies about receivers of notifications. Only the answer to a rotation holds a secret."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field, WithJsonSchema, field_validator

from pipeline_core.domain.journal import Event
from triggers.api.forms.shown import ReceiverShown, TeamShown, Text
from triggers.api.models import Answer, Reason, Request

# A name of an event; the service refuses an unknown one by its name, and says where they are listed.
EventText = Annotated[str, WithJsonSchema({"type": "string", "enum": [event.value for event in Event]})]


class DeadLetter(Answer):
    """A fact that was given up, and why. A replay sends it again."""

    sequence: int
    image: Text
    event: str
    at: datetime
    why: str


class FleetWish(Answer):
    """What a receiver of SecOps gets: `events` of every image, with `alerts` all alarms, with `bases` all of bases.

    `events` has the alarms too. `text` says the same in words.
    """

    events: tuple[str, ...]
    alerts: bool = Field(validation_alias="has_alerts")
    bases: bool
    text: str = Field(validation_alias="wish")

    @field_validator("events", mode="before")
    @classmethod
    def _by_name(cls, events: Iterable[Event]) -> tuple[str, ...]:
        return tuple(sorted(event.value for event in events))


class Receiver(Answer):
    """A receiver. `place` is scheme and host of its address; a path may hold a token, so it is not shown.

    `state` is working, unsigned, failing, no-secret or switched-off. `waiting` counts facts that are not sent yet.
    `given_up` counts dead letters since the last replay; `dead_letters` has the newest ones, of one receiver only.
    `wants` is what a receiver of SecOps gets; null for a team's, of which each image's definition says it.
    """

    id: ReceiverShown
    team: TeamShown | None
    place: str
    state: str
    waiting: int
    given_up: int
    has_secret: bool
    former_secret_until: datetime | None
    failing_since: datetime | None
    next_try: datetime | None
    accepted_at: datetime | None
    detail: str
    dead_letters: tuple[DeadLetter, ...]
    wants: FleetWish | None = Field(validation_alias="fleet")


class Receivers(Answer):
    """A page of receivers by id; `next` is the `cursor` of the following page, null at the end."""

    receivers: tuple[Receiver, ...]
    next: Text | None = Field(validation_alias="after")


class RotatedSecret(Answer):
    """The new secret. It is shown here and never again."""

    secret: str


class Trial(Answer):
    """Whether the receiver accepted a trial, and what it said."""

    accepted: bool
    detail: str


class FleetReceiverRequest(Request):
    """A receiver of SecOps: these events of every image, with `alerts` all alarms, with `bases` all of bases.

    With `replace` a receiver that wants something else already wants this and nothing else.
    """

    webhook: Annotated[str, Field(max_length=2048)]
    events: Annotated[list[EventText], Field(max_length=64)] = Field(default_factory=list)
    alerts: bool = False
    bases: bool = False
    replace: bool = False


class DisableRequest(Request):
    """Why nothing is to be sent any more."""

    reason: Reason = ""


class EnableRequest(Request):
    """With `replay` what was missed is sent, in order; without, only what comes from now on."""

    replay: bool = True


class ReplayRequest(Request):
    """From which time on everything is sent again; without one, from the first dead letter on."""

    since: Annotated[datetime | None, Field(strict=False)] = None
