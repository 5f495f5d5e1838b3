"""Why an image stays on an older base although it is current itself: an ancestor that does not become current.

Pure. An image never waits for such an ancestor (`plan`). A person still wants to know which team to ask.
"""

from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import plan
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import RestReason
from pipeline_core.domain.snapshot import Snapshot
from pipeline_core.domain.versions import GalleryVersion

_LONGEST = 160  # characters of an ancestor's own text
_GOES_ON = frozenset({RestReason.IN_FLIGHT, RestReason.WAITS_FOR_RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The nearest ancestor that is stale and rests: `why` for programs, `message` for people."""

    ancestor: ImageName
    why: RestReason
    message: str
    since: datetime | None = None


def find_hold(snapshot: Snapshot, now: datetime) -> Hold | None:
    """The ancestor that holds `snapshot.image` back, or None. The cost grows with the length of its chain."""
    heads = snapshot.world.heads
    head = heads.get(snapshot.image)
    parent = None if head is None else head.registration.parent
    relation = "parent"
    while parent is not None:
        above = heads.get(parent)
        if above is None:
            return None
        obstacle = plan.find_obstacle(snapshot, parent, now)
        if above.active is None and obstacle is not None and obstacle.why not in _GOES_ON:
            claim = snapshot.find_claim(parent)
            version = None if above.current is None else above.current.version
            return Hold(
                ancestor=parent,
                why=obstacle.why,
                message=f"its {relation} {parent} {_stays(version)}: {_short(obstacle.detail or obstacle.why.value)}",
                since=None if claim is None else claim.ended_at,
            )
        parent, relation = above.registration.parent, "ancestor"
    return None


def _short(text: str) -> str:
    """The start of the text. The conditions of the ancestor have all of it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()}..."


def _stays(version: GalleryVersion | None) -> str:
    return "has no version" if version is None else f"stays on {version}"
