"""Put together the policy: the service that keeps it, the rules that compare images with it, and approvals."""

from dataclasses import dataclass

from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyParts:
    """The policy services that other parts use."""

    policies: Policies
    rules: PolicyRules
    approvals: Approvals


def policies_of(base: Foundation) -> PolicyParts:
    """All of them. Policy and rules read the same row."""
    records, effects = base.records, base.effects
    policies = Policies(records=records, effects=effects, blobs=base.ports.blobs)
    return PolicyParts(
        policies=policies,
        rules=PolicyRules(effects=effects, policies=policies),
        approvals=Approvals(records=records, effects=effects, secops=base.deployment.secops),
    )
