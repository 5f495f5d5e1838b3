"""Put together what deals with one image: observer, reconciler, poller, registration, requests, cascade."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.guard.secrets import Form
from pipeline_core.services.images.cascade import Cascade
from pipeline_core.services.images.observe import Observer
from pipeline_core.services.images.platform import Platforms
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.services.images.register import Registrar
from pipeline_core.services.images.requests import Requests
from pipeline_core.services.images.rules import RegistrationRules
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.policies import PolicyParts
from pipeline_core.wiring.provenance import ProvenanceParts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    """The observer is for readers, too; all others are for triggers."""

    observer: Observer
    reconciler: Reconciler
    cascade: Cascade
    requests: Requests
    poller: Poller
    platforms: Platforms
    registrar: Registrar


def images_of(
    base: Foundation, policy: PolicyParts, provenance: ProvenanceParts, forms: Sequence[Form]
) -> ImageParts:
    """All of them; `forms` are the guard's forms of secrets."""
    ports, records, effects = base.ports, base.records, base.effects
    observer = Observer(records, policy.policies)
    reconciler = Reconciler(
        images=records.images,
        index=records.index,
        outbox=effects.outbox,
        projection=effects.projection,
        journal=effects.journal,
        clock=effects.clock,
        logs=effects.logs,
        observer=observer,
        galleries=ports.galleries,
        unproven=provenance.unproven,
    )
    poller = Poller(
        sources=records.sources,
        index=records.index,
        outbox=effects.outbox,
        logs=effects.logs,
        marketplace=ports.marketplace,
    )
    return ImageParts(
        observer=observer,
        reconciler=reconciler,
        cascade=Cascade(index=records.index, outbox=effects.outbox, logs=effects.logs, reconciler=reconciler),
        requests=Requests(
            images=records.images,
            outbox=effects.outbox,
            projection=effects.projection,
            journal=effects.journal,
            clock=effects.clock,
            chance=effects.chance,
            reconciler=reconciler,
        ),
        poller=poller,
        platforms=Platforms(
            index=records.index,
            sources=records.sources,
            outbox=effects.outbox,
            recovery_log=effects.recovery_log,
            logs=effects.logs,
            blobs=ports.blobs,
            policy=policy.policies,
        ),
        registrar=_registrar_of(base, policy, poller, forms),
    )


def _registrar_of(base: Foundation, policy: PolicyParts, poller: Poller, forms: Sequence[Form]) -> Registrar:
    records, effects, blobs = base.records, base.effects, base.ports.blobs
    rules = RegistrationRules(
        images=records.images,
        sources=records.sources,
        documents=effects.documents,
        blobs=blobs,
        floors=policy.rules,
        secops=base.deployment.secops,
        forms=forms,
    )
    return Registrar(
        images=records.images,
        index=records.index,
        sources=records.sources,
        documents=effects.documents,
        outbox=effects.outbox,
        projection=effects.projection,
        recovery_log=effects.recovery_log,
        journal=effects.journal,
        clock=effects.clock,
        logs=effects.logs,
        blobs=blobs,
        rules=rules,
        policy=policy.policies,
        poller=poller,
        deployment=base.deployment,
    )
