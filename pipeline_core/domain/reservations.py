"""Who may use the name of a deleted image, and when the name is free again. Pure; deny by default.

Consumers still deploy the live versions of a deleted image. So a team that could register its name could publish
above them. The name stays reserved for the image's team and SecOps until no live version is left. It is for SecOps
alone where the image was a base, or where nothing shows whose it was.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline_core.domain import access
from pipeline_core.domain.access import ProvenCaller, Subject
from pipeline_core.domain.access_table import ApiOperation, SubjectKind
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.images import FormerImage
from pipeline_core.domain.names import TeamName

# Between the two looks at a gallery that show no version, before a name is free.
APART = timedelta(minutes=30)


def demand_name(former: FormerImage, caller: ProvenCaller) -> None:
    """Raise PermanentError (PERMISSION) where the name is reserved for others than the caller."""
    if former.is_free or access.allows(ApiOperation.REGISTER_IMAGE, caller, _subject_of(former)):
        return
    if former.team is None:
        why = "an image of this name was deleted, and no record shows its team: only SecOps registers it"
    elif former.is_base:
        why = "it was the name of a base image, whose versions are still live: only SecOps registers it"
    else:
        why = f"it is reserved for team {former.team}, because versions of the deleted image are still live"
    remedy = (
        f"SecOps can hand it over with `imagefactory names handover {former.name} --to TEAM --reason TEXT`"
    )
    raise PermanentError(ErrorClass.PERMISSION, f"the name {former.name} cannot be used: {why}; {remedy}")


def _subject_of(former: FormerImage) -> Subject:
    """A name whose team nothing shows is for SecOps alone, as a base's is."""
    is_secops = former.is_base or former.team is None
    kind = SubjectKind.BASE if is_secops else SubjectKind.TEAM_IMAGE
    return Subject(kind=kind, name=str(former.name), team=former.team)


def hand_over(former: FormerImage, to: TeamName) -> FormerImage:
    """The reservation for another team, which may then register an image with a parent.

    The revision is raised, so that the recovery log has an entry of its own for it.
    """
    return replace(former, team=to, is_base=False, revision=former.revision + 1)


def observe(former: FormerImage, *, has_versions: bool, now: datetime) -> FormerImage:
    """The record after a look at the gallery. Two looks that are apart must show no version: one may be wrong."""
    if former.is_free:
        return former
    if has_versions:
        return replace(former, unseen_since=None)
    if former.unseen_since is None:
        return replace(former, unseen_since=now)
    return replace(former, is_free=former.unseen_since + APART <= now)
