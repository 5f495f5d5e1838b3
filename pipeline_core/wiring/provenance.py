"""Put together the proof of versions: the service that signs, the alarm, and the services that use them."""

from dataclasses import dataclass

from pipeline_core.services.effects.latest import Marks
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.provenance.live_facts import LiveFacts
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.services.provenance.proofs import Proofs
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.provenance.publications import Publications
from pipeline_core.services.provenance.reports import VerifyReports
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceParts:
    """`provenance` signs and examines. `unproven` raises the alarm. `facts`, `reports` and `places` read what is known
    of a version. The rest is for triggers.
    """

    provenance: Provenance
    unproven: Unproven
    reports: VerifyReports
    facts: LiveFacts
    proofs: Proofs
    places: VersionPlaces


def provenance_of(base: Foundation, marks: Marks) -> ProvenanceParts:
    """All provenance services, over one signer."""
    ports, records, effects = base.ports, base.records, base.effects
    publications = Publications(blobs=ports.blobs, signer=ports.signer)
    provenance = Provenance(
        images=records.images,
        tools=records.tools,
        blobs=ports.blobs,
        signer=ports.signer,
        deployment=base.deployment,
        publications=publications,
    )
    reports = VerifyReports(blobs=ports.blobs)
    places = VersionPlaces(images=records.images, galleries=ports.galleries, deployment=base.deployment)
    unproven = Unproven(
        effects=effects,
        store=records.unproven,
        marks=marks,
        provenance=provenance,
        excludes=base.deployment.excludes_unproven,
    )
    return ProvenanceParts(
        provenance=provenance,
        unproven=unproven,
        reports=reports,
        facts=LiveFacts(
            images=records.images,
            documents=effects.documents,
            provenance=provenance,
            reports=reports,
            clock=effects.clock,
        ),
        places=places,
        proofs=Proofs(
            places=places,
            provenance=provenance,
            publications=publications,
            signer=ports.signer,
        ),
    )
