"""Put together the policy: the service that keeps it, the rules that compare images with it, grants and counts."""

from dataclasses import dataclass

from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.day_limits import DayLimits
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.policies.rates import ChangeRates
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyParts:
    """The policy services that other parts use."""

    policies: Policies
    rules: PolicyRules
    approvals: Approvals
    waivers: WaiverGrants
    rates: ChangeRates
    days: DayLimits


def policies_of(base: Foundation) -> PolicyParts:
    """All of them, over the same row."""
    records, effects = base.records, base.effects
    policies = Policies(records=records, effects=effects, blobs=base.ports.blobs)
    waivers = WaiverGrants(records=records, effects=effects, policies=policies)
    return PolicyParts(
        policies=policies,
        rules=PolicyRules(effects=effects, policies=policies, waivers=waivers),
        approvals=Approvals(records=records, effects=effects, secops=base.deployment.secops),
        waivers=waivers,
        days=DayLimits(policies=policies, days=records.days, clock=base.ports.clock, logs=base.ports.logs),
        rates=ChangeRates(
            policies=policies, rates=records.rates, clock=base.ports.clock, logs=base.ports.logs
        ),
    )
