"""Which team may build on which image of another team. Pure.

Every team may build on SecOps' images and on its own. For an image of another team, SecOps approves the team. The owner
may restrict this further: it withdraws its offer, and SecOps cannot approve the team until the owner offers it again.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, unique

from pipeline_core.domain.grants import GrantDecision, ends_soon, has_ended
from pipeline_core.domain.names import ImageName, TeamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The newest decisions about one parent and one team.

    `owner` is the team that the parent belonged to when it was approved: an approval does not pass to another owner.
    `until` is the last day of it, None without an end. `granted` is SecOps' decision, None where there is none yet.
    `withdrawn` is SecOps' decision that ended it, `withheld` the owner's that it does not offer the parent. `offered`
    is the owner's that took this back, in its place. `revision` counts the changes.
    """

    parent: ImageName
    team: TeamName
    owner: TeamName
    until: date | None = None
    granted: GrantDecision | None = None
    withdrawn: GrantDecision | None = None
    withheld: GrantDecision | None = None
    offered: GrantDecision | None = None
    revision: int = 0


@unique
class ApprovalState(Enum):
    """Whether a team may register images on a parent. What is registered already goes on in every state."""

    NOT_NEEDED = "not-needed"  # the parent is SecOps' or the team's own
    APPROVED = "approved"  # SecOps approved the team
    NONE = "none"  # SecOps has not approved the team
    ENDED = "ended"  # its last day has passed
    WITHDRAWN = "withdrawn"  # SecOps withdrew it
    WITHHELD = "withheld"  # the owner does not offer the parent to the team
    UNREADABLE = "unreadable"  # this release cannot read the record, so nobody knows
    OWNER_CHANGED = "owner-changed"  # the parent belongs to another team than the one of that time

    @property
    def is_good(self) -> bool:
        """True where the team may register an image on the parent."""
        return self in (ApprovalState.NOT_NEEDED, ApprovalState.APPROVED)


def is_needed(team: TeamName, owner: TeamName, secops: TeamName) -> bool:
    """True for the image of another team that is not SecOps."""
    return owner not in (team, secops)


def state_of(approval: Approval | None, owner: TeamName, today: date) -> ApprovalState:
    """Where an approval stands that is needed; `owner` is the parent's team now."""
    if approval is None:
        return ApprovalState.NONE
    if approval.owner != owner:
        return ApprovalState.OWNER_CHANGED
    if approval.withheld is not None:
        return ApprovalState.WITHHELD
    if approval.granted is None:
        return ApprovalState.NONE
    if approval.withdrawn is not None:
        return ApprovalState.WITHDRAWN
    return ApprovalState.ENDED if has_ended(approval.until, today) else ApprovalState.APPROVED


def is_ending(approval: Approval, owner: TeamName, today: date) -> bool:
    """True for an approval that holds and ends soon."""
    return state_of(approval, owner, today) is ApprovalState.APPROVED and ends_soon(approval.until, today)


def granted(
    old: Approval | None,
    parent: ImageName,
    team: TeamName,
    owner: TeamName,
    decision: GrantDecision,
    until: date | None,
) -> Approval:
    """The approval after SecOps' decision, in place of any earlier one. The caller has looked at the owner's offer."""
    if old is not None and old.owner == owner:
        return replace(old, granted=decision, until=until, withdrawn=None)
    return Approval(parent=parent, team=team, owner=owner, granted=decision, until=until)


def withdrawn(old: Approval, decision: GrantDecision) -> Approval:
    """The approval after SecOps withdrew it. The first withdrawal stays."""
    return old if old.withdrawn is not None else replace(old, withdrawn=decision)


def withheld(
    old: Approval | None, parent: ImageName, team: TeamName, owner: TeamName, decision: GrantDecision
) -> Approval:
    """The record after the owner withdrew its offer, also where SecOps has not approved anything yet."""
    if old is None or old.owner != owner:
        return Approval(parent=parent, team=team, owner=owner, withheld=decision)
    return old if old.withheld is not None else replace(old, withheld=decision, offered=None)


def offered(old: Approval, decision: GrantDecision) -> Approval:
    """The record after the owner offers the parent again. SecOps' approval holds again if it did before."""
    return replace(old, withheld=None, offered=decision)


def why_not(state: ApprovalState, approval: Approval | None) -> str:
    """What keeps a team from building on a parent, with its day and its reason; empty where nothing does."""
    match state:
        case ApprovalState.NOT_NEEDED | ApprovalState.APPROVED:
            return ""
        case ApprovalState.WITHDRAWN if approval is not None and approval.withdrawn is not None:
            return f"SecOps withdrew the approval on {_told(approval.withdrawn)}"
        case ApprovalState.WITHHELD if approval is not None and approval.withheld is not None:
            return f"team {approval.owner} withdrew its offer on {_told(approval.withheld)}"
        case ApprovalState.ENDED if approval is not None:
            return f"the approval ended on {approval.until}"
        case ApprovalState.OWNER_CHANGED if approval is not None:
            return f"the approval was for an image of team {approval.owner}"
        case ApprovalState.UNREADABLE:
            return "the record of the approval cannot be read"
        case _:
            return "SecOps has not approved this"


def who_helps(state: ApprovalState, parent: ImageName, team: TeamName, owner: TeamName) -> str:
    """Whom the team asks, with the command that the other one runs."""
    ask = f"`imagefactory approve {parent} --for {team} --reason TEXT`"
    if state is ApprovalState.WITHHELD:
        return f"ask team {owner} to run `imagefactory approvals offer {parent} --for {team} --reason TEXT`"
    if state is ApprovalState.UNREADABLE:
        return "ask SecOps to look at `imagefactory state unreadable`"
    return f"ask SecOps to run {ask}"


def _told(decision: GrantDecision) -> str:
    return f"{decision.at:%Y-%m-%d} ({decision.reason})"
