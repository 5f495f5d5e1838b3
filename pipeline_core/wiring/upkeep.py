"""Put together what the timers run: the sweep with its parts, the reaper, retention."""

from dataclasses import dataclass

from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.upkeep.builds import BuildSweep
from pipeline_core.services.upkeep.campaigns import CampaignSweep
from pipeline_core.services.upkeep.critical_path import Chains
from pipeline_core.services.upkeep.images import FleetSweep
from pipeline_core.services.upkeep.prune import Pruner
from pipeline_core.services.upkeep.reap import Reaper
from pipeline_core.services.upkeep.sweep import Sweeper
from pipeline_core.wiring.builds import BuildParts
from pipeline_core.wiring.foundation import Foundation

_QUIET = 10  # waits that a build stands still before a sweep looks at it


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """All of them are for triggers."""

    sweeper: Sweeper
    reaper: Reaper
    pruner: Pruner


def upkeep_of(base: Foundation, builds: BuildParts, unproven: Unproven) -> UpkeepParts:
    """All of them."""
    ports, records, effects = base.ports, base.records, base.effects
    return UpkeepParts(
        sweeper=_sweeper_of(base, builds),
        reaper=Reaper(
            images=records.images,
            journal=effects.journal,
            clock=effects.clock,
            logs=effects.logs,
            resources=ports.resources,
            galleries=ports.galleries,
            deployment=base.deployment,
        ),
        pruner=Pruner(
            images=records.images,
            index=records.index,
            documents=effects.documents,
            journal=effects.journal,
            clock=effects.clock,
            logs=effects.logs,
            galleries=ports.galleries,
            unproven=unproven,
        ),
    )


def _sweeper_of(base: Foundation, builds: BuildParts) -> Sweeper:
    records, effects = base.records, base.effects
    return Sweeper(
        images=records.images,
        capacity=records.capacity,
        recovery_log=effects.recovery_log,
        outbox=effects.outbox,
        clock=effects.clock,
        logs=effects.logs,
        fleet=FleetSweep(
            images=records.images,
            fleet=records.fleet,
            sources=records.sources,
            projection=effects.projection,
            outbox=effects.outbox,
        ),
        builds=BuildSweep(
            images=records.images,
            index=records.index,
            outbox=effects.outbox,
            journal=effects.journal,
            logs=effects.logs,
            ending=builds.ending,
            quiet=base.limits.wait * _QUIET,
        ),
        campaigns=CampaignSweep(
            images=records.images, outbox=effects.outbox, journal=effects.journal, logs=effects.logs
        ),
        chains=Chains(images=records.images, projection=effects.projection),
        dispatcher=builds.dispatcher,
    )
