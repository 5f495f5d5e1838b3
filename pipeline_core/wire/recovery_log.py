"""Entries of the recovery log: small blobs with the facts of a table that nothing else holds. Decides nothing.

The names of entries sort newest first: by the image's revision, then by time of publication, then of the request.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.floors import LiveScan
from pipeline_core.domain.images import FormerImage, ImageHead, PublishedVersion, RebuildRequest
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import Digest, GalleryName, ImageName, RebuildToken, TeamName
from pipeline_core.domain.platform_trials import EndedTrial, PlatformTrial
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.staleness import Platform
from pipeline_core.domain.versions import GalleryVersion

ENTRY_LIMIT = 1024 * 1024  # bytes; a catalog of thousands of tools fits
NAMES = "chronicle/names/"
PLATFORMS = "chronicle/platform/"
POLICIES = "chronicle/policy/"
_IMAGES = "chronicle/images/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_REVISION, _LAST_TIME = 10**10 - 1, 10**17 - 1  # microseconds reach the year 5138

# Fields that are written only where they say something: entries of older releases keep their bytes.
_LATER = ("taken_out", "team", "is_base", "deleted_at")

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer release may write more

    schema_version: Literal[1] = 1

    def to_wire(self) -> bytes:
        """Bytes of the blob. The same facts give the same bytes."""
        return self.model_dump_json().encode()


class Published(_Wire):
    """The current version, with the facts that its tags do not hold."""

    version: str
    lane: int
    at: datetime
    profile: str = ""
    score: float | None = None

    def scan(self) -> LiveScan | None:
        """The scan with which it passed its gates, where there was a scan."""
        return None if self.score is None else LiveScan(profile=self.profile, score=self.score)


class RebuildRequestEntry(_Wire):
    """The newest rebuild request."""

    token: str
    actor: str
    at: datetime

    def to_domain(self) -> RebuildRequest:
        """The domain's request; raises InvalidValue."""
        return RebuildRequest(token=RebuildToken(self.token), actor=self.actor, at=self.at)


class ImageEntry(_Wire):
    """One image at one moment.

    For a deleted image `image`, `revision` and `last_version` are set, and since the names of deleted images are
    reserved also `team`, `is_base`, `gallery`, `definition` and `deleted_at`.
    """

    image: str
    revision: Annotated[int, Field(ge=0)]
    deleted: bool = False
    definition: _Sha256 | None = None
    gallery: str | None = None
    registered_at: datetime | None = None
    last_version: str | None = None
    current: Published | None = None
    request: RebuildRequestEntry | None = None
    # Versions that somebody took out of `latest`. Not written where there are none: older releases read the entry.
    taken_out: tuple[str, ...] = ()
    # Of a deleted image, and of no other.
    team: str | None = None
    is_base: bool = False
    deleted_at: datetime | None = None

    def to_wire(self) -> bytes:
        """Bytes of the blob. The same facts give the same bytes."""
        absent = {name for name in _LATER if not getattr(self, name)}
        return self.model_dump_json(exclude=absent).encode()

    @classmethod
    def of_head(cls, head: ImageHead) -> "ImageEntry":
        """The entry of a registered image."""
        current, request = head.current, head.request
        return cls(
            image=str(head.name),
            revision=head.revision,
            definition=str(head.registration.definition),
            gallery=str(head.registration.gallery),
            registered_at=head.registered_at,
            last_version=None if head.last_version is None else str(head.last_version),
            current=None if current is None else _published(current),
            request=None
            if request is None
            else RebuildRequestEntry(token=str(request.token), actor=request.actor, at=request.at),
            taken_out=tuple(map(str, head.taken_out)),
        )

    @classmethod
    def of_former(cls, former: FormerImage) -> "ImageEntry":
        """The entry of a deleted image."""
        last = former.last_version
        return cls(
            image=str(former.name),
            revision=former.revision,
            deleted=True,
            definition=None if former.definition is None else str(former.definition),
            gallery=None if former.gallery is None else str(former.gallery),
            last_version=None if last is None else str(last),
            team=None if former.team is None else str(former.team),
            is_base=former.is_base,
            deleted_at=former.deleted_at,
        )

    @classmethod
    def from_wire(cls, content: bytes) -> "ImageEntry":
        """Raise MalformedMessage where the content is not such an entry."""
        try:
            entry = cls.model_validate_json(content)
            entry.check()
        except (ValidationError, InvalidValue, ValueError) as error:
            raise MalformedMessage(
                f"the content is not an image's entry of the recovery log: {error}"
            ) from error
        return entry

    def check(self) -> None:
        """Raise InvalidValue or ValueError where a field has a wrong value."""
        ImageName(self.image)
        if not self.deleted or self.definition is not None:
            Digest(self.definition or "")
        if not self.deleted or self.gallery is not None:
            GalleryName(self.gallery or "")
        if self.team is not None:
            TeamName(self.team)
        if self.last_version is not None:
            GalleryVersion.parse(self.last_version)
        if self.current is not None:
            GalleryVersion.parse(self.current.version)
            Lane(self.current.lane)
        if self.request is not None:
            self.request.to_domain()
        for version in self.taken_out:
            GalleryVersion.parse(version)

    @property
    def name(self) -> str:
        """The blob's name: entries of one image sort newest first."""
        published = None if self.current is None else self.current.at
        requested = None if self.request is None else self.request.at
        place = "-".join(
            (
                highest_first(self.revision, most=_LAST_REVISION),
                _inverted_time(published),
                _inverted_time(requested),
            )
        )
        return f"{prefix_of(ImageName(self.image))}{place}.json"


