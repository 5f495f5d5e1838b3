"""How long a refusal may come from something that was done just before, and is not known everywhere in Azure yet.

Pure: times are arguments. This module decides only whether it is too early to believe a refusal.
"""

from datetime import datetime, timedelta

from pipeline_core.domain.errors import NotAllowed, ParentNotFound, PermanentError

# A role that was granted takes effect after up to 10 minutes ("Troubleshoot Azure RBAC", learn.microsoft.com). Half as
# much again, because the grants of one deployment do not end at one moment.
GRANT = timedelta(minutes=15)
# A parent that was made a moment ago may not be found by a request about its child. No document gives a time; a gallery
# was missed by its definition although its creation had ended (openshift/installer pull request 6304).
PARENT = timedelta(minutes=5)


def bound_of(error: PermanentError) -> timedelta | None:
    """How long after the first refusal of this kind it may still end by itself. None: it is believed at once."""
    match error:
        case NotAllowed():
            return GRANT
        case ParentNotFound():
            return PARENT
        case _:
            return None


def may_end(error: PermanentError, *, since: datetime, now: datetime) -> bool:
    """True where a refusal that was first seen at `since` may still end without help."""
    bound = bound_of(error)
    return bound is not None and now < since + bound


def believed(error: PermanentError) -> PermanentError:
    """The same refusal, which has outlived its bound, with what to do about it. Owner and scope stay."""
    match error:
        case NotAllowed():
            remedy = "it is a missing role, not a new one: give the identity this right (infra/roles.tf), then rebuild"
        case _:
            remedy = "its parent is gone: find out who deletes it, then rebuild"
    bound = bound_of(error) or timedelta(0)
    minutes = int(bound.total_seconds()) // 60
    text = f"{error}; refused for {minutes} minutes, so {remedy}"
    return PermanentError(error.error_class, text, owner=error.owner, scope=error.scope)
