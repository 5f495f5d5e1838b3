"""Put together the services of published versions: turns, the look at the galleries, and what follows from it."""

from dataclasses import dataclass

from pipeline_core.services.effects.latest import Marks
from pipeline_core.services.versions.events import GalleryEvents
from pipeline_core.services.versions.falls import Falls
from pipeline_core.services.versions.lost_parents import LostParents
from pipeline_core.services.versions.observer import GalleryObserver
from pipeline_core.services.versions.readmission import Readmission
from pipeline_core.services.versions.retention import RetentionPlans
from pipeline_core.services.versions.suspicion import Suspicion
from pipeline_core.services.versions.turns import Turns
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.images import ImageParts
from pipeline_core.wiring.provenance import ProvenanceParts


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionParts:
    """Builds use the turns, upkeep the observer. The rest is for triggers."""

    turns: Turns
    observer: GalleryObserver
    suspicion: Suspicion
    readmission: Readmission
    gallery_events: GalleryEvents


def versions_of(
    base: Foundation, provenance: ProvenanceParts, images: ImageParts, marks: Marks
) -> VersionParts:
    """All services of versions."""
    records, effects, galleries = base.records, base.effects, base.ports.galleries
    unproven = provenance.unproven
    suspicion = Suspicion(records=records, effects=effects)
    readmission = Readmission(
        records=records, effects=effects, galleries=galleries, marks=marks, unproven=unproven
    )
    observer = GalleryObserver(
        records=records,
        effects=effects,
        galleries=galleries,
        unproven=unproven,
        falls=Falls(
            records=records,
            effects=effects,
            pointer=images.pointer,
            unproven=unproven,
            facts=provenance.facts,
            announcements=images.announcements,
        ),
        readmission=readmission,
        suspicion=suspicion,
    )
    return VersionParts(
        turns=Turns(
            records=records,
            effects=effects,
            galleries=galleries,
            marks=marks,
            wishes=images.wishes,
            provenance=provenance.provenance,
            parents=LostParents(records=records, galleries=galleries),
        ),
        observer=observer,
        suspicion=suspicion,
        readmission=readmission,
        gallery_events=GalleryEvents(
            effects=effects,
            images=records.images,
            galleries=galleries,
            unproven=unproven,
            observer=observer,
            deployment=base.deployment,
        ),
    )


def retention_of(base: Foundation) -> RetentionPlans:
    """The plans of retention, with the grace period of the settings."""
    return RetentionPlans(
        records=base.records,
        galleries=base.ports.galleries,
        effects=base.effects,
        grace=base.limits.retention_grace,
    )
