"""What keeps an image or a build from going on by itself: derived from stored facts, never stored. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain import breaker, claims, releases
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.floors import Breach
from pipeline_core.domain.holds import Hold
from pipeline_core.domain.images import ImageHead, PoisonMark
from pipeline_core.domain.names import LIVE
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource, ParentReference
from pipeline_core.domain.staleness import Current, Stale, Staleness, World, find_step_down


@unique
class ConditionType(Enum):
    """A state that a person wants to know about. In most of them a person must act."""

    STALLED = "Stalled"  # a message about it was poisoned, and nothing has gone on since
    BREAKER_OPEN = "BreakerOpen"  # its builds failed in a row, and the input is still the same
    BLOCKED = "Blocked"  # the desired input failed for good, was cancelled, or its version is withheld
    HELD_BACK = "HeldBack"  # an ancestor stays on an older version, so the image has an older base
    BELOW_FLOOR = "BelowFloor"  # SecOps raised the floor above what is registered or live
    SOURCE_WITHDRAWN = "SourceWithdrawn"  # it was built from a release that the Marketplace no longer offers
    SOURCE_SILENT = "SourceSilent"  # the Marketplace gives nothing for its source: no list, or an empty one
    SOURCE_ENDS = "SourceEnds"  # the publisher has named the day from which its release is no longer offered
    LINEAGE_BROKEN = "LineageBroken"  # its parents do not end at a root: nothing can be built
    TOOL_DROPPED = "ToolDropped"  # SecOps took a tool out of the catalog that it names: nothing can be built
    CHANNEL_NOT_FOLLOWED = (
        "ChannelNotFollowed"  # it names a channel of its parent, and follows `live` instead
    )
    UNREADABLE = "Unreadable"  # rows about it cannot be read by the release that runs
    COPY_FAILS = "CopyFails"  # a proven version cannot be copied to the live gallery: it is tried for a week
    REGIONS_MISSING = (
        "RegionsMissing"  # the live version is not in every region, because its replication failed there
    )
    STOPPING = "Stopping"  # a build that was cancelled or cannot succeed: what it made is being removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition that holds: `reason` is for programs, `message` for people; `since` is None if not recorded."""

    type: ConditionType
    since: datetime | None
    reason: str
    message: str


_NAMED = 5  # things below the floor that a message names
_BLOCKED_BY = {
    Outcome.FAILED: "InputFailed",
    Outcome.CANCELLED: "InputCancelled",
    Outcome.WITHHELD: "InputRevoked",  # the name that programs know
}


def of_image(
    head: ImageHead, staleness: Staleness, claim: Claim | None = None, hold: Hold | None = None
) -> tuple[Condition, ...]:
    """The conditions of an image. `claim` is the claim on its desired input, `hold` is the ancestor that holds it back.
    Both are None where they were not looked up.

    Stalled ends when the image becomes current, or when a person requeues or dismisses the message.
    """
    found: list[Condition] = []
    published = None if head.current is None else head.current.published_at
    marks = [mark for mark in head.poison if published is None or published <= mark.at]
    if marks and not isinstance(staleness, Current):
        found.append(_stalled(marks))
    if hold is not None:
        reason = "Ancestor" + hold.why.value.title().replace("-", "")
        found.append(
            Condition(type=ConditionType.HELD_BACK, since=hold.since, reason=reason, message=hold.message)
        )
    found += _regions_missing(head)
    if not isinstance(staleness, Stale):
        return tuple(found)
    if head.breaker is not None and breaker.is_open(head, staleness.desired):
        found.append(
            Condition(
                type=ConditionType.BREAKER_OPEN,
                since=head.breaker.opened_at,
                reason="FailuresInARow",
                message=f"{head.failures} builds failed in a row; repair the cause, then ask for a rebuild",
            )
        )
    if claim is not None and claim.outcome in _BLOCKED_BY:
        found.append(
            Condition(
                type=ConditionType.BLOCKED,
                since=claim.ended_at,
                reason=_BLOCKED_BY[claim.outcome],
                message=claims.describe(claim),
            )
        )
    return tuple(found)


def _regions_missing(head: ImageHead) -> Iterator[Condition]:
    current = head.current
    if current is not None and current.missing is not None:
        missing = current.missing
        yield Condition(
            type=ConditionType.REGIONS_MISSING,
            since=current.published_at,
            reason="ReplicationFailed",
            message=f"{current.version} is not in {', '.join(missing.names)}: {missing.why or 'replication failed'};"
            f" the factory tries it again from {missing.after:%Y-%m-%d %H:%M} UTC on",
        )


def of_source(head: ImageHead, world: World) -> tuple[Condition, ...]:
    """The conditions of a root that come from its Marketplace source: what SecOps has to know, or to decide."""
    origin = head.registration.origin
    followed = world.sources.get(origin.key) if isinstance(origin, MarketplaceSource) else None
    if followed is None:
        return ()
    found: list[Condition] = []
    left = find_step_down(head, world)
    if left is not None:
        gone = followed.find_withdrawn(left.version)
        found.append(
            Condition(
                type=ConditionType.SOURCE_WITHDRAWN,
                since=None if gone is None else gone.since,
                reason="ReleaseWithdrawn" if gone is None else f"Release{gone.by.name.title()}",
                message=f"{left} {'is no longer offered' if gone is None else gone.by}; the version that was built"
                f" from it stays; {_next_step(followed)}",
            )
        )
    if followed.is_silent and followed.silence is not None:
        found.append(
            Condition(
                type=ConditionType.SOURCE_SILENT,
                since=followed.silence.looks.since,
                reason="NothingOffered",
                message=f"{followed.silence.why}; no new release is seen: SecOps checks publisher, offer, SKU and"
                " region, and the factory's right to read them",
            )
        )
    if followed.ends_at is not None and followed.newest is not None:
        found.append(
            Condition(
                type=ConditionType.SOURCE_ENDS,
                since=followed.examined_at,
                reason="ScheduledForDeprecation",
                message=f"its publisher offers {followed.source.urn(followed.newest)} until"
                f" {followed.ends_at:%Y-%m-%d}; SecOps follows a newer release or another source before that day",
            )
        )
    return tuple(found)


