"""Put the parts of the policy together: the recovery log that remembers it, the service that keeps it, its rules."""

from dataclasses import dataclass

from pipeline_core.ports import Ports
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.images import ImageStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.unlogged import UnloggedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyParts:
    """What others are wired to."""

    recovery_log: RecoveryLog
    policies: Policies
    rules: PolicyRules


def policy_of(ports: Ports, images: ImageStore, sources: SourceStore, documents: Documents) -> PolicyParts:
    """The parts over these ports and stores."""
    store, unlogged = PolicyStore(ports.tables), UnloggedStore(ports.tables)
    recovery_log = RecoveryLog(ports.blobs, images, sources, store, unlogged, ports.clock, ports.logs)
    policies = Policies(
        policies=store,
        images=images,
        blobs=ports.blobs,
        recovery_log=recovery_log,
        clock=ports.clock,
        logs=ports.logs,
    )
    rules = PolicyRules(policies=policies, documents=documents, clock=ports.clock)
    return PolicyParts(recovery_log=recovery_log, policies=policies, rules=rules)
