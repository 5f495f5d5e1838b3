"""What keeps an image or a build from going on by itself: derived from stored facts, never stored. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain import breaker, claims, platform_breaker
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.capacity import LimitWait
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.feeds import Feed
from pipeline_core.domain.floors import Breach
from pipeline_core.domain.holds import Hold
from pipeline_core.domain.images import ImageHead, PoisonMark, RetentionHold
from pipeline_core.domain.platform_breaker import BuildPlace, PlatformBreaker
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.staleness import Current, Stale, Staleness
from pipeline_core.domain.version_records import VersionRecord


@unique
class ConditionType(Enum):
    """A state that a person wants to know about. In most of them a person must act."""

    STALLED = "Stalled"  # a message about it was poisoned, and nothing has gone on since
    BREAKER_OPEN = "BreakerOpen"  # its builds failed in a row, and the input is still the same
    BLOCKED = "Blocked"  # the desired input failed for good, was cancelled, or its version is withheld
    HELD_BACK = "HeldBack"  # an ancestor stays on an older version, so the image has an older base
    VERIFY_CHANGED = "VerifyChanged"  # the live version was judged by former demands of its definition
    WISH_FAILED = "WishFailed"  # a rebuild that a person asked for failed; the image is current without it
    PLATFORM_FAULT = "PlatformFault"  # the platform fails: its build is held back, and goes on by itself
    BELOW_FLOOR = "BelowFloor"  # SecOps raised the floor above what is registered or live
    APPROVAL_ENDS = (
        "ApprovalEnds"  # its team may not build on its parent any longer, or only for some days more
    )
    WAIVER_ENDS = (
        "WaiverEnds"  # a waiver that its definition asks for has ended, was withdrawn, or ends in some days
    )
    SOURCE_WITHDRAWN = "SourceWithdrawn"  # it was built from a release that the Marketplace no longer offers
    SOURCE_SILENT = "SourceSilent"  # the Marketplace gives nothing for its source: no list, or an empty one
    SOURCE_ENDS = "SourceEnds"  # the publisher has named the day from which its release is no longer offered
    DOUBTED = "Doubted"  # the gallery does not hold, offer or prove what the factory believes to be current
    TAKEN_OUT = "TakenOut"  # somebody took versions out of `latest`, and their inputs are held until they are included
    BUILT_FROM_TAKEN_OUT = "BuiltFromTakenOut"  # it is built from a version that was taken out or is gone
    VERSIONS_KEPT = (
        "VersionsKept"  # versions that retention would remove stay: nobody knows which ones are in use
    )
    LINEAGE_BROKEN = "LineageBroken"  # its parents do not end at a root: nothing can be built
    TOOL_DROPPED = "ToolDropped"  # SecOps took a tool out of the catalog that it names: nothing can be built
    PLATFORM_TRIAL = "PlatformTrial"  # SecOps try platform steps on it that are not in force
    CATALOG_NOT_ADMITTED = "CatalogNotAdmitted"  # the file of a tool is not admitted: nothing is built
    CHANNEL_NOT_FOLLOWED = (
        "ChannelNotFollowed"  # it names a channel of its parent, and follows `live` instead
    )
    UNREADABLE = "Unreadable"  # rows about it, or the policy, cannot be read by the release that runs
    COPY_FAILS = "CopyFails"  # a proven version cannot be copied to the live gallery: it is tried for a week
    GALLERY_FULL = (
        "GalleryFull"  # a version waits: a gallery's subscription is at its limit of definitions or versions
    )
    REGIONS_MISSING = (
        "RegionsMissing"  # the live version is not in every region, because its replication failed there
    )
    RECEIVER_OFF = "ReceiverSwitchedOff"  # a receiver of its notifications gets nothing until a person acts
    RECEIVER_UNSIGNED = "ReceiverUnsigned"  # a receiver has no signing secret
    TEAM_LIMIT = "TeamLimit"  # a build waits for a limit of its team: it begins by itself
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
    found.extend(_of_gallery(head))
    found += _regions_missing(head)
    if head.retention_hold is not None:
        found.append(_versions_kept(head.retention_hold))
    found += _judged_before(head)
    found += _wish_failed(head)
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


def _of_gallery(head: ImageHead) -> Iterator[Condition]:
    """What the last look at the gallery has shown, and what somebody has done there."""
    if head.is_doubted and head.doubt is not None:
        yield Condition(
            type=ConditionType.DOUBTED,
            since=head.doubt.since,
            reason=f"Version{head.doubt.kind.name.title()}",
            message=f"{head.doubt.detail}; it is not built from until a look shows it again or another is current",
        )
    if head.taken_out:
        named = ", ".join(map(str, head.taken_out[:_NAMED]))
        yield Condition(
            type=ConditionType.TAKEN_OUT,
            since=None,
            reason="VersionExcluded",
            message=f"somebody took {named} out of latest: it is not used until"
            f" `imagefactory versions include {head.name} VERSION`, or until it is in latest again",
        )


def built_from_taken_out(lost: Iterable[VersionRecord]) -> Condition | None:
    """Names the nearest of the versions that an image is built from and that was taken out or is gone."""
    for record in lost:
        by = f", by {record.actor}" if record.actor else ""
        return Condition(
            type=ConditionType.BUILT_FROM_TAKEN_OUT,
            since=record.at,
            reason=f"Origin{record.standing.name.title()}",
            message=f"it is built from {record.image}@{record.version}{by}: {record.reason}; SecOps decides about it",
        )
    return None


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


def _versions_kept(hold: RetentionHold) -> Condition:
    count = "1 live version" if hold.versions == 1 else f"{hold.versions} live versions"
    return Condition(
        type=ConditionType.VERSIONS_KEPT,
        since=hold.since,
        reason="UseUnknown",
        message=f"{count} beyond `retention` cannot be removed: `keepInUse` is true, and no inventory says which "
        "versions machines use; set `spec.retention.keepInUse: false` to let them go by number and age alone",
    )


def _judged_before(head: ImageHead) -> Iterator[Condition]:
    current = head.current
    if current is not None and current.gates and current.gates != head.registration.gates:
        yield Condition(
            type=ConditionType.VERIFY_CHANGED,
            since=None,
            reason="JudgedBefore",
            message=f"{current.version} was judged before `verify` changed: {verify_remedy(head)}",
        )


def _wish_failed(head: ImageHead) -> Iterator[Condition]:
    wish, current = head.failed_wish, head.current
    if wish is not None and current is not None and current.published_at <= wish.at:
        yield Condition(
            type=ConditionType.WISH_FAILED,
            since=wish.at,
            reason="RequestFailed",
            message=f"the rebuild that was asked for failed in {wish.build}: {wish.error_class}: {wish.why}; the image"
            f" stays on {current.version}: its team repairs the cause and asks again"
            f" (`imagefactory rebuild {head.name}`)",
        )


def verify_remedy(head: ImageHead) -> str:
    """When a changed `verify` takes effect."""
    if RebuildOn.VERIFY in head.registration.on:
        return "spec.rebuild.on has verify, so a build that is judged anew follows"
    return (
        "it takes effect with the next build; ask for one (`imagefactory rebuild"
        f" {head.name}`), or add verify to spec.rebuild.on"
    )


def of_platform(breakers: Iterable[PlatformBreaker], place: BuildPlace) -> tuple[Condition, ...]:
    """What the open platform breakers that are about an image say. Only an image that is not current waits."""
    return tuple(
        Condition(
            type=ConditionType.PLATFORM_FAULT,
            since=breaker.opened_at,
            reason=breaker.error_class.name.title().replace("_", ""),
            message=breaker.describe(),
        )
        for breaker in breakers
        if platform_breaker.covers(breaker, place)
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


def policy_unreadable(why: str, *, is_lost: bool = False) -> Condition:
    """Nobody knows whether an image is below the floor. `why` names the policy and what is not known in it.

    With `is_lost` its document is gone, and `why` says what SecOps runs.
    """
    remedy = (
        ""
        if is_lost
        else ": SecOps runs the release that wrote the policy, or puts one in force with it that this release knows"
    )
    return Condition(
        type=ConditionType.UNREADABLE,
        since=None,
        reason="PolicyUnreadable",
        message=f"{why}; no gate is passed and nothing is registered meanwhile{remedy}",
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


def receiver_unreadable(receiver: str, why: str) -> Condition:
    """Nobody knows what a receiver of the image's notifications has got. `why` names the row of its feed."""
    return Condition(
        type=ConditionType.UNREADABLE,
        since=None,
        reason="ReceiverUnreadable",
        message=f"{why}; {receiver} gets no notifications meanwhile, and gets them when the row can be read",
    )


