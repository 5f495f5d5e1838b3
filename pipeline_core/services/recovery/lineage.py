"""Recover records that need all heads of the fleet: chains of descendants, and claims on unfinished builds.

It must run before the platform steps are back: until then nothing else claims an input.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import lineage_of
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.staleness import Platform, Stale, World, detect_staleness
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.recovery.lost_builds import LostBuilds
from pipeline_core.state import images as records
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredFleet:
    """All heads as last projected, their heights by name, the root of each, and the world they are in."""

    heads: Mapping[ImageName, ImageHead]
    heights: Mapping[ImageName, int]
    roots: Mapping[ImageName, ImageName]
    world: World


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRecovery:
    """Cost: the fleet once per step; per image at most one list call and one write."""

    records: Records
    effects: Effects
    lost_builds: LostBuilds

    def read(self, platform: Platform | None) -> RecoveredFleet:
        """Read the fleet, under the platform that is about to be in force."""
        heads = {head.name: head for head in self.records.index.heads()}
        lineage = lineage_of({name: head.registration.parent for name, head in heads.items()})
        heights: dict[ImageName, int] = {}
        for level in reversed(lineage.by_level()):
            for name in level:
                below = [heights[child] for child in lineage.children.get(name, ())]
                heights[name] = max(below, default=-1) + 1
        return RecoveredFleet(
            heads=heads,
            heights=heights,
            roots={name: [name, *lineage.ancestors(name)][-1] for name in heights},
            world=World(heads=heads, sources=self.records.sources.followed(), platform=platform),
        )

    def recover(self, name: ImageName, fleet: RecoveredFleet) -> None:
        """Recover one image. Raises TransientError if another writer changes the image at the same moment."""
        stored = self.records.images.find_head(name)
        if stored is None or name not in fleet.heights:
            return
        self._claim(stored.value, fleet, self.effects.clock.now())
        if stored.value.height >= fleet.heights[name]:
            return
        raised = replace(stored.value, height=fleet.heights[name])
        try:
            self.records.images.commit([records.put_head(raised, etag=stored.etag)])
        except StaleWrite as error:
            raise _raced(name) from error
        self.effects.projection.project(name)

    def _claim(self, head: ImageHead, fleet: RecoveredFleet, now: datetime) -> None:
        """The input that a stale image needs may have been tried already."""
        period = fingerprints.refresh_period(fleet.roots[head.name], now, head.registration.max_age)
        due = replace(head, period=max(head.period, period))
        staleness = detect_staleness(head.name, replace(fleet.world, heads={**fleet.heads, head.name: due}))
        if not isinstance(staleness, Stale):
            return
        if self.records.images.find_claim(head.name, staleness.fingerprint) is not None:
            return
        definition = self.effects.documents.definition(head.registration.definition)
        claim = self.lost_builds.claim(head.name, staleness.fingerprint, definition)
        if claim is None:
            return
        try:
            self.records.images.commit([records.put_claim(claim, etag=None)])
        except AlreadyExists as error:
            raise _raced(head.name) from error


def _raced(name: ImageName) -> TransientError:
    return TransientError(ErrorClass.CONFLICT, f"{name} is being changed by others: look again")
