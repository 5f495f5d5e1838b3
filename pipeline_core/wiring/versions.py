"""Put together the services about published versions: what retention would do."""

from pipeline_core.services.versions.retention import RetentionPlans
from pipeline_core.wiring.foundation import Foundation


def retention_of(base: Foundation) -> RetentionPlans:
    """The plans of retention, with the grace period of the settings."""
    return RetentionPlans(
        records=base.records,
        galleries=base.ports.galleries,
        effects=base.effects,
        grace=base.limits.retention_grace,
    )
