"""Put the parts of the policy together: the chronicle that remembers it, the desk that keeps it, its rules."""

from dataclasses import dataclass

from pipeline_core.port_set import Ports
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.recovery_log import Chronicle
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import PolicyDesk
from pipeline_core.state.images import ImageStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.unchronicled import UnchronicledStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyParts:
    """What others are wired to."""

    chronicle: Chronicle
    desk: PolicyDesk
    rules: PolicyRules


def policy_of(ports: Ports, images: ImageStore, sources: SourceStore, documents: Documents) -> PolicyParts:
    """The parts over these ports and stores."""
    policies, unchronicled = PolicyStore(ports.tables), UnchronicledStore(ports.tables)
    chronicle = Chronicle(ports.blobs, images, sources, policies, unchronicled, ports.clock, ports.logs)
    desk = PolicyDesk(
        policies=policies,
        images=images,
        blobs=ports.blobs,
        chronicle=chronicle,
        clock=ports.clock,
        logs=ports.logs,
    )
    rules = PolicyRules(desk=desk, documents=documents, clock=ports.clock)
    return PolicyParts(chronicle=chronicle, desk=desk, rules=rules)
