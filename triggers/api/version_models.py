"""The bodies about published versions, and about what the galleries show. Texts of an answer are for people."""

from datetime import datetime

from triggers.api.models import Answer, Reason, Request, Text


class IncludeRequest(Request):
    """Why a version that was taken out of `latest` may be used again; the image's journal keeps it."""

    reason: Reason = ""


class AcceptGalleriesRequest(Request):
    """Why what the galleries show is true, although so many images differ at once.

    Without a `reason` the answer is 422. The journal of each image that differs keeps it.
    """

    reason: Reason = ""


class IncludedVersion(Answer):
    """A version that may be current again: its `standing` is `live`. `actor` has decided so at `at`."""

    image: Text
    version: Text
    standing: Text
    at: datetime | None
    actor: str
    identity: str | None
    reason: str


class Suspect(Answer):
    """An image whose gallery differs from what the factory believes. `kind`: `gone`, `excluded` or `unproven`."""

    image: Text
    kind: Text
    version: Text
    since: datetime
    is_moved: bool


class DifferingImages(Answer):
    """The images that differed within the last hour. While `alarmed_at` is set, nothing is moved."""

    suspects: tuple[Suspect, ...]
    alarmed_at: datetime | None
    accepted_until: datetime | None
    accepted_by: str
    accepted_identity: str | None
