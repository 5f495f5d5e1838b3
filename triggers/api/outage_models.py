"""The bodies about outages of the platform."""

from datetime import datetime

from pydantic import AliasPath, Field

from pipeline_core.domain.errors import ErrorClass
from triggers.api.models import Answer, Request, Text


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
    after: str = ""


class Retried(Answer):
    """Scopes whose breaker closed, images that are looked at again; `next` is null on the last page."""

    closed: tuple[str, ...]
    images: tuple[str, ...]
    next: str | None