def of_build(build: Build, head: ImageHead | None) -> tuple[Condition, ...]:
    """The conditions of a build. Stalled ends with its next transition, or by a person as for an image."""
    if build.is_finished:
        return ()
    found = [_stopping(build)] if build.is_stopping else [*_copy_fails(build), *_gallery_full(build)]
    poison = () if head is None else head.poison
    marks = [mark for mark in poison if mark.build == build.id and build.phase_since <= mark.at]
    return tuple([*found, _stalled(marks)] if marks else found)


def waits_for_limit(build: Build, wait: LimitWait | None) -> tuple[Condition, ...]:
    """What the limit of its team says about a build that waits; nothing where it waits for none."""
    if wait is None:
        return ()
    limit = Condition(
        type=ConditionType.TEAM_LIMIT, since=build.queued_at, reason=wait.reason, message=wait.message
    )
    return (limit,)


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


def _gallery_full(build: Build) -> Iterator[Condition]:
    if build.full_since is None:
        return
    why = "no reason was given" if build.failure is None else build.failure.message
    remedy = "(retention, or other definitions and versions there), or has its limit raised"
    if build.phase is Phase.PUBLISHING:
        text = (
            f"{why}; the version is proven, waits in quarantine and is copied as soon as there is room, nothing"
            f" is built again: SecOps makes room in the subscription of the gallery {remedy}"
        )
    else:
        text = (
            f"{why}; the quarantine has no room for the version, and the build is tried again until there is some:"
            f" SecOps makes room in the subscription of the quarantine gallery {remedy}"
        )
    yield Condition(
        type=ConditionType.GALLERY_FULL,
        since=build.full_since,
        reason="SubscriptionLimit" if build.phase is Phase.PUBLISHING else "QuarantineLimit",
        message=text,
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


def of_receiver(feed: Feed, *, allows_unsigned: bool) -> tuple[Condition, ...]:
    """What keeps one receiver from signed notifications. `allows_unsigned` is the setting of the factory."""
    found: list[Condition] = []
    if feed.off is not None:
        found.append(
            Condition(
                type=ConditionType.RECEIVER_OFF,
                since=feed.off.since,
                reason="SwitchedOff",
                message=f"{feed.off.why}; {feed.id} gets no notifications: repair it, then run"
                f" `imagefactory notify enable {feed.id}`",
            )
        )
    if not feed.secret:
        what = "is sent without a signature" if allows_unsigned else "is not sent"
        found.append(
            Condition(
                type=ConditionType.RECEIVER_UNSIGNED,
                since=None,
                reason="SentUnsigned" if allows_unsigned else "NoSecret",
                message=f"{feed.id} has no signing secret, so what it wants {what}: run"
                f" `imagefactory notify secret rotate {feed.id}`",
            )
        )
    return tuple(found)
