"""The stored state of one image: what is registered, what is current, what runs. Frozen; changed by copies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain import access, replication
from pipeline_core.domain.access import Subject
from pipeline_core.domain.builds import Build, JudgedReport, ParentFacts, Phase
from pipeline_core.domain.definitions import ALWAYS_ON, ImageDefinition, RebuildOn
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.floors import LiveScan, Promises, kept_promises
from pipeline_core.domain.names import (
    BuildId,
    Digest,
    Fingerprint,
    GalleryName,
    ImageName,
    RebuildToken,
    TeamName,
)
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.reasons import NO_CHANGES, ChangeCount, Lane
from pipeline_core.domain.recipe import gates_digest, limits_digest, recipe_digest
from pipeline_core.domain.sources import MarketplaceSource, Origin, ParentReference, ParentVersion
from pipeline_core.domain.versions import GalleryVersion

_TAKEN_OUT = 10  # versions that a head names as taken out of latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The facts of a definition that planning needs; the whole document is a blob under `definition`.

    `catalog` holds the ids of staged tools; `gallery` is the live gallery chosen when the image was
    first registered, `quarantine` the quarantine gallery, None in heads of releases with one of them (its placement,
    which never changes); `notify` the events that some webhook wants.
    `max_age` is SecOps' where the definition names none; `promises` is None where the document must be read.
    `gates` is the digest of what the definition asks of a version before it may be published, `limits` that of what
    limits a run.
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
    on: frozenset[RebuildOn] = ALWAYS_ON
    window: str | None = None
    max_age: timedelta | None = None
    suspend: bool = False
    notify: frozenset[str] = frozenset()
    promises: Promises | None = None
    gates: str = ""
    quarantine: GalleryName | None = None
    limits: str = ""

    @classmethod
    def of_definition(
        cls,
        definition: ImageDefinition,
        digest: Digest,
        gallery: GalleryName,
        policy: Policy,
        *,
        quarantine: GalleryName | None = None,
    ) -> "Registration":
        """The facts of `definition`, whose blob is `digest`, for an image that is placed in `gallery`.

        A definition that names no `maxAge` takes the longest that the policy allows at this moment.
        """
        return cls(
            name=definition.name,
            team=definition.team,
            origin=definition.origin,
            major=definition.major,
            definition=digest,
            recipe=recipe_digest(definition),
            bundle=definition.bundle,
            gallery=gallery,
            catalog=definition.build.catalog,
            on=definition.rebuild.on,
            window=definition.rebuild.window,
            max_age=definition.rebuild.max_age or policy.longest_max_age,
            suspend=definition.rebuild.suspend,
            notify=frozenset(event for hook in definition.notify for event in hook.events),
            promises=kept_promises(definition),
            gates=str(gates_digest(definition)),
            quarantine=quarantine,
            limits=str(limits_digest(definition)),
        )

    @property
    def subject(self) -> Subject:
        """The image as the table of rights sees it."""
        return access.subject_of(self.name, self.team, is_base=isinstance(self.origin, MarketplaceSource))

    @property
    def parent(self) -> ImageName | None:
        """The parent's name, or None for a root."""
        return self.origin.image if isinstance(self.origin, ParentReference) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRegions:
    """Regions of the definition that a live version is not in, because its replication failed there.

    They are tried again after the moment `after`. `why` is the platform's word.
    """

    names: tuple[str, ...]
    tries: int
    after: datetime
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A live version and the inputs it was built from; `scan` is None where none was made or kept.

    `lane` is that of the change which made it current. `followed` is how often the parent's current version had
    changed when the inputs were fixed.
    `missing` is None where it is in every region that its definition names.
    `gates` is the digest of the demands by which it was judged, empty where it was not kept. `report` is the report
    that was judged, None where it was not kept: the build's row names it.
    """

    version: GalleryVersion
    fingerprint: Fingerprint
    inputs: BuildInputs
    build: BuildId
    lane: Lane
    published_at: datetime
    scan: LiveScan | None = None
    followed: ChangeCount = NO_CHANGES
    missing: MissingRegions | None = None
    gates: str = ""
    report: JudgedReport | None = None


def missing_regions(built: Build, since: datetime) -> MissingRegions | None:
    """The regions that the version of a build was copied without, where it becomes current at `since`."""
    if not built.left_out:
        return None
    after = since + replication.turn_after(1)
    return MissingRegions(names=built.left_out, tries=1, after=after, why=built.left_out_why)


@unique
class DoubtKind(Enum):
    """How the gallery differs from what the factory believes about the current version."""

    GONE = "gone"  # the gallery does not hold it
    EXCLUDED = "excluded"  # somebody else took it out of `latest`
    UNPROVEN = "unproven"  # no signed statement proves it, or it was copied from another version than its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What the last look at the gallery has shown about a version, first seen at `since`; `detail` is one sentence."""

    kind: DoubtKind
    version: GalleryVersion
    since: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBuild:
    """The one build of an image that has not finished."""

    build: BuildId
    fingerprint: Fingerprint
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """The newest request of a person or an advisory; its token is part of the fingerprint."""

    token: RebuildToken
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWish:
    """A request whose build failed for good, where the image is current without it; `why` is for people."""

    build: BuildId
    at: datetime
    error_class: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """An open breaker: since when. `content` is the digest of the inputs of the build that opened it."""

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
class RetentionHold:
    """How many live versions retention would remove, were it known that no machine uses them, and since when."""

    versions: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHead:
    """Everything that decides about one image, in one record; a write needs its ETag. Times are aware UTC."""

    # The newest definition. Only a registration writes it.
    registration: Registration
    # When the name was registered, again after a deletion; shown, and kept in the recovery log.
    registered_at: datetime
    # The live version that `latest` and the children follow. None: nothing is published yet, and children wait.
    # Written by a build that succeeds, by the reuse of a version, and by recovery.
    current: PublishedVersion | None = None
    # The one build that has not ended; None where nothing runs. Written when that build is queued, when it begins and
    # when it ends: the build's own row has its phase in between. `plan` replaces one that is pending, and waits for
    # one that runs.
    active: ActiveBuild | None = None
    # The highest version that was ever allotted, published or not; None where none was. The next one is above
    # it. Written by dispatch and by each retry, and only moves forward.
    last_version: GalleryVersion | None = None
    # When the `maxAge` interval of the newest build began, in seconds since the epoch; 0 without `maxAge`. Part of
    # the fingerprint, so that the next interval makes the image stale. Written when a build starts or a version is
    # reused, and only moves forward.
    period: int = 0
    # The newest request of a person or an advisory; its token is part of the fingerprint. None: there was none.
    request: RebuildRequest | None = None
    # The newest request that ended by a failure and left the image current; None where there is none, or where a person
    # has asked again. `conditions` shows it as WishFailed until another version is current.
    failed_wish: FailedWish | None = None
    # Failed builds in a row, counted by their ends. A success, a request or a new definition sets it to 0.
    failures: int = 0
    # The longest chain of descendants, in levels; 0 for a leaf. Raised by the registration of a descendant, and
    # never lowered. Used instead of `chain_seconds` until that is known.
    height: int = 0
    # Seconds from slot to end that its builds took lately, smoothed; 0: never measured. Written by a success.
    build_seconds: int = 0
    # Seconds that the longest chain of descendants takes; None: not computed yet. Written by the sweep where it
    # has changed enough. With `build_seconds` it orders the pending builds of one lane.
    chain_seconds: int | None = None
    # Counts the definitions registered under the name, and its deletions; 0 in heads older than this field.
    # Recovery uses the highest.
    revision: int = 0
    # Since when the breaker is open, and at which content; None where it is closed. Opened by the third failure
    # in a row; closed by a success, by a request, and by a build of changed inputs.
    breaker: Breaker | None = None
    # The newest open poison records about the image, newest first. Written by the services of poison messages;
    # `conditions` shows them as Stalled.
    poison: tuple[PoisonMark, ...] = ()
    # Versions that stay only because nobody knows whether they are in use; None where there are none. Written by
    # retention when their number changes; `conditions` shows it as VersionsKept.
    retention_hold: RetentionHold | None = None
    # How often `current` has changed, by the lane of the change. Written with each change of it, and only rises: so a
    # child knows which changes of its parent it has not seen.
    changes: ChangeCount = NO_CHANGES
    # Counts the changes of `current`. It only rises, while the version may fall. 0 in heads older than this field.
    pointer_revision: int = 0
    # The campaign of a change of `current` that was not announced to the children yet; empty where nothing is to be
    # announced. Written with a reuse or a fall. The next handler that reads it sends the message, then clears it.
    announce: str = ""
    # Versions that somebody took out of `latest`, the newest first: none of them is used until it was included again.
    taken_out: tuple[GalleryVersion, ...] = ()
    # What speaks against the current version, as the last look at the gallery has shown; None where nothing does.
    doubt: Doubt | None = None
    # Counts the waivers that were granted. Each grant raises it, so an input that a gate refused is tried once more.
    grants: int = 0

    @property
    def is_doubted(self) -> bool:
        """True where the gallery does not hold, offer or prove what the factory believes to be current."""
        return (
            self.doubt is not None and self.current is not None and self.doubt.version == self.current.version
        )

    @property
    def name(self) -> ImageName:
        """The image's name."""
        return self.registration.name

    def taking_out(self, version: GalleryVersion) -> "ImageHead":
        """The head that names one more version as taken out of `latest` by somebody."""
        others = (each for each in self.taken_out if each != version)
        return replace(self, taken_out=(version, *others)[:_TAKEN_OUT])

    def letting_in(self, version: GalleryVersion) -> "ImageHead":
        """The head that no longer names the version as taken out."""
        return replace(self, taken_out=tuple(each for each in self.taken_out if each != version))

    @property
    def document_etag(self) -> str:
        """The version of the image's document. Builds do not change it."""
        return str(self.registration.definition)


