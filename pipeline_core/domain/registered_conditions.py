"""The conditions that come from what an image is registered with: source, place, grants, tools, channel."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from pipeline_core.domain import approvals, releases, staged_tools, waivers
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.conditions import Condition, ConditionType
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import LIVE, Digest
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource, ParentReference
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.domain.staleness import Platform, World, find_step_down
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.domain.waivers import JudgedWaiver, WaiverState

_NAMED = 3  # waivers that a message names


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
    found.extend(_of_trial(head, world))
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


def unadmitted(
    head: ImageHead, platform: Platform | None, known: Mapping[Digest, ToolRecord]
) -> tuple[CatalogTool, ...]:
    """The tools that the image names and whose files builds may not use. `known` has every record.

    It does not matter whether the image is current: it may have a tool in it that was refused since.
    """
    if platform is None:
        return ()
    catalog = platform.steps_of(head.name).catalog
    named = [catalog[each] for each in head.registration.catalog if each in catalog]
    return tuple(sorted(tool for tool in named if not _is_admitted(known.get(Digest(tool[2])))))


def of_admission(missing: Sequence[CatalogTool], known: Mapping[Digest, ToolRecord]) -> tuple[Condition, ...]:
    """What keeps an image that needs these tools from being built; nothing where all files are admitted."""
    if not missing:
        return ()
    found = [known.get(Digest(tool[2])) for tool in missing]
    records = [record for record in found if record is not None]
    refused = [record for record in records if record.state is ToolState.REFUSED]
    because = f" ({refused[0].reason})" if refused else ""
    return (
        Condition(
            type=ConditionType.CATALOG_NOT_ADMITTED,
            since=min((record.at for record in records), default=None),
            reason="FileRefused" if refused else "FileNotAdmitted",
            message=f"{staged_tools.why_not(missing)}{because}; it is built by itself as soon as the file is there",
        ),
    )


def _is_admitted(record: ToolRecord | None) -> bool:
    return record is not None and record.state is ToolState.ADMITTED


def of_approval(
    head: ImageHead, parent: ImageHead, state: ApprovalState, approval: Approval | None, today: date
) -> tuple[Condition, ...]:
    """What the image's team must do about its right to build on the parent. It is rebuilt as before in any case."""
    team, owner = head.registration.team, parent.registration.team
    if state.is_good:
        if approval is None or not approvals.is_ending(approval, owner, today):
            return ()
        return (
            Condition(
                type=ConditionType.APPROVAL_ENDS,
                since=None,
                reason="ApprovalEndsSoon",
                message=f"the approval of team {team} to build on {parent.name} ends on {approval.until}: "
                + approvals.who_helps(state, parent.name, team, owner),
            ),
        )
    return (
        Condition(
            type=ConditionType.APPROVAL_ENDS,
            since=_ended_at(state, approval),
            reason=f"Approval{state.value.title().replace('-', '')}",
            message=f"{approvals.why_not(state, approval)}: it is rebuilt as before; its team moves it to another"
            f" parent (`imagefactory bases --team {team}`), or"
            f" {approvals.who_helps(state, parent.name, team, owner)}",
        ),
    )


def of_waivers(judged: Sequence[JudgedWaiver], today: date) -> tuple[Condition, ...]:
    """Waivers of the image that ended, end soon or cannot be read, in one condition. It is built as before; the gates
    do not count those that ended or cannot be read.
    """
    unread = [each for each in judged if each.state is WaiverState.UNREADABLE]
    gone = [each for each in judged if not each.counts and each.grant is not None] + unread
    soon = [each for each in judged if waivers.is_ending(each, today)]
    if not gone and not soon:
        return ()
    parts = [f"{each.rule} is {each.told}, and does not count" for each in gone[:_NAMED]]
    parts += [f"the waiver of {each.rule} is {each.told}" for each in soon[:_NAMED]]
    more = max(0, len(gone) - _NAMED) + max(0, len(soon) - _NAMED)
    reason = "WaiverEnded" if len(gone) > len(unread) else "WaiverUnreadable" if unread else "WaiverEndsSoon"
    ended = [moment for each in gone if (moment := _waiver_ended_at(each)) is not None]
    return (
        Condition(
            type=ConditionType.WAIVER_ENDS,
            since=min(ended, default=None),
            reason=reason,
            message=f"{'; '.join(parts)}{f'; and {more} more' if more else ''}: its team repairs the rule and removes"
            f" the waiver, or asks SecOps to run {(gone or soon)[0].remedy}",
        ),
    )


def _waiver_ended_at(judged: JudgedWaiver) -> datetime | None:
    grant = judged.grant
    if grant is None:
        return None
    if grant.withdrawn is not None:
        return grant.withdrawn.at
    return _midnight_after(grant.until) if judged.state is WaiverState.ENDED else None


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def _ended_at(state: ApprovalState, approval: Approval | None) -> datetime | None:
    if approval is None:
        return None
    if state is ApprovalState.ENDED and approval.until is not None:
        return _midnight_after(approval.until)
    made = approval.withheld if state is ApprovalState.WITHHELD else approval.withdrawn
    return None if made is None else made.at


def _of_tools(head: ImageHead, world: World) -> Iterator[Condition]:
    platform = world.platform
    absent = (
        []
        if platform is None
        else [each for each in head.registration.catalog if each not in platform.steps_of(head.name).catalog]
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


def _of_trial(head: ImageHead, world: World) -> Iterator[Condition]:
    trial = None if world.platform is None else world.platform.trial
    if trial is None or head.name not in trial.images:
        return
    yield Condition(
        type=ConditionType.PLATFORM_TRIAL,
        since=trial.since,
        reason="IsCanary",
        message=f"it is built with platform steps on trial ({str(trial.digest)[:12]}), which {trial.by} began: SecOps"
        " promote the trial (`imagefactory platform promote`) or end it (`imagefactory platform end-trial`)",
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
