"""The sweep's part on images: copies in the fleet that lag behind, and images that should build and do not.

It works on the fleet's copies of heads and on the notes of the last looks, which cost one query per 1,000 images. It
plans every image from them. An image that rests is not asked about: this sweep or a later one finds that its reason
has ended, because the plan of that moment begins something. It reads the head itself only for an image that seems to
need something, and for a share of the fleet in turn.
"""

import functools
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import LineageFault, faults_of
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import BuildId, CampaignId, ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.policy import ComplianceFloor, Policy
from pipeline_core.domain.staleness import World
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.outages.probing import Probing
from pipeline_core.services.policies.policy import Policies, PolicyLost
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.upkeep.lineage import PlaceSweep
from pipeline_core.services.upkeep.turns import share_of, turn_of
from pipeline_core.services.views.outlook import Outlook
from pipeline_core.state.fleet import Copy
from pipeline_core.state.stores import Records

_SHARE = 36  # turns for one round of a large fleet: six hours
_LEAST = 8  # images compared in each sweep: a fleet of 48 has its round within an hour
_MOST_PLACED = 100  # copies of an older release that one sweep writes again
MOST_WOKEN = 2000  # images asked for in one sweep, the most urgent first: more than start until the next one


@dataclass(slots=True, kw_only=True)
class SweptFleet:
    """The fleet as one sweep knows it; `compared` names the images whose own head it has read."""

    heads: dict[ImageName, ImageHead] = field(default_factory=dict)
    notes: dict[ImageName, LookNote] = field(default_factory=dict)
    unreadable: list[ImageName] = field(default_factory=list)
    unplaced: list[ImageName] = field(
        default_factory=list
    )  # the copy does not name the parent of its own head
    compared: set[ImageName] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSweep:
    """Reads, compares and wakes images."""

    records: Records
    effects: Effects
    policies: Policies
    probing: Probing
    places: PlaceSweep

    def read(self, fleet: SweptFleet, bulkhead: Bulkhead) -> int:
        """Take the fleet's copies; an unreadable copy is written again later from the image's own head."""
        for copy in self.records.fleet.copies():
            bulkhead.run(copy.name, partial(_take, fleet, copy))
        return len(fleet.heads)

    def compare(self, fleet: SweptFleet, active: Set[BuildId], now: datetime, bulkhead: Bulkhead) -> int:
        """Compare copies with the heads: unreadable ones, those with a build outside `active`, and a share in turn.

        A copy with a build in `active` was written when that build began, and will be when it ends: it has no turn.
        """
        building = {name: head.active.build for name, head in fleet.heads.items() if head.active}
        lost = [name for name, build in building.items() if build not in active]
        in_turn = [name for name in _turn_of(sorted(fleet.heads, key=str), now) if name not in building]
        for name in fleet.unplaced[:_MOST_PLACED]:
            bulkhead.run(str(name), partial(self._place, name))
        found = sum(
            bulkhead.run(str(name), partial(self._compare, fleet, name))
            for name in (*fleet.unreadable, *lost)
        )
        return found + sum(
            bulkhead.run(str(name), partial(self._examine, fleet, name, now)) for name in in_turn
        )

    def wake(
        self,
        fleet: SweptFleet,
        breakers: Sequence[PlatformBreaker],
        now: datetime,
        bulkhead: Bulkhead,
    ) -> int:
        """Ask for a look at every image for which a look would begin something, at most MOST_WOKEN of them.

        `breakers` are the open ones: while they say that the galleries fail, no region is asked for.
        """
        outlook = self._outlook(fleet, now)
        bulkhead.part("places", partial(self.places.repair, outlook.world, now, bulkhead))
        suspects = self._suspects(outlook, bulkhead)[:MOST_WOKEN]
        differs = False
        for name in suspects:
            for each in (name, _parent_of(name, fleet)):
                differs |= bulkhead.run(str(each), partial(self._compare, fleet, each))
        for name, head in fleet.heads.items():
            if _has_region_due(head, now):
                bulkhead.run(str(name), partial(self._bring_to_regions, head, breakers, now))
        if differs:  # copies had lagged behind
            outlook = self._outlook(fleet, now)
        return sum(bulkhead.run(str(name), partial(self._wake, name, outlook, now)) for name in suspects)

    def complete_changes(self) -> int:
        """Write what dead processes left out of changes of registrations, platform, grants and policy; their number.

        One scan where nothing is missing.
        """
        return self.effects.recovery_log.repair(self.policies.follow)

    def _outlook(self, fleet: SweptFleet, now: datetime) -> Outlook:
        parents = {name: head.registration.parent for name, head in fleet.heads.items()}
        world = World(
            heads=fleet.heads,
            sources=self.records.sources.followed(),
            platform=self.records.sources.find_platform(),
            broken={name: LineageFault(problem=problem) for name, problem in faults_of(parents).items()},
        )
        return Outlook(world=world, notes=fleet.notes, floor_of=self._floor_of(), now=now)

    def _floor_of(self) -> Callable[[ImageName], ComplianceFloor | None]:
        """The floor of a root, by the policy that is read once, where a root is asked about at all."""

        @functools.cache
        def policy() -> Policy | None:
            try:
                return self.policies.current()
            except (PolicyLost, UnreadableRow):
                return None

        def floor_of(root: ImageName) -> ComplianceFloor | None:
            found = policy()
            return None if found is None else found.floor(root)

        return floor_of

    def _suspects(self, outlook: Outlook, bulkhead: Bulkhead) -> list[ImageName]:
        """The images that should build or announce a change, the most urgent first."""
        found: dict[ImageName, int] = {}

        def take(name: ImageName) -> bool:
            urgency = outlook.find_urgency(name)
            if urgency is not None:
                found[name] = urgency
            return urgency is not None

        for name in outlook.heads:
            bulkhead.run(str(name), partial(take, name))
        return sorted(found, key=lambda name: (found[name], str(name)))

    def _bring_to_regions(self, head: ImageHead, breakers: Sequence[PlatformBreaker], now: datetime) -> bool:
        """Ask for a look at a live version that is not in every region."""
        made = None if head.current is None else self.records.images.find_build(head.current.build)
        if made is None or not self.probing.may_look(made.value, breakers, now):
            return False
        self.effects.outbox.step(made.value, reason="regions-missing", once=True)
        return True

    def _wake(self, name: ImageName, outlook: Outlook, now: datetime) -> bool:
        if name not in outlook.heads or outlook.find_urgency(name) is None:
            return False  # the copy had lagged behind
        self.effects.outbox.rebuild(name, "swept", CampaignId(f"sweep-{now:%Y%m%d}"))
        return True

    def _examine(self, fleet: SweptFleet, name: ImageName, now: datetime) -> bool:
        """Compare a copy in its turn. Every other turn of an image that a claim holds back is for the note of it."""
        note = fleet.notes.get(name)
        if note is None or note.claim is None or turn_of(now) // _SHARE % 2:
            return self._compare(fleet, name)
        stored = self.records.images.find_claim(name, note.claim.fingerprint)
        if stored is not None and replace(stored.value, detail="") == note.claim:
            return False
        fleet.notes[name] = replace(note, claim=None)  # the look that follows leaves a new note
        return True

    def _place(self, name: ImageName) -> bool:
        """Write a copy again that an older release has written: the forest is read without the heads."""
        self.effects.projection.project(name)
        return True

    def _compare(self, fleet: SweptFleet, name: ImageName | None) -> bool:
        """True where the copy differed. The copy is written again, and this sweep goes on with the head."""
        if name is None or name in fleet.compared:
            return False
        fleet.compared.add(name)
        stored = self.records.images.find_head(name)
        truth = None if stored is None else stored.value
        if truth is not None and truth == fleet.heads.get(name):
            return False
        if truth is None:
            fleet.heads.pop(name, None)
        else:
            fleet.heads[name] = truth
        self.effects.projection.project(name)
        return True


def _take(fleet: SweptFleet, copy: Copy) -> bool:
    if copy.head is None:
        fleet.unreadable.append(ImageName(copy.name))
        return True
    fleet.heads[copy.head.name] = copy.head
    if not copy.is_placed:
        fleet.unplaced.append(copy.head.name)
    if copy.note is not None:
        fleet.notes[copy.head.name] = copy.note
    return True


def _turn_of(names: list[ImageName], now: datetime) -> list[ImageName]:
    """The images whose turn it is. Each image has a turn within six hours if a sweep runs every ten minutes."""
    return share_of(names, turn_of(now), max(_LEAST, -(-len(names) // _SHARE)))


def _parent_of(name: ImageName, fleet: SweptFleet) -> ImageName | None:
    parent = fleet.heads[name].registration.parent if name in fleet.heads else None
    return parent if parent in fleet.heads else None


def _has_region_due(head: ImageHead, now: datetime) -> bool:
    missing = None if head.current is None else head.current.missing
    return missing is not None and missing.after <= now
