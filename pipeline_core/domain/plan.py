"""What to do about one image. Pure: a snapshot and the time go in, one decision with its reasons comes out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain import breaker, claims, lanes, releases, windows
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Claim, ClaimAnswer, Outcome
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.domain.reasons import NO_CHANGES, ChangeCount, Lane, ReasonKind, RebuildReason, lane_of
from pipeline_core.domain.snapshot import Snapshot
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.staleness import Current, Stale, Unknown, find_difference, find_step_down
from pipeline_core.domain.versions import GalleryVersion


@unique
class RestReason(Enum):
    """Why nothing is started."""

    UNREGISTERED = "unregistered"  # the image was deleted
    CURRENT = "current"  # the current version has the desired fingerprint
    NOT_ADMITTED = "not-admitted"  # a tool that it needs is not admitted: there is no file to build with
    UNKNOWN = "unknown"  # its desired inputs are not known yet
    WAITS_FOR_ANCESTOR = "waits-for-ancestor"  # an ancestor is stale and will be rebuilt first
    IN_FLIGHT = "in-flight"  # a build of this input is on its way
    WAITS_FOR_RUNNING = "waits-for-running"  # a build of an older input runs; its end reconciles again
    BLOCKED = "blocked"  # this input failed for good, was cancelled, or its version is withheld
    COOLING_DOWN = "cooling-down"  # a transient failure used up its tries a short while ago
    BREAKER_OPEN = "breaker-open"  # failures in a row, and the same inputs: a person has to look
    RELEASE_WITHDRAWN = (
        "release-withdrawn"  # it was built from a newer release than is offered: SecOps may decide
    )
    SUSPENDED = "suspended"  # the definition says so
    NOT_WANTED = "not-wanted"  # the definition does not rebuild on this kind of change
    OUTSIDE_WINDOW = "outside-window"  # the rebuild window is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBuild:
    """Claim `fingerprint` and create a pending build; `replaces` is a pending build of an older input.

    `followed` is the count of the parent's changes that the inputs have seen.
    """

    inputs: BuildInputs
    fingerprint: Fingerprint
    generation: int
    reasons: tuple[RebuildReason, ...]
    lane: Lane
    replaces: BuildId | None
    followed: ChangeCount = NO_CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseVersion:
    """Make a version current that was already built from the desired inputs. `lane` is that of the change."""

    version: GalleryVersion
    build: BuildId
    fingerprint: Fingerprint
    inputs: BuildInputs
    reasons: tuple[RebuildReason, ...]
    lane: Lane
    followed: ChangeCount = NO_CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNothing:
    """Nothing is to be started, and why; `detail` is for a person.

    `has_no_place` says that the image's lineage is broken: a message that it passed on could come back for ever.
    """

    why: RestReason
    detail: str = ""
    has_no_place: bool = False
    reasons: tuple[RebuildReason, ...] = ()


Decision = StartBuild | ReuseVersion | DoNothing

_OBEYS_WINDOW = frozenset({Lane.HUMAN, Lane.BACKGROUND})


def plan(snapshot: Snapshot, now: datetime) -> Decision:
    """Decide about `snapshot.image`. The cost grows with the length of its chain of ancestors."""
    head = snapshot.world.heads.get(snapshot.image)
    if head is None:
        return DoNothing(why=RestReason.UNREGISTERED, detail=f"{snapshot.image} is not registered")
    staleness = snapshot.staleness[snapshot.image]
    match staleness:
        case Current():
            return DoNothing(why=RestReason.CURRENT)
        case Unknown(missing=missing):
            is_broken = snapshot.image in snapshot.world.broken
            return DoNothing(why=RestReason.UNKNOWN, detail=missing, has_no_place=is_broken)
    ancestor = _awaited_ancestor(snapshot, head, staleness, now)
    if ancestor is not None:
        return DoNothing(
            why=RestReason.WAITS_FOR_ANCESTOR,
            detail=f"{ancestor} is stale and is rebuilt first",
            reasons=staleness.reasons,
        )
    return _decide_stale(snapshot, head, _with_clock(snapshot, head, staleness, now), now)


def find_first(snapshot: Snapshot, now: datetime) -> ImageHead | None:
    """Which image is to be built first: this one, or the ancestor that it waits for; None where none begins now.

    An ancestor with an active build is none of these: whatever it needs, the image waits for its end.
    """
    head, staleness = snapshot.world.heads.get(snapshot.image), snapshot.find_stale(snapshot.image)
    if head is None or staleness is None:
        return None
    ancestor = _awaited_ancestor(snapshot, head, staleness, now)
    first = head if ancestor is None else snapshot.world.heads[ancestor]
    stale = snapshot.find_stale(first.name)
    if stale is None or (ancestor is not None and first.active is not None):
        return None
    return first if isinstance(_decide_stale(snapshot, first, stale, now), StartBuild) else None


def find_obstacle(snapshot: Snapshot, image: ImageName, now: datetime) -> DoNothing | None:
    """What keeps a stale image of the snapshot from being built by itself; None where nothing does."""
    stale = snapshot.find_stale(image)
    if stale is None:
        return None
    return _obstacle(snapshot, snapshot.world.heads[image], stale, snapshot.find_claim(image), now)


def _decide_stale(snapshot: Snapshot, head: ImageHead, staleness: Stale, now: datetime) -> Decision:
    claim = snapshot.find_claim(head.name)
    obstacle = _obstacle(snapshot, head, staleness, claim, now)
    if obstacle is not None:
        return obstacle
    if claim is not None and claim.version is not None and claim.outcome is Outcome.SUCCEEDED:
        return ReuseVersion(
            version=claim.version,
            build=claim.build,
            fingerprint=staleness.fingerprint,
            inputs=staleness.desired,
            reasons=staleness.reasons,
            lane=lanes.next_lane(head, staleness, snapshot.world),
            followed=lanes.followed(head, snapshot.world),
        )
    if head.active is not None and head.active.phase is not Phase.PENDING:
        return DoNothing(
            why=RestReason.WAITS_FOR_RUNNING,
            detail=f"build {head.active.build} of an older input runs; the next follows its end",
            reasons=staleness.reasons,
        )
    return StartBuild(
        inputs=staleness.desired,
        fingerprint=staleness.fingerprint,
        generation=1 if claim is None else claim.generation + 1,
        reasons=staleness.reasons,
        lane=lanes.next_lane(head, staleness, snapshot.world),
        replaces=None if head.active is None else head.active.build,
        followed=lanes.followed(head, snapshot.world),
    )


def _obstacle(
    snapshot: Snapshot, head: ImageHead, staleness: Stale, claim: Claim | None, now: datetime
) -> DoNothing | None:
    """What keeps a stale image from being built now by itself; its ancestors are not considered."""
    reasons = staleness.reasons
    known, lane = head.registration, lanes.next_lane(head, staleness, snapshot.world)
    match claims.read_claim(claim, now, known.gates, snapshot.floor, known.limits, head.grants):
        case ClaimAnswer.JOIN:
            return DoNothing(why=RestReason.IN_FLIGHT, detail=claims.describe(claim), reasons=reasons)
        case ClaimAnswer.BLOCKED:
            return DoNothing(why=RestReason.BLOCKED, detail=claims.describe(claim), reasons=reasons)
        case ClaimAnswer.COOL_DOWN:
            return DoNothing(why=RestReason.COOLING_DOWN, detail=claims.describe(claim), reasons=reasons)
        case ClaimAnswer.REUSE:
            # A version that was kept out because nobody wanted it enters `latest` by the rules for a build.
            is_spare = claim is not None and claim.is_spare
            return _by_rule(snapshot, head, staleness, lane, now) if is_spare else None
        case _:  # BUILD: the claim is not an obstacle
            pass
    # This comes before the next rule: a request closes the breaker, and the requested builds may fail in a row too.
    if breaker.is_open(head, staleness.desired):
        detail = f"{head.failures} builds failed in a row; repair the cause, then ask for a rebuild"
        return DoNothing(why=RestReason.BREAKER_OPEN, detail=detail, reasons=reasons)
    against = _by_rule(snapshot, head, staleness, lane, now)
    if against is None and head.name in snapshot.lacking:
        return DoNothing(why=RestReason.NOT_ADMITTED, detail=snapshot.lacking[head.name], reasons=reasons)
    return against


def find_rule_against(
    snapshot: Snapshot, image: ImageName, believed: BuildInputs, now: datetime
) -> DoNothing | None:
    """Which rule of the definition, or of withdrawn releases, keeps a stale image from being built by itself.

    None where no rule does, or the image is current. Claims and the breaker are not asked. Where the snapshot does not
    know whether the image is stale, it counts as stale if its current version is of other inputs than `believed`:
    a definition's rules hold for a build that waits, whatever else is not known.
    """
    head, staleness = snapshot.world.heads[image], snapshot.staleness[image]
    if isinstance(staleness, Unknown):
        stale = find_difference(head, believed, snapshot.world)
    else:
        stale = snapshot.find_stale(image)
    if stale is None:
        return None
    return _by_rule(snapshot, head, stale, lanes.next_lane(head, stale, snapshot.world), now)


def find_rule_against_part(
    snapshot: Snapshot, image: ImageName, inputs: BuildInputs, planned: Lane, now: datetime
) -> DoNothing | None:
    """Which of these rules holds back what a build of `inputs` brings by itself; None where none does.

    The image may lack more than the build brings, and what is not in the build cannot excuse it. `planned` is the
    lane in which the build was planned. It has the lane of the parent's changes up to the build's parent version.
    """
    head = snapshot.world.heads[image]
    brought = find_difference(head, inputs, snapshot.world)
    if brought is None:
        return None
    return _by_rule(snapshot, head, brought, min(planned, lane_of(brought.reasons, None)), now)


def _by_rule(
    snapshot: Snapshot, head: ImageHead, staleness: Stale, lane: Lane, now: datetime
) -> DoNothing | None:
    """`lane` is that of the changes in `staleness`."""
    reasons = staleness.reasons
    withdrawn = _waits_for_decision(snapshot, head, lane, now)
    if withdrawn:
        return DoNothing(why=RestReason.RELEASE_WITHDRAWN, detail=withdrawn, reasons=reasons)
    kinds = frozenset(reason.kind for reason in reasons)
    if ReasonKind.REBUILD_REQUESTED in kinds:
        return None  # a person or an advisory asked: rules that hold back automatic rebuilds do not apply
    registration = head.registration
    if registration.suspend:
        return DoNothing(why=RestReason.SUSPENDED, detail="spec.rebuild.suspend is true", reasons=reasons)
    if head.current is not None and not _is_wanted(registration.on, kinds):
        names = ", ".join(sorted(kind.value for kind in kinds))
        return DoNothing(why=RestReason.NOT_WANTED, detail=f"spec.rebuild.on has no {names}", reasons=reasons)
    window = registration.window if lane in _OBEYS_WINDOW and head.current is not None else None
    if window is not None and not windows.parse_window(window).contains(now):
        return DoNothing(why=RestReason.OUTSIDE_WINDOW, detail=window, reasons=reasons)
    return None


_BY_PARENT = frozenset({ReasonKind.SOURCE_CHANGED, ReasonKind.PARENT_CHANGED})
_BY_DEFINITION = frozenset({ReasonKind.DEFINITION_CHANGED, ReasonKind.BUNDLE_CHANGED})

_BESIDE = frozenset({ReasonKind.SOURCE_WITHDRAWN})  # it decides nothing by itself


def _is_wanted(on: frozenset[RebuildOn], kinds: frozenset[ReasonKind]) -> bool:
    """One wanted change is enough; platform, catalog and refresh are SecOps' and cannot be declined."""
    if kinds - _BY_PARENT - _BY_DEFINITION - _BESIDE:
        return True
    by_parent = RebuildOn.PARENT in on and bool(kinds & _BY_PARENT)
    by_definition = RebuildOn.DEFINITION in on and bool(kinds & _BY_DEFINITION)
    return by_parent or by_definition


