"""The stored state of one image: what is registered, what is current, what runs. Frozen; changed by copies."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.floors import LiveScan, Promises
from pipeline_core.domain.names import (
    BuildId,
    Digest,
    Fingerprint,
    GalleryName,
    ImageName,
    RebuildToken,
    TeamName,
)
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.sources import Origin, ParentReference
from pipeline_core.domain.versions import GalleryVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The facts of a definition that planning needs; the whole document is a blob under `definition`.

    `catalog` holds the ids of staged tools; `gallery` is the live gallery chosen when the image was
    first registered (its placement, which never changes); `notify` the events that some webhook wants.
    `max_age` is SecOps' where the definition names none; `promises` is None where the document has to be read.
    `gates` digests what the definition asks of a version before it may be published.
    """

    name: ImageName
    team: TeamName
    origin: Origin
    major: int
    definition: Digest
    recipe: Digest
    bundle: Digest
    gallery: GalleryName
    catalog: tuple[str, ...] = ()
    on: frozenset[RebuildOn] = frozenset(RebuildOn)
    window: str | None = None
    max_age: timedelta | None = None
    suspend: bool = False
    notify: frozenset[str] = frozenset()
    promises: Promises | None = None
    gates: str = ""

    @property
    def parent(self) -> ImageName | None:
        """The parent's name, or None for a root."""
        return self.origin.image if isinstance(self.origin, ParentReference) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A live version and the inputs it was built from; `scan` is None where none was made, or is remembered."""

    version: GalleryVersion
    fingerprint: Fingerprint
    inputs: BuildInputs
    build: BuildId
    lane: Lane
    published_at: datetime
    scan: LiveScan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBuild:
    """The one build of an image that has not finished."""

    build: BuildId
    fingerprint: Fingerprint
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """The newest request of a person or an advisory; its token enters the fingerprint."""

    token: RebuildToken
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """An open breaker: since when, and `content` digests the inputs of the build that opened it."""

    opened_at: datetime
    content: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonMark:
    """An open poison record that points at the image, and at one of its builds where `build` says so."""

    key: str
    queue: str
    at: datetime
    build: BuildId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHead:
    """Everything that decides about one image, in one record that is written on its ETag.

    `period`, `last_version` and `revision` only move forward; `revision` counts the definitions that were
    registered under the name, and its deletions. `height` is the longest chain of descendants below,
    in levels. `failures` counts failed builds in a row; three open the breaker, and `breaker` remembers at
    what. `poison` holds the newest open poison records about the image, newest first. `build_seconds` is what
    its builds took lately (0: never measured), `chain_seconds` what the longest chain of descendants takes.
    """

    registration: Registration
    registered_at: datetime
    current: PublishedVersion | None = None
    active: ActiveBuild | None = None
    last_version: GalleryVersion | None = None
    period: int = 0
    request: RebuildRequest | None = None
    failures: int = 0
    height: int = 0
    build_seconds: int = 0
    chain_seconds: int | None = None
    revision: int = 0
    breaker: Breaker | None = None
    poison: tuple[PoisonMark, ...] = ()

    @property
    def name(self) -> ImageName:
        """The image's name."""
        return self.registration.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerImage:
    """What is kept of a deleted image, so that one that comes back under the name goes on where it was."""

    name: ImageName
    revision: int
    last_version: GalleryVersion | None = None
