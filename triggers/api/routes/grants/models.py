"""The bodies about grants. Texts of an answer are for people; `reason` is a person's own."""

from datetime import date, datetime
from typing import Annotated

from pydantic import AliasPath, Field

from triggers.api.models import Answer, Reason, Request, Text

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