def _waits_for_decision(snapshot: Snapshot, head: ImageHead, lane: Lane, now: datetime) -> str:
    """Why a step down to an older release waits for SecOps; empty where nothing waits.

    The security lane never waits: a change in it is worth more than the newer release. Otherwise SecOps may decide
    at once, and after `releases.PATIENCE`, or the image's shorter `maxAge`, the step is taken.
    """
    left, origin = find_step_down(head, snapshot.world), head.registration.origin
    if left is None or head.current is None or not isinstance(origin, MarketplaceSource):
        return ""
    followed = snapshot.world.sources[origin.key]
    if followed.newest is None:
        return ""  # nothing is offered to step down to
    if releases.is_accepted(followed) or lane is Lane.SECURITY:
        return ""
    gone = followed.find_withdrawn(left.version)
    since = head.current.published_at if gone is None else gone.since
    until = since + _patience(head)
    if until <= now:
        return ""
    by = releases.WithdrawalReason.ABSENT if gone is None else gone.by
    return (
        f"{left} {by} since {since:%Y-%m-%d}, and the image was built from it; SecOps may accept the step down to"
        f" {followed.newest} (`imagefactory sources accept`), else it is taken on {until:%Y-%m-%d}"
    )


def _patience(head: ImageHead) -> timedelta:
    longest = head.registration.max_age
    return releases.PATIENCE if longest is None else min(longest, releases.PATIENCE)


