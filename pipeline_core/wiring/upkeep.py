"""Put together the services that the timers run: sweep with its parts, reaper, retention, look at the galleries."""

from dataclasses import dataclass

from pipeline_core.services.upkeep.archive import Archiver
from pipeline_core.services.upkeep.builds import BuildSweep
from pipeline_core.services.upkeep.bundles import BundleRetention
from pipeline_core.services.upkeep.campaigns import CampaignSweep
from pipeline_core.services.upkeep.critical_path import Chains
from pipeline_core.services.upkeep.galleries import GallerySweep
from pipeline_core.services.upkeep.images import FleetSweep
from pipeline_core.services.upkeep.lineage import PlaceSweep
from pipeline_core.services.upkeep.prune import Pruner
from pipeline_core.services.upkeep.reap import Reaper
from pipeline_core.services.upkeep.sweep import Sweeper
from pipeline_core.services.versions.retention import RetentionPlans
from pipeline_core.wiring.builds import BuildParts
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.images import ImageParts
from pipeline_core.wiring.policies import PolicyParts
from pipeline_core.wiring.versions import VersionParts

_QUIET = 10  # waits without progress, after which a sweep looks at a build


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """All of them are for triggers."""

    sweeper: Sweeper
    reaper: Reaper
    pruner: Pruner
    archiver: Archiver
    bundle_retention: BundleRetention
    galleries: GallerySweep


def upkeep_of(
    base: Foundation,
    policy: PolicyParts,
    images: ImageParts,
    builds: BuildParts,
    versions: VersionParts,
    plans: RetentionPlans,
) -> UpkeepParts:
    """All upkeep services."""
    ports, records, effects = base.ports, base.records, base.effects
    return UpkeepParts(
        sweeper=_sweeper_of(base, policy, images, builds),
        reaper=Reaper(
            effects=effects,
            images=records.images,
            index=records.index,
            capacity=records.capacity,
            resources=ports.resources,
            galleries=ports.galleries,
            deployment=base.deployment,
        ),
        pruner=Pruner(records=records, effects=effects, galleries=ports.galleries, plans=plans),
        archiver=Archiver(records=records, effects=effects),
        bundle_retention=BundleRetention(records=records, effects=effects, blobs=ports.blobs),
        galleries=GallerySweep(
            records=records,
            effects=effects,
            observer=versions.observer,
            suspicion=versions.suspicion,
            names=versions.names,
        ),
    )


def _sweeper_of(base: Foundation, policy: PolicyParts, images: ImageParts, builds: BuildParts) -> Sweeper:
    records, effects = base.records, base.effects
    return Sweeper(
        records=records,
        effects=effects,
        fleet=FleetSweep(
            records=records,
            effects=effects,
            policies=policy.policies,
            probing=builds.probing,
            places=PlaceSweep(
                records=records, effects=effects, places=images.places, platforms=images.platforms
            ),
        ),
        builds=BuildSweep(
            records=records,
            effects=effects,
            completion=builds.completion,
            pauses=builds.pauses,
            probing=builds.probing,
            quiet=base.limits.wait * _QUIET,
        ),
        campaigns=CampaignSweep(effects=effects, images=records.images),
        chains=Chains(images=records.images, projection=effects.projection),
        dispatcher=builds.dispatcher,
    )
