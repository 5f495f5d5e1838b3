"""Which lane the next build of a stale image takes: that of the most urgent change that it has not seen. Pure.

A lane belongs to a change, not to the last build. So a child asks for every change of its parent between the
version it was built from and the version it would be built from now.

A security change that the parent's version brings does not wait for ever for an ancestor that changes again and again.
"""

from datetime import datetime, timedelta

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.reasons import NO_CHANGES, ChangeCount, Lane, ReasonKind, lane_of
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.staleness import Stale, World

# Longer than one build of an ancestor with its verification and its copies, which takes one to two hours. An
# edit right behind a release is thus built into the same round of builds.
PATIENCE = timedelta(hours=4)


def next_lane(head: ImageHead, staleness: Stale, world: World) -> Lane:
    """The lane of the image's next build, or of the reuse of a version."""
    parent = _parent_of(head, world)
    return lane_of(staleness.reasons, None if parent is None else _lane_of_parent(head, parent))


def followed(head: ImageHead, world: World) -> ChangeCount:
    """The count of the parent's changes that belongs to the inputs of this world; zero for a root."""
    parent = _parent_of(head, world)
    return NO_CHANGES if parent is None else parent.changes


def is_overdue(head: ImageHead, staleness: Stale, world: World, now: datetime) -> bool:
    """True where a security change of the parent's version has waited for longer than PATIENCE to reach the image.

    It then waits for no ancestor. So does a change of which nobody can say when it came, because more than four
    came since the image's version.
    """
    parent, current = _parent_of(head, world), head.current
    is_followed = any(reason.kind is ReasonKind.PARENT_CHANGED for reason in staleness.reasons)
    if parent is None or parent.current is None or current is None or not is_followed:
        return False
    if _lane_of_parent(head, parent) is not Lane.SECURITY:
        return False
    origin = current.inputs.origin
    if isinstance(origin, ParentVersion) and origin.image == parent.name:
        if parent.changes.is_far_behind(current.followed):
            return True
        since = parent.changes.fix_since(current.followed)
    else:
        newer = (moment for moment in parent.changes.fixes if moment > current.published_at)
        since = min(newer, default=parent.changes.security_at)
    return (since or parent.current.published_at) + PATIENCE <= now


def _parent_of(head: ImageHead, world: World) -> ImageHead | None:
    return None if head.registration.parent is None else world.heads.get(head.registration.parent)


def _lane_of_parent(head: ImageHead, parent: ImageHead) -> Lane | None:
    """The lane of the parent's changes. The last one counts in any case: rows of older releases have no counts."""
    current, theirs = head.current, parent.current
    if current is None or theirs is None:
        return None
    origin = current.inputs.origin
    if isinstance(origin, ParentVersion) and origin.image == parent.name:
        return min(theirs.lane, parent.changes.lane_since(current.followed))
    # A person has moved the image below this parent: the counts of two parents cannot be compared, times can.
    moments = [parent.changes.security_at, theirs.published_at if theirs.lane is Lane.SECURITY else None]
    is_fix = any(moment is not None and moment > current.published_at for moment in moments)
    return Lane.SECURITY if is_fix else Lane.HUMAN