_BY_CLOCK = frozenset({ReasonKind.REFRESH_DUE})
_RESTS_SHORTLY = frozenset({RestReason.OUTSIDE_WINDOW, RestReason.COOLING_DOWN})


def _awaited_ancestor(
    snapshot: Snapshot, head: ImageHead, staleness: Stale, now: datetime
) -> ImageName | None:
    """The nearest ancestor whose own rebuild would make this image stale at once, or None.

    An image does not wait for an ancestor that is blocked, suspended, cooling down, outside its window, or without the
    file of a tool. Such an ancestor keeps its version for now, and its descendants build on that version. Where nothing
    but a refresh is due, the image also waits for an ancestor that rests for hours: a refresh moves the whole chain. A
    security change that the parent's version brings waits for `lanes.PATIENCE` at most, so an ancestor that is edited
    without end cannot keep it away.
    """
    if lanes.is_overdue(head, staleness, snapshot.world, now):
        return None
    is_refresh = {reason.kind for reason in staleness.reasons} == _BY_CLOCK
    for ancestor in _ancestors(snapshot, head):
        if ancestor.active is not None and ancestor.active.phase is not Phase.FINISHED:
            return ancestor.name
        if snapshot.find_stale(ancestor.name) is None:
            continue
        obstacle = find_obstacle(snapshot, ancestor.name, now)
        if obstacle is None or (is_refresh and obstacle.why in _RESTS_SHORTLY):
            return ancestor.name
    return None


def _with_clock(snapshot: Snapshot, head: ImageHead, staleness: Stale, now: datetime) -> Stale:
    """The same, but a refresh that goes ahead of a resting ancestor says so."""
    if not any(reason.kind is ReasonKind.REFRESH_DUE for reason in staleness.reasons):
        return staleness
    for ancestor in _ancestors(snapshot, head):
        obstacle = find_obstacle(snapshot, ancestor.name, now)
        if obstacle is not None:
            note = f"by its own clock, because {ancestor.name} is {obstacle.why.value}"
            reasons = tuple(
                replace(reason, new=f"{reason.new}, {note}")
                if reason.kind is ReasonKind.REFRESH_DUE
                else reason
                for reason in staleness.reasons
            )
            return replace(staleness, reasons=reasons)
    return staleness


def _ancestors(snapshot: Snapshot, head: ImageHead) -> Iterator[ImageHead]:
    """The heads above, from the parent up to the root."""
    parent = head.registration.parent
    while parent is not None:
        above = snapshot.world.heads.get(parent)
        if above is None:
            return
        yield above
        parent = above.registration.parent
