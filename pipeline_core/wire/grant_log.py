"""Entries of the recovery log about grants: approvals of parents, and waivers. Decides nothing.

The entries of one grant lie in one folder below the image that it is about, and their names sort newest first.
"""

import hashlib
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.waivers import WaiverGrant

_GRANTS = "chronicle/grants/"
_LAST_REVISION = 10**10 - 1


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer release may write more

    schema_version: Literal[1] = 1
    revision: Annotated[int, Field(ge=0, le=_LAST_REVISION)]

    def to_wire(self) -> bytes:
        """Bytes of the blob. The same facts give the same bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def from_wire(cls, content: bytes) -> Self:
        """Raise MalformedMessage where the content is not such an entry."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(
                f"the content is not a grant's entry of the recovery log: {error}"
            ) from error


class DecisionEntry(BaseModel):
    """One decision: who, when and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    identity: str | None
    at: datetime
    reason: str

    @classmethod
    def of(cls, made: GrantDecision) -> "DecisionEntry":
        """The entry of a decision."""
        return cls(name=made.by.name, identity=made.by.identity, at=made.at, reason=made.reason)

    def to_domain(self) -> GrantDecision:
        """The domain's decision."""
        by = Actor(name=self.name, identity=self.identity)
        return GrantDecision(by=by, at=self.at, reason=self.reason)


class ApprovalEntry(_Wire):
    """An approval at one moment; see `domain.approvals.Approval`."""

    parent: str
    team: str
    owner: str
    until: date | None = None
    granted: DecisionEntry | None = None
    withdrawn: DecisionEntry | None = None
    withheld: DecisionEntry | None = None
    offered: DecisionEntry | None = None

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalEntry":
        """The entry of an approval."""
        return cls(
            revision=approval.revision,
            parent=str(approval.parent),
            team=str(approval.team),
            owner=str(approval.owner),
            until=approval.until,
            granted=_entry(approval.granted),
            withdrawn=_entry(approval.withdrawn),
            withheld=_entry(approval.withheld),
            offered=_entry(approval.offered),
        )

    def to_domain(self) -> Approval:
        """The domain's approval. Raises MalformedMessage."""
        try:
            return Approval(
                parent=ImageName(self.parent),
                team=TeamName(self.team),
                owner=TeamName(self.owner),
                until=self.until,
                granted=_decision(self.granted),
                withdrawn=_decision(self.withdrawn),
                withheld=_decision(self.withheld),
                offered=_decision(self.offered),
                revision=self.revision,
            )
        except InvalidValue as error:
            raise MalformedMessage(f"the entry of an approval has a wrong name: {error}") from error

    @property
    def name(self) -> str:
        """The blob's name."""
        return _name(approvals_of(ImageName(self.parent)), self.team, self.revision)


class WaiverEntry(_Wire):
    """A granted waiver at one moment; see `domain.waivers.WaiverGrant`."""

    image: str
    team: str
    kind: Literal["scan", "hygiene", "invariant"]
    rule: str
    path: str = ""
    until: date
    granted: DecisionEntry
    withdrawn: DecisionEntry | None = None

    @classmethod
    def of(cls, grant: WaiverGrant) -> "WaiverEntry":
        """The entry of a grant."""
        return cls(
            revision=grant.revision,
            image=str(grant.image),
            team=str(grant.team),
            kind=grant.kind.value,
            rule=grant.rule,
            path=grant.path,
            until=grant.until,
            granted=DecisionEntry.of(grant.granted),
            withdrawn=_entry(grant.withdrawn),
        )

    def to_domain(self) -> WaiverGrant:
        """The domain's grant. Raises MalformedMessage."""
        try:
            return WaiverGrant(
                image=ImageName(self.image),
                team=TeamName(self.team),
                kind=WaiverKind(self.kind),
                rule=self.rule,
                path=self.path,
                until=self.until,
                granted=self.granted.to_domain(),
                withdrawn=_decision(self.withdrawn),
                revision=self.revision,
            )
        except InvalidValue as error:
            raise MalformedMessage(f"the entry of a waiver has a wrong name: {error}") from error

    @property
    def name(self) -> str:
        """The blob's name. A rule and a path may have characters that a name must not have."""
        digest = hashlib.sha256(f"{self.kind}\n{self.rule}\n{self.path}".encode()).hexdigest()[:32]
        return _name(waivers_of(ImageName(self.image)), digest, self.revision)


def approvals_of(parent: ImageName, team: TeamName | None = None) -> str:
    """The beginning of the names of the entries about who may build on an image: every team, or one."""
    return f"{_GRANTS}{parent}/approvals/" + ("" if team is None else f"{team}/")


def waivers_of(image: ImageName) -> str:
    """The beginning of the names of the entries about an image's waivers."""
    return f"{_GRANTS}{image}/waivers/"


def folder_of(name: str) -> str:
    """The folder of an entry's name: the entries of one grant share it."""
    return name.rpartition("/")[0]


def _name(folder: str, which: str, revision: int) -> str:
    return f"{folder}{which}/{highest_first(revision, most=_LAST_REVISION)}.json"


def _entry(made: GrantDecision | None) -> DecisionEntry | None:
    return None if made is None else DecisionEntry.of(made)


def _decision(entry: DecisionEntry | None) -> GrantDecision | None:
    return None if entry is None else entry.to_domain()
