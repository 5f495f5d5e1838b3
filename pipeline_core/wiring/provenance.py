"""Put together what vouches for versions: the signer and all who ask it."""

from pipeline_core.deployment import Deployment
from pipeline_core.ports import Ports
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.provenance.proofs import Proofs
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.state.images import ImageStore
from pipeline_core.state.unproven import UnprovenStore


def provenance_of(ports: Ports, deployment: Deployment) -> Provenance:
    """Who vouches for versions, and holds them against what was vouched for."""
    return Provenance(
        blobs=ports.blobs, images=ImageStore(ports.tables), signer=ports.signer, deployment=deployment
    )


def unproven_of(ports: Ports, provenance: Provenance, journal: Journal, outbox: Outbox) -> Unproven:
    """Who raises the alarm."""
    return Unproven(
        store=UnprovenStore(ports.tables),
        galleries=ports.galleries,
        provenance=provenance,
        outbox=outbox,
        journal=journal,
        logs=ports.logs,
        excludes=provenance.deployment.excludes_unproven,
    )


def proofs_of(ports: Ports, provenance: Provenance) -> Proofs:
    """Who shows it to consumers."""
    return Proofs(
        images=provenance.images, galleries=ports.galleries, provenance=provenance, signer=ports.signer
    )
