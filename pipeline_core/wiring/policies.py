"""Put together the policy: the service that keeps it, the rules that compare images with it, and grants."""

from dataclasses import dataclass

from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyParts:
    """The policy services that other parts use."""

    policies: Policies
    rules: PolicyRules
    approvals: Approvals
    waivers: WaiverGrants


def policies_of(base: Foundation) -> PolicyParts:
    """All of them. Policy and rules read the same row."""
    records, effects = base.records, base.effects
    policies = Policies(records=records, effects=effects, blobs=base.ports.blobs)
    waivers = WaiverGrants(records=records, effects=effects, policies=policies)
    return PolicyParts(
        policies=policies,
        rules=PolicyRules(effects=effects, policies=policies, waivers=waivers),
        approvals=Approvals(records=records, effects=effects, secops=base.deployment.secops),
        waivers=waivers,
    )
