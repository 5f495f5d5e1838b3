"""Put together the services that people read: images and builds, the files of a build, differences of versions."""

from dataclasses import dataclass

from pipeline_core.services.images.observe import Observer
from pipeline_core.services.outages.outages import Outages
from pipeline_core.services.views.bases import Bases
from pipeline_core.services.views.conditions import ImageConditions
from pipeline_core.services.views.diff import VersionDiff
from pipeline_core.services.views.evidence import Evidence
from pipeline_core.services.views.history import History
from pipeline_core.services.views.platform_plans import PlatformPlans
from pipeline_core.services.views.queries import Queries
from pipeline_core.services.views.unreadable import UnreadableRows
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.notify import NotifyParts
from pipeline_core.wiring.policies import PolicyParts


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewParts:
    """All of them are for triggers."""

    queries: Queries
    history: History
    bases: Bases
    platform_plans: PlatformPlans
    unreadable: UnreadableRows
    evidence: Evidence
    version_diff: VersionDiff


def views_of(
    base: Foundation, policy: PolicyParts, notify: NotifyParts, observer: Observer, outages: Outages
) -> ViewParts:
    """All view services, over the same records."""
    records, effects = base.records, base.effects
    held = ImageConditions(
        policies=policy.policies,
        floors=policy.rules,
        receivers=notify.receivers,
        approvals=policy.approvals,
        waivers=policy.waivers,
        clock=effects.clock,
    )
    history, unreadable = (
        History(records=records, clock=effects.clock),
        UnreadableRows(store=records.unreadable),
    )
    evidence = Evidence(images=records.images, logs=effects.logs, blobs=base.ports.blobs)
    return ViewParts(
        queries=Queries(
            records=records,
            effects=effects,
            observer=observer,
            held=held,
            history=history,
            unreadable=unreadable,
            outages=outages,
        ),
        history=history,
        bases=Bases(records=records, clock=effects.clock, secops=base.deployment.secops),
        platform_plans=PlatformPlans(
            records=records, policies=policy.policies, clock=effects.clock, slots=base.limits.slots
        ),
        unreadable=unreadable,
        evidence=evidence,
        version_diff=VersionDiff(images=records.images, evidence=evidence),
    )
