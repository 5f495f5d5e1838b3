"""The bodies about what comes from outside: followed Marketplace sources, and the files of tools.

Texts of an answer are for people; `reason` of a request is a person's own.
"""

from datetime import datetime

from pydantic import AliasPath, Field

from triggers.api.forms.names import ReleaseText
from triggers.api.forms.shown import FileShown, ImageShown, ReleaseShown, Text
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


class ToolFile(Answer):
    """What the factory knows about one file: `requested`, `quarantined`, `admitted` or `refused`, and why.

    `size` is in bytes, 0 before the file was seen. `scanned_by` names the scanner, or says that none was asked.
    """

    sha256: FileShown
    state: Text
    at: datetime
    size: int
    scanned_by: str | None
    reason: str
    by: str


class ToolEntry(Answer):
    """A file that was asked for or that the catalog in force names. Builds wait for one that `is_missing`."""

    sha256: FileShown
    record: ToolFile | None
    named_by: tuple[str, ...]
    is_missing: bool


class ToolEntries(Answer):
    """Every such file, by its SHA-256."""

    tools: tuple[ToolEntry, ...]


class UploadOffer(Answer):
    """The file's record and, where it is to be brought, the address that takes it by one PUT until `until`.

    The address is a secret of the caller. It can write this one file once, and nothing else.
    """

    record: ToolFile
    address: str | None
    until: datetime | None