def of_registration(head: ImageHead, world: World) -> tuple[Condition, ...]:
    """The conditions that come from what is registered: its place, its tools, its channel."""
    found: list[Condition] = []
    fault, origin = world.broken.get(head.name), head.registration.origin
    if fault is not None:
        found.append(
            Condition(
                type=ConditionType.LINEAGE_BROKEN,
                since=fault.since,
                reason=fault.problem.reason.title(),
                message=f"it {fault.problem.message}; until then it is not rebuilt",
            )
        )
    found.extend(_of_tools(head, world))
    if isinstance(origin, ParentReference) and origin.channel != LIVE:
        found.append(
            Condition(
                type=ConditionType.CHANNEL_NOT_FOLLOWED,
                since=None,
                reason="NoSuchChannel",
                message=f"spec.parent.channel is {origin.channel}, and this factory has no channel but {LIVE}, which"
                f" the image follows; its team registers it with {LIVE} or without the key",
            )
        )
    return tuple(found)


def _of_tools(head: ImageHead, world: World) -> Iterator[Condition]:
    platform = world.platform
    absent = (
        []
        if platform is None
        else [each for each in head.registration.catalog if each not in platform.catalog]
    )
    if platform is None or not absent:
        return
    moments = [platform.dropped[each] for each in absent if each in platform.dropped]
    yield Condition(
        type=ConditionType.TOOL_DROPPED,
        since=min(moments, default=None),
        reason="NotInCatalog",
        message=f"the catalog no longer has {', '.join(sorted(absent))}: no change reaches the image, and no new RHEL"
        " release; its team takes it out of spec.build.catalog, or SecOps puts it back",
    )


def _next_step(followed: FollowedSource) -> str:
    if followed.newest is None:
        return "no other release is offered: SecOps follows another source, or waits for a release"
    instead = followed.source.urn(followed.newest)
    if releases.is_accepted(followed) and followed.accepted is not None:
        return f"its next build takes {instead}, as {followed.accepted.actor} accepted"
    return (
        f"SecOps may accept {instead} for its next build (`imagefactory sources accept`); a change in the security"
        " lane takes it at once"
    )


def below_floor(breaches: Sequence[Breach], policy: Policy, now: datetime) -> Condition | None:
    """Names what is below the floor in force; None where nothing is. `since` is None until the floor is enforced."""
    if not breaches:
        return None
    start = policy.enforced_from
    is_enforced = start is None or start <= now
    when = "" if start is None else f"{'since' if is_enforced else 'from'} {start:%Y-%m-%d}: "
    more = f"; and {len(breaches) - _NAMED} more" if len(breaches) > _NAMED else ""
    return Condition(
        type=ConditionType.BELOW_FLOOR,
        since=start if is_enforced else None,
        reason="FloorEnforced" if is_enforced else "FloorAnnounced",
        message=f"{when}{'; '.join(map(str, breaches[:_NAMED]))}{more}",
    )


def unreadable(places: Sequence[str], since: datetime | None) -> Condition | None:
    """Names the rows that this release cannot read, by their keys; None where there is none."""
    if not places:
        return None
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return Condition(
        type=ConditionType.UNREADABLE,
        since=since,
        reason="RowUnreadable",
        message=f"this release cannot read the rows {', '.join(places[:_NAMED])}{more}: run the newer release again,"
        " or repair the rows (`imagefactory state unreadable` lists them)",
    )


def of_build(build: Build, head: ImageHead | None) -> tuple[Condition, ...]:
    """The conditions of a build. Stalled ends with its next transition, or by a person as for an image."""
    if build.is_finished:
        return ()
    found = [_stopping(build)] if build.is_stopping else [*_copy_fails(build)]
    poison = () if head is None else head.poison
    marks = [mark for mark in poison if mark.build == build.id and build.phase_since <= mark.at]
    return tuple([*found, _stalled(marks)] if marks else found)


def _stopping(build: Build) -> Condition:
    if build.cancel is not None:
        text = f"{build.cancel.actor} cancelled it: {build.cancel.reason or 'no reason was given'}"
        return Condition(type=ConditionType.STOPPING, since=build.cancel.at, reason="Cancelled", message=text)
    text = "" if build.failure is None else build.failure.message
    return Condition(type=ConditionType.STOPPING, since=None, reason="Failed", message=text)


def _copy_fails(build: Build) -> Iterator[Condition]:
    if build.phase is Phase.PUBLISHING and build.copy_after is not None and build.failure is not None:
        yield Condition(
            type=ConditionType.COPY_FAILS,
            since=build.phase_since,
            reason="Copying",
            message=f"{build.failure.message}; nothing is built again, the copy is tried from"
            f" {build.copy_after:%Y-%m-%d %H:%M} UTC on, for a week at most",
        )


def _stalled(marks: Sequence[PoisonMark]) -> Condition:
    newest = max(marks, key=lambda mark: mark.at)
    others = f" (and {len(marks) - 1} more)" if len(marks) > 1 else ""
    return Condition(
        type=ConditionType.STALLED,
        since=min(mark.at for mark in marks),
        reason="MessagePoisoned",
        message=(
            f"a message of {newest.queue} could not be handled; it is kept as {newest.key}{others}: "
            "repair the cause, then requeue or dismiss it"
        ),
    )