def parent_facts(inputs: BuildInputs, heads: Mapping[ImageName, ImageHead]) -> ParentFacts | None:
    """What a build of these inputs keeps of its parent's version; None where that is not the parent's current one."""
    origin = inputs.origin
    parent = heads.get(origin.image) if isinstance(origin, ParentVersion) else None
    current = None if parent is None else parent.current
    if (
        parent is None
        or current is None
        or origin != ParentVersion(image=parent.name, version=current.version)
    ):
        return None
    return ParentFacts(gallery=parent.registration.gallery, build=current.build, report=current.report)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerImage:
    """What is kept of a deleted image: a new image of this name continues its revisions and versions.

    The name stays reserved for `team` while live versions of the image exist (`domain.reservations`). `team` is None
    where a release before this field deleted the image and nothing else shows it. `is_base`: it was built from the
    Marketplace. `gallery` holds the versions; retention goes by the rule of the last `definition`; both are None as
    `team` is. `unseen_since` is since when the gallery shows no version. `is_free`: it has shown none for long enough.
    """

    name: ImageName
    revision: int
    last_version: GalleryVersion | None = None
    team: TeamName | None = None
    is_base: bool = False
    gallery: GalleryName | None = None
    definition: Digest | None = None
    deleted_at: datetime | None = None
    unseen_since: datetime | None = None
    is_free: bool = False

    @classmethod
    def of_head(cls, head: ImageHead, now: datetime) -> "FormerImage":
        """What is kept of an image that is deleted now. Without any version, nobody needs its name."""
        registration = head.registration
        return cls(
            name=head.name,
            revision=head.revision + 1,
            last_version=head.last_version,
            team=registration.team,
            is_base=registration.parent is None,
            gallery=registration.gallery,
            definition=registration.definition,
            deleted_at=now,
            is_free=head.last_version is None and head.current is None,
        )
