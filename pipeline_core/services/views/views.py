"""The views of readers, made for the API and the dashboard. An absent value is None. A reader decides how it looks.

Facts that need no other form come as the domain has them: conditions, verdicts, journal entries, differences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain.builds import Build
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.differences import AdvisoryNote, ComplianceChange, PackageChange
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.lineage import LineageProblem
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One image as lists show it. A field is None if it has no value yet, or if the image's row cannot be read."""

    name: str
    team: str | None
    parent: str | None
    source: str | None
    version: str | None
    origin_version: str | None
    fingerprint: str | None
    published_at: datetime | None
    active_build: str | None
    active_phase: str | None
    state: str
    reasons: tuple[str, ...] = ()
    detail: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildView:
    """One build. `gates` is empty until the build was judged."""

    id: str
    image: str
    phase: str
    result: str | None
    seq: int
    attempt: int
    lane: str
    version: str | None
    origin_version: str
    fingerprint: str
    campaign: str
    reasons: tuple[str, ...]
    created_at: datetime
    phase_since: datetime
    provenance: str | None
    failure_class: str | None = None
    failure_owner: str | None = None
    failure: str | None = None
    conditions: tuple[Condition, ...] = ()
    gates: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildHistory:
    """A page of builds, newest first. `next` is the cursor of the following page, None at the end."""

    builds: tuple[BuildView, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetail:
    """One image with the first page of its builds and of its journal, both newest first.

    `next_builds` and `next_journal` are the cursors of what follows, None at the end.
    """

    image: ImageView
    etag: str | None
    definition: str | None
    bundle: str | None
    builds: tuple[BuildView, ...] = ()
    journal: tuple[Entry, ...] = ()
    next_builds: str | None = None
    next_journal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePage:
    """A page of images by name. `next` is the cursor of the following page, None at the end.

    `total` counts the whole fleet, None where the factory has not counted it. `misplaced` has the images of the whole
    fleet that are recorded as without a place in the forest.
    """

    images: tuple[ImageView, ...]
    next: str | None
    total: int | None = None
    misplaced: tuple[LineageProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageView:
    """A page of the forest: images by level (roots first), each with its parent, and the images without a place in it.

    `next` is the cursor of the following page, None at the end.
    """

    levels: tuple[tuple[str, ...], ...]
    parents: dict[str, str | None]
    errors: tuple[LineageProblem, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """A kept file. `sha256` is None for a log, which has no digest. `is_last`: there is no later attempt."""

    name: str
    stage: str
    attempt: int
    is_last: bool
    sha256: str | None
    size: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """Every kept file of a build, by stage and attempt. `problems` lists what could not be read, and why."""

    build: str
    image: str
    version: str | None
    gates: tuple[Verdict, ...]
    files: tuple[EvidenceFile, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two versions of an image, the builds that made them, and their differences. See `domain.differences`."""

    image: str
    before: str
    after: str
    before_build: str
    after_build: str
    packages: tuple[PackageChange, ...]
    fixed: tuple[AdvisoryNote, ...] | None
    still_open: tuple[AdvisoryNote, ...] | None
    compliance: ComplianceChange
    simulated: bool


def image_view(
    head: ImageHead,
    *,
    state: str,
    reasons: tuple[str, ...] = (),
    detail: str = "",
    conditions: Iterable[Condition] = (),
) -> ImageView:
    """The view of a head, in a state that the caller has decided."""
    origin = head.registration.origin
    current, active = head.current, head.active
    return ImageView(
        name=str(head.name),
        team=str(head.registration.team),
        parent=_text(head.registration.parent),
        source=origin.key if isinstance(origin, MarketplaceSource) else None,
        version=None if current is None else str(current.version),
        origin_version=None if current is None else str(current.inputs.origin),
        fingerprint=None if current is None else str(current.fingerprint),
        published_at=None if current is None else current.published_at,
        active_build=None if active is None else str(active.build),
        active_phase=None if active is None else active.phase.value,
        state=state,
        reasons=reasons,
        detail=detail,
        conditions=tuple(conditions),
    )


def unreadable_view(name: str, detail: str, conditions: Iterable[Condition] = ()) -> ImageView:
    """The view of an image whose head cannot be read: nothing about it is known."""
    return ImageView(
        name=name,
        team=None,
        parent=None,
        source=None,
        version=None,
        origin_version=None,
        fingerprint=None,
        published_at=None,
        active_build=None,
        active_phase=None,
        state="unknown",
        detail=detail,
        conditions=tuple(conditions),
    )


def build_view(build: Build, conditions: Iterable[Condition] = ()) -> BuildView:
    """The view of a build."""
    failure = build.failure
    return BuildView(
        id=str(build.id),
        image=str(build.image),
        phase=build.phase.value,
        result=None if build.result is None else build.result.value,
        seq=build.seq,
        attempt=build.attempt,
        lane=build.lane.name.lower(),
        version=_text(build.version),
        origin_version=str(build.inputs.origin),
        fingerprint=str(build.fingerprint),
        campaign=str(build.campaign),
        reasons=tuple(str(reason) for reason in build.reasons),
        created_at=build.created_at,
        phase_since=build.phase_since,
        provenance=_text(build.provenance),
        failure_class=None if failure is None else failure.error_class.value,
        failure_owner=None if failure is None else failure.who.value,
        failure=None if failure is None else failure.message or None,
        conditions=tuple(conditions),
        gates=build.verdicts,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
