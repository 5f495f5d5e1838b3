"""The bodies about published versions, names, shared bundles, and what the galleries show. Texts are for people."""

from datetime import datetime

from triggers.api.forms.names import TeamText
from triggers.api.forms.shown import DigestShown, ImageShown, TeamShown, Text, VersionShown
from triggers.api.models import Answer, Reason, ReasonedRequest, Request


class IncludeRequest(Request):
    """Why a version that was taken out of `latest` may be used again; the image's journal keeps it."""

    reason: Reason = ""


class AcceptGalleriesRequest(ReasonedRequest):
    """Why what the galleries show is true, although so many images differ at once.

    Without a `reason` the answer is 422. The journal of each image that differs keeps it.
    """


class IncludedVersion(Answer):
    """A version that may be current again: its `standing` is `live`. `actor` has decided so at `at`."""

    image: ImageShown
    version: VersionShown
    standing: Text
    at: datetime | None
    actor: str
    identity: str | None
    reason: str


class Suspect(Answer):
    """An image whose gallery differs from what the factory believes. `kind`: `gone`, `excluded` or `unproven`."""

    image: ImageShown
    kind: Text
    version: VersionShown
    since: datetime
    is_moved: bool


class DifferingImages(Answer):
    """The images that differed within the last hour. While `alarmed_at` is set, nothing is moved."""

    suspects: tuple[Suspect, ...]
    alarmed_at: datetime | None
    accepted_until: datetime | None
    accepted_by: str
    accepted_identity: str | None


class VersionLine(Answer):
    """One live version as its gallery shows it. `provenance` is the digest of its signed statement, or empty."""

    version: VersionShown
    gallery: Text
    state: Text
    in_latest: bool
    standing: Text
    reason: str
    build: str
    provenance: str
    end_of_life: datetime | None


class VersionList(Answer):
    """The live versions of an image, newest first, also of a deleted one. `team` is null where nothing shows it."""

    image: ImageShown
    team: TeamShown | None
    is_deleted: bool
    deleted_at: datetime | None
    current: VersionShown | None
    versions: tuple[VersionLine, ...]


class ReservedName(Answer):
    """The name of a deleted image. It is reserved for `team` (null: nothing shows it) and SecOps; a base's for SecOps.

    `unseen_since` is since when the gallery shows no version of it: at the next look the name is free.
    """

    name: ImageShown
    team: TeamShown | None
    is_base: bool
    deleted_at: datetime | None
    unseen_since: datetime | None


class ReservedNamePage(Answer):
    """Reserved names in order. `next` is the cursor of the following page, null at the end."""

    names: tuple[ReservedName, ...]
    next: str | None


class HandoverRequest(ReasonedRequest):
    """The team that the name is handed over to, and why. Without a `reason` the answer is 422."""

    to: TeamText


class ShareRequest(ReasonedRequest):
    """The team that may use the bundle from now on, and why. Without a `reason` the answer is 422."""

    to: TeamText


class SharedBundle(Answer):
    """The teams that may register images with the bundle."""

    bundle: DigestShown
    owners: tuple[str, ...]
