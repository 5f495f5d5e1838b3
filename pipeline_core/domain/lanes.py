"""Which lane the next build of a stale image takes: that of the most urgent change that it has not seen. Pure.

A lane belongs to a change, not to the last build. So a child asks for every change of its parent between the
version it was built from and the version it would be built from now.
"""

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.reasons import NO_CHANGES, ChangeCount, Lane, lane_of
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.staleness import Stale, World


def next_lane(head: ImageHead, staleness: Stale, world: World) -> Lane:
    """The lane of the image's next build, or of the reuse of a version."""
    parent = _parent_of(head, world)
    return lane_of(staleness.reasons, None if parent is None else _lane_of_parent(head, parent))


def followed(head: ImageHead, world: World) -> ChangeCount:
    """The count of the parent's changes that belongs to the inputs of this world; zero for a root."""
    parent = _parent_of(head, world)
    return NO_CHANGES if parent is None else parent.changes


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
