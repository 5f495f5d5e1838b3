"""The bodies about followed Marketplace sources. Texts of an answer are for people; `reason` is a person's own."""

from datetime import datetime

from pydantic import AliasPath, Field

from triggers.api.forms.names import ReleaseText
from triggers.api.forms.shown import ImageShown, ReleaseShown, Text
from triggers.api.models import Answer, ReasonedRequest


class AcceptRequest(ReasonedRequest):
    """Which release images may step down to: the newest one that is offered, as `newest` of the source says.

    Without a `reason` the answer is 422. The journal of each image of the source keeps it.
    """

    release: ReleaseText


class WithdrawnRelease(Answer):
    """A release that no build is started from, and since when. `reason` is for programs, `message` for people."""

    version: ReleaseShown
    since: datetime
    reason: Text = Field(validation_alias="by")
    message: str


class AcceptedRelease(Answer):
    """SecOps' decision that images step down to this release."""

    version: ReleaseShown
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
    newest: ReleaseShown | None
    revision: int
    looked_at: datetime | None
    ends_at: datetime | None
    images: tuple[ImageShown, ...]
    withdrawn: tuple[WithdrawnRelease, ...]
    accepted: AcceptedRelease | None
    silence: Silence | None


class FollowedSources(Answer):
    """Every source that was ever followed, by its key."""

    sources: tuple[FollowedSource, ...]
