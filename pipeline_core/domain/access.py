"""Who may do what: pure decisions by `access_table` over the roles and teams of a verified token. Deny by default.

A team is a name that the tenant gives: by the app role `Team.NAME`, or by a group that the settings map to a team. An
object id, an empty name or a group that nobody has mapped proves nothing.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from pipeline_core.domain import access_table
from pipeline_core.domain.access_table import ApiOperation, CallerStanding, SubjectKind
from pipeline_core.domain.errors import ErrorClass, InvalidValue, PermanentError
from pipeline_core.domain.names import ImageName, TeamName

ADMIN = "Factory.Admin"  # SecOps: bases, sources, policy, platform, all images
READER = "Factory.Reader"  # sees everything, changes nothing
_TEAM_ROLE = "Team."
# Entra names groups by object id unless it is configured otherwise. Such an id is never a team's name.
OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class ProvenCaller(Protocol):
    """A verified caller, as far as rights go."""

    @property
    def roles(self) -> frozenset[str]:
        """The app roles of the token."""
        ...

    @property
    def teams(self) -> frozenset[TeamName]:
        """The teams that the token proves, as `teams_of` says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an operation is about. `name` is for people; `team` owns it, None where nobody does."""

    kind: SubjectKind
    name: str = ""
    team: TeamName | None = None


FACTORY = Subject(kind=SubjectKind.FACTORY)


def subject_of(image: ImageName, team: TeamName, *, is_base: bool) -> Subject:
    """An image as a subject; `is_base` where it is built from the Marketplace."""
    return Subject(kind=SubjectKind.BASE if is_base else SubjectKind.TEAM_IMAGE, name=str(image), team=team)


def teams_of(
    roles: AbstractSet[str], groups: AbstractSet[str], mapped: Mapping[str, TeamName]
) -> frozenset[TeamName]:
    """The teams that roles and groups prove. `mapped` has the settings' groups: object ids in lower case, or names.

    Roles are given to a person on purpose, and groups come along. So `Factory.Reader` keeps its holder a reader,
    whatever groups there are; only `Team.NAME` beside it makes a member.
    """
    named = {_named(role.removeprefix(_TEAM_ROLE)) for role in roles if role.startswith(_TEAM_ROLE)}
    if READER not in roles:
        named |= {mapped.get(_key_of(group)) for group in groups}
    return frozenset(team for team in named if team is not None)


def has_role(caller: ProvenCaller) -> bool:
    """True for a caller who may do more than a stranger: SecOps, readers, and members of any team."""
    return bool({ADMIN, READER} & caller.roles or caller.teams)


def standing(caller: ProvenCaller, subject: Subject) -> frozenset[CallerStanding]:
    """Everything that the caller is towards the subject."""
    found = {CallerStanding.NOBODY}
    if ADMIN in caller.roles:
        found.add(CallerStanding.SECOPS)
    if READER in caller.roles:
        found.add(CallerStanding.READER)
    if caller.teams:
        found.add(CallerStanding.OWNER if subject.team in caller.teams else CallerStanding.TEAM)
    return frozenset(found)


def allows(operation: ApiOperation, caller: ProvenCaller, subject: Subject) -> bool:
    """Whether the table lets the caller do this with this subject."""
    return bool(access_table.TABLE[operation].of(subject.kind) & standing(caller, subject))


def allows_ever(operation: ApiOperation, caller: ProvenCaller) -> bool:
    """Whether there may be a subject with which the caller may do this. It is asked before the subject is known.

    A caller with any role may be one whom the policy names.
    """
    if access_table.TABLE[operation].by_policy:
        return has_role(caller)
    possible = standing(caller, FACTORY)
    if caller.teams:
        possible |= {CallerStanding.OWNER}
    return any(possible & who for who in access_table.TABLE[operation].who.values())


def is_open(operation: ApiOperation) -> bool:
    """True for what a stranger may do without a token."""
    return any(CallerStanding.NOBODY in who for who in access_table.TABLE[operation].who.values())


def demand(operation: ApiOperation, caller: ProvenCaller, subject: Subject = FACTORY) -> None:
    """Raise PermanentError (PERMISSION) with the cause where the table does not let the caller do this."""
    if not allows(operation, caller, subject):
        raise PermanentError(ErrorClass.PERMISSION, refusal(operation, subject))


def demand_ever(operation: ApiOperation, caller: ProvenCaller) -> None:
    """Raise PermanentError (PERMISSION) where the caller may do this with no subject at all."""
    if not allows_ever(operation, caller):
        rule = access_table.TABLE[operation]
        named = frozenset[CallerStanding]().union(*rule.who.values())
        people = f"SecOps ({ADMIN})"
        if CallerStanding.OWNER in named:
            people = f"members of a team{' and SecOps' if CallerStanding.SECOPS in named else ''}"
        raise PermanentError(ErrorClass.PERMISSION, f"only {people} may {rule.deed}")


def refusal(operation: ApiOperation, subject: Subject) -> str:
    """Why others are refused, for a person."""
    rule = access_table.TABLE[operation]
    who = rule.of(subject.kind)
    if CallerStanding.TEAM in who:
        return f"only members of a team and SecOps may {rule.deed}"
    if CallerStanding.OWNER in who:
        others = " and SecOps" if CallerStanding.SECOPS in who else ""
        return f"{subject.name} belongs to team {subject.team}: only its members{others} may {rule.deed}"
    what = "is or belongs to a base image" if subject.kind is SubjectKind.BASE else "belongs to SecOps"
    cause = f"{subject.name} {what}: " if subject.name else ""
    return f"{cause}only SecOps ({ADMIN}) may {rule.deed}"


def demand_reason(reason: str, keeper: str) -> str:
    """A person's reason for a decision, without blanks around it. Raises PermanentError (POLICY) where it is empty.

    `keeper` says who reads it later: "the journal of each image".
    """
    given = reason.strip()
    if not given:
        text = (
            f"no reason was given: say why with `reason` (`--reason TEXT` of the command); {keeper} keeps it"
        )
        raise PermanentError(ErrorClass.POLICY, text)
    return given


def _named(text: str) -> TeamName | None:
    """The team of this name; None where the text cannot name a team."""
    if OBJECT_ID.fullmatch(text):
        return None
    try:
        return TeamName(text)
    except InvalidValue:
        return None


def _key_of(group: str) -> str:
    """How the settings name a group: Entra writes object ids without regard to case."""
    return group.lower() if OBJECT_ID.fullmatch(group) else group
