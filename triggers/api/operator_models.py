"""The bodies for those who operate the factory: outages of the platform, a pause, and the factory's own records."""

from datetime import datetime

from pydantic import AliasPath, Field

from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.pauses import PauseState
from pipeline_core.services.outages.pauses import PauseView
from triggers.api.forms.names import ImageCursorText, RecoveryCursorText
from triggers.api.forms.shown import Text
from triggers.api.models import Answer, Misplaced, Reason, Request, Why


class PlatformBreaker(Answer):
    """An open platform breaker: what fails where since when. `message` is the newest error, for people."""

    error_class: Text = Field(validation_alias=AliasPath("error_class", "value"))
    scope: Text
    opened_at: datetime | None
    next_probe: datetime | None
    message: str


class PlatformBreakers(Answer):
    """Every breaker that is open."""

    breakers: tuple[PlatformBreaker, ...]


class RetryRequest(Request):
    """The class of error whose outage is over, and the cursor `next` of the former answer."""

    error_class: ErrorClass = Field(alias="class", strict=False)
    after: ImageCursorText = ""


class Retried(Answer):
    """Scopes whose breaker closed, images that are looked at again; `next` is null on the last page."""

    closed: tuple[str, ...]
    images: tuple[str, ...]
    next: str | None


class PauseRequest(Request):
    """Why the factory is paused. It is needed: the factory's journal keeps it, and SecOps' receivers get it."""

    reason: Why


class ResumeRequest(Request):
    """Why the pause ends."""

    reason: Reason = "resumed over the API"


class FactoryPause(Answer):
    """What holds now, and who decided the newest pause, or its end, when and why; null where nobody ever did.

    `message` is one line for people, null while the factory is not paused. From `settles_at` on no container group is
    created; it is null while the factory still looks for creations that were paid for before the pause.
    """

    state: PauseState
    message: str | None
    revision: int | None
    actor: str | None
    identity: str | None
    reason: str | None
    at: datetime | None
    settles_at: datetime | None

    @classmethod
    def of(cls, view: PauseView) -> "FactoryPause":
        """The answer of a view."""
        known = view.pause
        return cls(
            state=view.state,
            message=view.text or None,
            revision=None if known is None else known.revision,
            actor=None if known is None else known.actor,
            identity=None if known is None else known.identity,
            reason=None if known is None else known.reason,
            at=None if known is None else known.at,
            settles_at=None if known is None else known.settles_at,
        )


class StateRequest(Request):
    """Which step to take. `force` takes it even if the records seem to be there."""

    after: RecoveryCursorText = ""
    force: bool = False


class StateStep(Answer):
    """The result of one step, by names of images; `next` is the `after` of the following step, null at the end."""

    restored: tuple[str, ...] = Field(validation_alias="recovered")
    kept: tuple[str, ...]
    deleted: tuple[str, ...]
    problems: tuple[Misplaced, ...]
    next: str | None = Field(validation_alias="after")


class UnreadableRow(Answer):
    """A row that the running release cannot read. `image` is empty where it is not about one image.

    `row_schema` is what the row names as its schema.
    """

    table: str
    partition: str
    key: str
    image: str
    row_schema: str = Field(validation_alias="schema")
    why: str
    first_seen: datetime


class UnreadableRows(Answer):
    """A page of such rows by place; `next` is the `after` of the following page, null at the end."""

    rows: tuple[UnreadableRow, ...] = Field(validation_alias="records")
    next: str | None = Field(validation_alias="after")
