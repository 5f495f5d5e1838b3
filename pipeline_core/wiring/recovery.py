"""Put the recovery together. A factory needs it once in its life, and no other service uses its parts."""

from pipeline_core.services.images.poll import Poller
from pipeline_core.services.provenance.live_facts import LiveFacts
from pipeline_core.services.recovery.image import ImageRecovery
from pipeline_core.services.recovery.lineage import LineageRecovery
from pipeline_core.services.recovery.live_versions import LiveVersions
from pipeline_core.services.recovery.lost_builds import LostBuilds
from pipeline_core.services.recovery.recover import Recovery
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.policies import PolicyParts


def recovery_of(base: Foundation, policy: PolicyParts, facts: LiveFacts, poller: Poller) -> Recovery:
    """The recovery of this factory's tables."""
    galleries, records, effects = base.ports.galleries, base.records, base.effects
    lost_builds = LostBuilds(blobs=base.ports.blobs)
    images = ImageRecovery(
        records=records,
        effects=effects,
        galleries=galleries,
        versions=LiveVersions(galleries=galleries, facts=facts),
        lost_builds=lost_builds,
        policy=policy.policies,
        deployment=base.deployment,
    )
    return Recovery(
        effects=effects,
        sources=records.sources,
        images=images,
        lineage=LineageRecovery(records=records, effects=effects, lost_builds=lost_builds),
        policy=policy.policies,
        poller=poller,
    )
