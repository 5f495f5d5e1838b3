"""The bodies about grants. Texts of an answer are for people; `reason` is a person's own."""

from datetime import date, datetime
from typing import Annotated

from pydantic import AliasPath, Field

from pipeline_core.domain.definitions import WaiverKind
from triggers.api.forms.shown import Text
from triggers.api.models import VISIBLE, Answer, Reason, Request

Day = Annotated[date, Field(strict=False)]  # JSON has no dates


class ReasonRequest(Request):
    """Why a decision is made. Without a `reason` the answer is 422; the record keeps it."""

    reason: Reason = ""


class ApproveRequest(ReasonRequest):
    """Approve a team for a parent, until the end of the day `until`; null: without an end."""

    until: Day | None = None


class Decided(Answer):
    """Who decided, when and why. `identity` is what the caller's token proved; `name` proves nothing."""

    identity: Text | None = Field(validation_alias=AliasPath("by", "identity"))
    name: Text = Field(validation_alias=AliasPath("by", "name"))
    at: datetime
    reason: str


class ParentApproval(Answer):
    """One approval. `state` is approved, none, ended, withdrawn, withheld (by the owner) or owner-changed.

    `owner` is the team that owned the parent when it was approved. `granted` and `withdrawn` are SecOps' decisions,
    `withheld` is the owner's.
    """

    parent: Text = Field(validation_alias=AliasPath("approval", "parent"))
    team: Text = Field(validation_alias=AliasPath("approval", "team"))
    owner: Text = Field(validation_alias=AliasPath("approval", "owner"))
    state: Text
    ends_soon: bool
    until: date | None = Field(validation_alias=AliasPath("approval", "until"))
    granted: Decided | None = Field(validation_alias=AliasPath("approval", "granted"))
    withdrawn: Decided | None = Field(validation_alias=AliasPath("approval", "withdrawn"))
    withheld: Decided | None = Field(validation_alias=AliasPath("approval", "withheld"))


class ParentApprovals(Answer):
    """A page of approvals by team and parent; `next` is its cursor, null at the end."""

    approvals: tuple[ParentApproval, ...]
    next: str | None


class Base(Answer):
    """An image that a team may build on. `is_approved`: it is another team's, approved until the day `until`."""

    name: Text
    team: Text
    parent: Text | None
    version: Text | None
    is_approved: bool
    until: date | None


class BaseImages(Answer):
    """A page of them by name; `next` is its cursor, null at the end."""

    bases: tuple[Base, ...]
    next: str | None


class WaiverChange(ReasonRequest):
    """Which waiver: the rule of a `scan`, a `hygiene` finding by rule and `path`, or an `invariant` by name."""

    kind: Annotated[WaiverKind, Field(strict=False)] = WaiverKind.SCAN
    rule: Annotated[str, Field(min_length=1, max_length=200), VISIBLE]
    path: Annotated[str, Field(max_length=240), VISIBLE] = ""


class GrantWaiverRequest(WaiverChange):
    """Grant it, until the end of the day `until`."""

    until: Day


class GrantedWaiver(Answer):
    """A waiver. `state` is granted, asked, ended, withdrawn, unreadable, too-long (by the policy) or unasked.

    Unasked: its grant holds, and the definition does not ask for it. `asked_reason` is the team's, and
    `asked_until` the day that it named. `until`, `granted` and `withdrawn` are the newest decision's, null where there
    is none.
    """

    image: Text = Field(validation_alias=AliasPath("judged", "image"))
    team: Text
    kind: Text = Field(validation_alias=AliasPath("judged", "asked", "kind"))
    rule: str = Field(validation_alias=AliasPath("judged", "rule"))
    path: str = Field(validation_alias=AliasPath("judged", "asked", "path"))
    state: Text = Field(validation_alias=AliasPath("judged", "state"))
    ends_soon: bool
    asked_reason: str = Field(validation_alias=AliasPath("judged", "asked", "reason"))
    asked_until: date | None = Field(validation_alias=AliasPath("judged", "asked", "expires"))
    until: date | None = Field(default=None, validation_alias=AliasPath("judged", "grant", "until"))
    granted: Decided | None = Field(default=None, validation_alias=AliasPath("judged", "grant", "granted"))
    withdrawn: Decided | None = Field(
        default=None, validation_alias=AliasPath("judged", "grant", "withdrawn")
    )


class GrantedWaivers(Answer):
    """A page of them by image; `next` is its cursor, null at the end."""

    waivers: tuple[GrantedWaiver, ...]
    next: str | None
