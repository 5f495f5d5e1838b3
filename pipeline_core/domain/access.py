"""Who may do what: pure decisions over the roles and groups that a verified token proves. Deny by default."""

import contextlib
import re
from collections.abc import Set as AbstractSet

from pipeline_core.domain.errors import ErrorClass, InvalidValue, PermanentError
from pipeline_core.domain.names import ImageName, TeamName

ADMIN = "Factory.Admin"  # SecOps: bases, sources, policy, platform, all images
READER = "Factory.Reader"  # sees everything, changes nothing
_TEAM_ROLE = "Team."
# Entra names groups by object id unless it is configured otherwise. Such an id says nothing about our teams.
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_admin(roles: AbstractSet[str]) -> bool:
    """True for SecOps."""
    return ADMIN in roles


def is_member(team: TeamName, roles: AbstractSet[str], groups: AbstractSet[str]) -> bool:
    """True where the role `Team.NAME` or a group claim of the team's name proves membership."""
    return f"{_TEAM_ROLE}{team}" in roles or str(team) in groups


def teams_of(roles: AbstractSet[str], groups: AbstractSet[str]) -> frozenset[TeamName]:
    """The teams whose membership is proven. A group's object id, or a text that is not a team's name, proves none."""
    named = {role.removeprefix(_TEAM_ROLE) for role in roles if role.startswith(_TEAM_ROLE)} | groups
    found = set()
    for name in named:
        if not _OBJECT_ID.fullmatch(name):
            with contextlib.suppress(InvalidValue):
                found.add(TeamName(name))
    return frozenset(found)


def may_read(roles: AbstractSet[str], groups: AbstractSet[str]) -> bool:
    """Admins, readers and members of any team see every image: a team must see its parents."""
    teams = {role for role in roles if role.startswith(_TEAM_ROLE)}
    teams |= {group for group in groups if not _OBJECT_ID.fullmatch(group)}
    return is_admin(roles) or READER in roles or bool(teams)


def may_read_all(roles: AbstractSet[str]) -> bool:
    """True for SecOps and readers: for all images they see what other people see only for their own."""
    return is_admin(roles) or READER in roles


def may_change(team: TeamName, roles: AbstractSet[str], groups: AbstractSet[str]) -> bool:
    """True for the members of `team`, who change and rebuild only its images, and for SecOps, who change all."""
    return is_admin(roles) or is_member(team, roles, groups)


def demand_admin(roles: AbstractSet[str], deed: str) -> None:
    """Raise PermanentError (PERMISSION) unless SecOps asks; `deed` names what is refused: "changes the policy"."""
    if not is_admin(roles):
        raise PermanentError(ErrorClass.PERMISSION, f"only SecOps ({ADMIN}) {deed}")


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


def demand_change(
    image: ImageName, team: TeamName, roles: AbstractSet[str], groups: AbstractSet[str], *, deed: str
) -> None:
    """Raise PermanentError (PERMISSION) for other teams than the image's; `deed` is what is refused: "rebuild it"."""
    if not may_change(team, roles, groups):
        text = f"{image} belongs to team {team}: only its members and SecOps {deed}"
        raise PermanentError(ErrorClass.PERMISSION, text)
