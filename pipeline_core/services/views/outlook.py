"""What the plan of each image would be, for the whole fleet at once, from copies and notes alone.

It reads nothing and decides nothing itself: `domain.plan` decides, as for a look. A claim that is in no note does not
hold an image back here, so the image is looked at, and the look leaves the note.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain import plan
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.plan import Decision, DoNothing, ReuseVersion, StartBuild
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.snapshot import Snapshot
from pipeline_core.domain.staleness import Stale, Staleness, World, detect_staleness

_LACKS = "the file of a tool that it needs was not admitted at the last look"


@dataclass(slots=True, kw_only=True)
class Outlook:
    """One moment of the fleet. `floor_of` is asked only about a root below which a claim was refused by the floor."""

    world: World
    notes: Mapping[ImageName, LookNote]
    floor_of: Callable[[ImageName], ComplianceFloor | None]
    now: datetime
    _world: World = field(init=False)  # each image in its refresh period of this moment
    _staleness: dict[ImageName, Staleness] = field(init=False, default_factory=dict)
    _claims: dict[tuple[ImageName, Fingerprint], Claim] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the staleness of every image once, each in its refresh period of this moment."""
        heads = {name: self._in_period(head) for name, head in self.heads.items()}
        self._world = replace(self.world, heads=heads)
        for name in heads:
            found = self._staleness[name] = detect_staleness(name, self._world)
            note = self.notes.get(name)
            if isinstance(found, Stale) and note is not None and note.claim is not None:
                self._claims[name, note.claim.fingerprint] = note.claim

    @property
    def heads(self) -> Mapping[ImageName, ImageHead]:
        """The heads as the copies have them."""
        return self.world.heads

    def find_wish(self, name: ImageName) -> StartBuild | ReuseVersion | None:
        """What a look would begin; None for an image that is current, rests, waits, or has an active build.

        Raises PermanentError where the ancestors of a stale image do not end.
        """
        if self.heads[name].active is not None or not isinstance(self._staleness[name], Stale):
            return None
        decision = self.decide(name)
        return decision if isinstance(decision, StartBuild | ReuseVersion) else None

    def find_urgency(self, name: ImageName) -> Lane | None:
        """The lane of what a look would begin, or None. Raises as `find_wish`.

        Children may still follow an older version until a change of the current version is announced.
        """
        if self.heads[name].announce:
            return Lane.SECURITY
        wish = self.find_wish(name)
        return None if wish is None else urgency_of(wish)

    def decide(self, name: ImageName) -> Decision:
        """The decision about one image, as a look would take it. Raises as `find_wish`."""
        return plan.plan(self._snapshot(name), self.now)

    def find_obstacle(self, name: ImageName) -> DoNothing | None:
        """What keeps a stale image from being built by itself, whatever its ancestors do. Raises as `find_wish`."""
        return plan.find_obstacle(self._snapshot(name), name, self.now)

    def is_on_its_way(self, name: ImageName) -> bool:
        """True where the image's active build is one of the inputs that are desired now."""
        found, active = self._staleness[name], self.heads[name].active
        return isinstance(found, Stale) and active is not None and active.fingerprint == found.fingerprint

    def _snapshot(self, name: ImageName) -> Snapshot:
        """The image itself never counts as lacking a file: a look asks, and goes on when it is admitted."""
        chain = self._chain(name)
        was_refused = any(
            (note := self.notes.get(each)) and note.claim and note.claim.floor for each in chain
        )
        return Snapshot(
            image=name,
            world=self._world,
            staleness=self._staleness,
            claims=self._claims,
            floor=self.floor_of(chain[-1]) if was_refused else None,
            lacking={each: _LACKS for each in chain[1:] if (note := self.notes.get(each)) and note.lacks},
        )

    def _chain(self, name: ImageName) -> list[ImageName]:
        """The names from the image to its root, as a look reads them."""
        chain: list[ImageName] = []
        here: ImageName | None = name
        while here is not None and here in self.heads:
            if here in chain or len(chain) > MAX_DEPTH:
                text = f"the ancestors of {name} do not end: {here} is in a cycle or beyond level {MAX_DEPTH}"
                raise PermanentError(ErrorClass.POLICY, f"{text}; repair the parents")
            chain.append(here)
            here = self.heads[here].registration.parent
        return chain

    def _in_period(self, head: ImageHead) -> ImageHead:
        if head.registration.max_age is None or head.name in self.world.broken:
            return head
        root = self._chain(head.name)[-1]
        period = fingerprints.refresh_period(root, self.now, head.registration.max_age)
        return head if period <= head.period else replace(head, period=period)


def urgency_of(wish: StartBuild | ReuseVersion) -> Lane:
    """The lane of what would begin. A version that exists needs no slot, so it goes with the builds of people."""
    return wish.lane if isinstance(wish, StartBuild) else Lane.HUMAN
