"""What the last look at an image found outside its own head: kept beside the fleet's copy of the head. Pure.

It is a hint. With it, the sweep plans the whole fleet and a list shows it, without a read for each image. A note that
is outdated or lost changes nothing but the cost: its image is looked at again.
"""

from dataclasses import dataclass, replace

from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.lineage import upwards
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.snapshot import Snapshot
from pipeline_core.domain.staleness import Unknown
from pipeline_core.domain.versions import GalleryVersion

_HOLDS_BACK = frozenset({Outcome.EXHAUSTED, Outcome.FAILED, Outcome.CANCELLED, Outcome.WITHHELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class LookNote:
    """The root of the image's lineage, its parent with its current version, and the claim that held the image back.

    `claim` has no detail: a failure's text may be long, and no decision needs it. Each field is None where the look
    did not find it. `lacks`: its build could not begin, because the file of a tool was not admitted.
    """

    root: ImageName | None = None
    parent: ImageName | None = None
    parent_version: GalleryVersion | None = None
    claim: Claim | None = None
    lacks: bool = False


def note_of(snapshot: Snapshot) -> LookNote:
    """What is to be kept of a look at `snapshot.image` and all its ancestors."""
    heads = snapshot.world.heads

    def parent_of(name: ImageName) -> ImageName | None:
        return None if name not in heads else heads[name].registration.parent

    chain = list(upwards(snapshot.image, parent_of))
    parent = heads.get(chain[1]) if len(chain) > 1 else None
    if parent is not None and parent.is_doubted:
        parent = None  # a list reads its head, and says why nothing is known
    current = None if parent is None else parent.current
    if current is not None and isinstance(snapshot.staleness[snapshot.image], Unknown):
        parent = current = None  # the same: its version says more than its number, such as steps on trial
    claim = snapshot.find_claim(snapshot.image)
    return LookNote(
        root=chain[-1],
        parent=None if parent is None else parent.name,
        parent_version=None if current is None else current.version,
        claim=replace(claim, detail="") if claim is not None and claim.outcome in _HOLDS_BACK else None,
        lacks=snapshot.image in snapshot.lacking,
    )