class Tool(_Wire):
    """One entry of the catalog of staged tools."""

    id: str
    version: str
    sha256: _Sha256
    url: str


class TrialEntry(_Wire):
    """Platform steps that named images are built with, and that are not in force."""

    digest: _Sha256
    catalog: tuple[Tool, ...] = ()
    images: tuple[str, ...]
    since: datetime
    by: str = ""
    over: _Sha256 | None = None

    @classmethod
    def of(cls, trial: PlatformTrial) -> "TrialEntry":
        """The wire form of a trial."""
        return cls(
            digest=str(trial.digest),
            catalog=tuple(_tools_of(trial)),
            images=tuple(map(str, trial.images)),
            since=trial.since,
            by=trial.by,
            over=None if trial.over is None else str(trial.over),
        )

    def to_domain(self) -> PlatformTrial:
        """The domain's trial."""
        return PlatformTrial(
            digest=Digest(self.digest),
            catalog={tool.id: (tool.id, tool.version, tool.sha256) for tool in self.catalog},
            urls={tool.id: tool.url for tool in self.catalog if tool.url},
            images=tuple(map(ImageName, self.images)),
            since=self.since,
            by=self.by,
            over=None if self.over is None else Digest(self.over),
        )


class EndedTrialEntry(_Wire):
    """Platform steps that were tried on these images, and given up."""

    digest: _Sha256
    images: tuple[str, ...]


class PlatformEntry(_Wire):
    """The platform steps and the catalog that were put in force; `revision` counts from 1."""

    revision: Annotated[int, Field(ge=0)]
    digest: _Sha256
    catalog: tuple[Tool, ...] = ()
    # Not written where there are none: entries of older releases keep their bytes, and older releases read the entry.
    trial: TrialEntry | None = None
    ended: tuple[EndedTrialEntry, ...] = ()

    def to_wire(self) -> bytes:
        """Bytes of the blob. The same facts give the same bytes."""
        absent = {name for name in ("trial", "ended") if not getattr(self, name)}
        return self.model_dump_json(exclude=absent).encode()

    @classmethod
    def of(cls, platform: Platform, revision: int) -> "PlatformEntry":
        """The entry of a platform."""
        return cls(
            revision=revision,
            digest=str(platform.digest),
            catalog=tuple(_tools_of(platform)),
            trial=None if platform.trial is None else TrialEntry.of(platform.trial),
            ended=tuple(
                EndedTrialEntry(digest=str(each.digest), images=tuple(map(str, each.images)))
                for each in platform.ended
            ),
        )

    @classmethod
    def from_wire(cls, content: bytes) -> "PlatformEntry":
        """Raise MalformedMessage where the content is not such an entry."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(
                f"the content is not a platform's entry of the recovery log: {error}"
            ) from error

    def to_domain(self) -> Platform:
        """The domain's platform."""
        return Platform(
            digest=Digest(self.digest),
            catalog={tool.id: (tool.id, tool.version, tool.sha256) for tool in self.catalog},
            urls={tool.id: tool.url for tool in self.catalog if tool.url},
            trial=None if self.trial is None else self.trial.to_domain(),
            ended=tuple(
                EndedTrial(digest=Digest(each.digest), images=tuple(map(ImageName, each.images)))
                for each in self.ended
            ),
        )

    @property
    def name(self) -> str:
        """The blob's name: the newest sorts first."""
        return f"{PLATFORMS}{highest_first(self.revision, most=_LAST_REVISION)}.json"


def _tools_of(steps: Platform | PlatformTrial) -> Iterator[Tool]:
    for key, (tool, version, sha256) in sorted(steps.catalog.items()):
        yield Tool(id=tool, version=version, sha256=sha256, url=steps.urls.get(key, ""))


class PolicyEntry(_Wire):
    """A version of the policy that was put in force; the document is a blob under `digest`."""

    revision: Annotated[int, Field(ge=1)]
    digest: _Sha256
    actor: str
    at: datetime
    identity: str | None = None

    @classmethod
    def of(cls, version: PolicyVersion) -> "PolicyEntry":
        """The entry of a version."""
        return cls(
            revision=version.revision,
            digest=str(version.digest),
            actor=version.actor,
            at=version.at,
            identity=version.identity,
        )

    @classmethod
    def from_wire(cls, content: bytes) -> "PolicyEntry":
        """Raise MalformedMessage where the content is not such an entry."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(
                f"the content is not a policy's entry of the recovery log: {error}"
            ) from error

    def to_domain(self) -> PolicyVersion:
        """The domain's version."""
        return PolicyVersion(
            revision=self.revision,
            digest=Digest(self.digest),
            actor=self.actor,
            at=self.at,
            identity=self.identity,
        )

    @property
    def name(self) -> str:
        """The blob's name: the newest sorts first."""
        return f"{POLICIES}{highest_first(self.revision, most=_LAST_REVISION)}.json"


def _published(current: PublishedVersion) -> Published:
    scan = current.scan
    return Published(
        version=str(current.version),
        lane=current.lane.value,
        at=current.published_at,
        profile="" if scan is None else scan.profile,
        score=None if scan is None else scan.score,
    )


def prefix_of(image: ImageName) -> str:
    """The beginning of the names of an image's entries."""
    return f"{_IMAGES}{image}/"


def _inverted_time(at: datetime | None) -> str:
    passed = timedelta(0) if at is None else at - _EPOCH
    return highest_first(passed // timedelta(microseconds=1), most=_LAST_TIME)
