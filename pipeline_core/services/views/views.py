"""What readers are shown: frozen, plain, made for the API and the dashboard. Texts and numbers only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline_core.domain.builds import Build
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionView:
    """What keeps an image or a build from going on: `reason` for programs, `message` for people."""

    type: str
    since: datetime | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One image as lists show it; empty texts where there is nothing yet."""

    name: str
    team: str
    parent: str
    source: str
    version: str
    origin_version: str
    fingerprint: str
    published_at: datetime | None
    active_build: str
    active_phase: str
    state: str
    reasons: tuple[str, ...] = ()
    detail: str = ""
    conditions: tuple[ConditionView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """What one gate decided; `score` is 0 to 100, None where the gate compares none."""

    gate: str
    passed: bool
    score: float | None
    evidence: str
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildView:
    """One build; `gates` is empty until it was judged."""

    id: str
    image: str
    phase: str
    result: str
    seq: int
    attempt: int
    lane: str
    version: str
    origin_version: str
    fingerprint: str
    campaign: str
    reasons: tuple[str, ...]
    created_at: datetime
    phase_since: datetime
    provenance: str
    failure_class: str = ""
    failure_owner: str = ""
    failure: str = ""
    conditions: tuple[ConditionView, ...] = ()
    gates: tuple[GateView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One line of the journal."""

    at: datetime
    event: str
    actor: str
    build: str
    version: str
    reasons: tuple[str, ...]
    detail: str
    campaign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetail:
    """One image with its builds (newest first) and its journal (newest first)."""

    image: ImageView
    etag: str
    definition: str
    bundle: str
    builds: tuple[BuildView, ...] = ()
    journal: tuple[EntryView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePage:
    """A page of images by name; `next` is the cursor of the following page, empty at the end."""

    images: tuple[ImageView, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageView:
    """The forest: images by level (roots first), each with its parent, and what has no place in it."""

    levels: tuple[tuple[str, ...], ...]
    parents: dict[str, str | None]
    errors: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonView:
    """One poisoned message. `text` was written by anybody: it is shown as text and never rendered.

    `is_whole` is false where it cannot be sent again; `size` is the message's length in bytes.
    """

    key: str
    queue: str
    text: str
    at: datetime
    size: int
    is_whole: bool
    image: str
    build: str
    error: str
    state: str
    closed_by: str
    closed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """True where nobody has dealt with it."""
        return self.state == PoisonState.OPEN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonPageView:
    """A page of poisoned messages, newest first; `next` is the cursor of the following page, empty at the end."""

    records: tuple[PoisonView, ...]
    next: str


def condition_views(conditions: Iterable[Condition]) -> tuple[ConditionView, ...]:
    """The views of conditions that were derived elsewhere."""
    return tuple(
        ConditionView(type=each.type.value, since=each.since, reason=each.reason, message=each.message)
        for each in conditions
    )


def image_view(
    head: ImageHead,
    *,
    state: str,
    reasons: tuple[str, ...] = (),
    detail: str = "",
    conditions: Iterable[Condition] = (),
) -> ImageView:
    """The view of a head in a state that was decided elsewhere."""
    origin = head.registration.origin
    current, active = head.current, head.active
    return ImageView(
        name=str(head.name),
        team=str(head.registration.team),
        parent=str(head.registration.parent or ""),
        source=origin.key if isinstance(origin, MarketplaceSource) else "",
        version="" if current is None else str(current.version),
        origin_version="" if current is None else str(current.inputs.origin),
        fingerprint="" if current is None else str(current.fingerprint),
        published_at=None if current is None else current.published_at,
        active_build="" if active is None else str(active.build),
        active_phase="" if active is None else active.phase.value,
        state=state,
        reasons=reasons,
        detail=detail,
        conditions=condition_views(conditions),
    )


def gate_view(verdict: Verdict) -> GateView:
    """The view of a verdict."""
    return GateView(
        gate=verdict.gate,
        passed=verdict.passed,
        score=verdict.score,
        evidence=verdict.evidence,
        simulated=verdict.simulated,
    )


def build_view(build: Build, conditions: Iterable[Condition] = ()) -> BuildView:
    """The view of a build."""
    failure = build.failure
    return BuildView(
        id=str(build.id),
        image=str(build.image),
        phase=build.phase.value,
        result="" if build.result is None else build.result.value,
        seq=build.seq,
        attempt=build.attempt,
        lane=build.lane.name.lower(),
        version="" if build.version is None else str(build.version),
        origin_version=str(build.inputs.origin),
        fingerprint=str(build.fingerprint),
        campaign=str(build.campaign),
        reasons=tuple(str(reason) for reason in build.reasons),
        created_at=build.created_at,
        phase_since=build.phase_since,
        provenance=str(build.provenance or ""),
        failure_class="" if failure is None else failure.error_class.value,
        failure_owner="" if failure is None else failure.error_class.owner,
        failure="" if failure is None else failure.message,
        conditions=condition_views(conditions),
        gates=tuple(gate_view(verdict) for verdict in build.verdicts),
    )


def poison_view(record: PoisonRecord) -> PoisonView:
    """The view of a poisoned message."""
    return PoisonView(
        key=record.key,
        queue=record.queue,
        text=record.text,
        at=record.at,
        size=record.size,
        is_whole=record.is_whole,
        image=str(record.image or ""),
        build=str(record.build or ""),
        error=record.error,
        state=record.state.value,
        closed_by=record.closed_by,
        closed_at=record.closed_at,
    )
