"""The bodies about followed Marketplace sources. Texts of an answer are for people; `reason` is a person's own."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasPath, Field

from triggers.api.models import Answer, Reason, Request, Text


class AcceptRequest(Request):
    """Which release images may step down to: the newest one that is offered, as `newest` of the source says.

    Without a `reason` the answer is 422. The journal of each image of the source keeps it.
    """

    release: Annotated[str, Field(max_length=64)]
    reason: Reason = ""


class WithdrawnRelease(Answer):
    """A release that no build is started from, and since when. `reason` is for programs, `message` for people."""

    version: Text
    since: datetime
    reason: Text = Field(validation_alias="by")
    message: str


class AcceptedRelease(Answer):
    """SecOps' decision that images step down to this release."""

    version: Text
    actor: str
    identity: str | None
    at: datetime
    reason: str


class Silence(Answer):
    """Since when the Marketplace gives nothing for the source, and what it says instead."""

    since: datetime = Field(validation_alias=AliasPath("looks", "since"))
    why: str


class FollowedSource(Answer):
    """One followed source. It is polled as long as `images` are built from it.

    `newest` is the newest release that is offered; `ends_at` the day from which its publisher no longer offers it.
    """

    key: str
    urn: str
    location: str
    newest: Text | None
    revision: int
    looked_at: datetime | None
    ends_at: datetime | None
    images: tuple[Text, ...]
    withdrawn: tuple[WithdrawnRelease, ...]
    accepted: AcceptedRelease | None
    silence: Silence | None


class FollowedSources(Answer):
    """Every source that was ever followed, by its key."""

    sources: tuple[FollowedSource, ...]
