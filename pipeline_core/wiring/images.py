"""Put together the services for one image: observer, reconciler, poller, registration, requests, cascade."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.guard.secrets import Form
from pipeline_core.services.catalog.admission import ToolAdmission
from pipeline_core.services.catalog.submissions import Submissions
from pipeline_core.services.effects.announcements import Announcements
from pipeline_core.services.effects.bundles import Bundles
from pipeline_core.services.effects.latest import Marks
from pipeline_core.services.images.cascade import Cascade
from pipeline_core.services.images.marketplace import SourceRules
from pipeline_core.services.images.observe import Observer
from pipeline_core.services.images.placements import Placements
from pipeline_core.services.images.places import Places
from pipeline_core.services.images.platform import Platforms
from pipeline_core.services.images.pointer import Pointer
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.services.images.register import Registrar
from pipeline_core.services.images.requests import Requests
from pipeline_core.services.images.reuse import Reuse
from pipeline_core.services.images.rules import RegistrationRules
from pipeline_core.services.images.sources import Sources
from pipeline_core.services.images.wishes import Wishes
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.policies import PolicyParts
from pipeline_core.wiring.provenance import ProvenanceParts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    """Readers use the observer, builds the wishes, versions pointer and announcements. The rest is for triggers."""

    observer: Observer
    wishes: Wishes
    pointer: Pointer
    announcements: Announcements
    reconciler: Reconciler
    cascade: Cascade
    requests: Requests
    poller: Poller
    sources: Sources
    platforms: Platforms
    registrar: Registrar
    bundles: Bundles
    places: Places
    admission: ToolAdmission
    submissions: Submissions


def images_of(
    base: Foundation,
    policy: PolicyParts,
    provenance: ProvenanceParts,
    marks: Marks,
    forms: Sequence[Form],
) -> ImageParts:
    """All image services. `forms` are the guard's forms of secrets."""
    ports, records, effects = base.ports, base.records, base.effects
    observer = Observer(records, policy.policies, effects.needed)
    wishes = Wishes(records=records, effects=effects, observer=observer)
    pointer = Pointer(records=records, effects=effects, galleries=ports.galleries, marks=marks)
    announcements = Announcements(records=records, outbox=effects.outbox, projection=effects.projection)
    reuse = Reuse(
        records=records,
        effects=effects,
        galleries=ports.galleries,
        unproven=provenance.unproven,
        facts=provenance.facts,
        pointer=pointer,
        announcements=announcements,
    )
    reconciler = Reconciler(
        records=records,
        effects=effects,
        observer=observer,
        reuse=reuse,
        wishes=wishes,
        announcements=announcements,
    )
    poller = Poller(records=records, effects=effects, marketplace=ports.marketplace)
    places = Places(records=records, effects=effects, poller=poller)
    bundles = _bundles_of(base)
    return ImageParts(
        observer=observer,
        wishes=wishes,
        pointer=pointer,
        announcements=announcements,
        reconciler=reconciler,
        cascade=Cascade(effects=effects, index=records.index, reconciler=reconciler),
        requests=Requests(
            effects=effects,
            images=records.images,
            pauses=records.pauses,
            reconciler=reconciler,
            days=policy.days,
        ),
        poller=poller,
        sources=Sources(records=records, effects=effects, poller=poller),
        platforms=Platforms(
            records=records, effects=effects, blobs=ports.blobs, policy=policy.policies, bundles=bundles
        ),
        registrar=_registrar_of(base, policy, places, bundles, forms),
        bundles=bundles,
        places=places,
        admission=ToolAdmission(records=records, effects=effects, blobs=ports.blobs, scanner=ports.scanner),
        submissions=_submissions_of(base),
    )


def _submissions_of(base: Foundation) -> Submissions:
    return Submissions(
        records=base.records,
        blobs=base.ports.blobs,
        clock=base.effects.clock,
        logs=base.effects.logs,
        deployment=base.deployment,
    )


def _bundles_of(base: Foundation) -> Bundles:
    effects = base.effects
    return Bundles(
        records=base.records,
        blobs=base.ports.blobs,
        clock=effects.clock,
        logs=effects.logs,
        secops=base.deployment.secops,
    )


def _registrar_of(
    base: Foundation, policy: PolicyParts, places: Places, bundles: Bundles, forms: Sequence[Form]
) -> Registrar:
    records, effects, blobs = base.records, base.effects, base.ports.blobs
    rules = RegistrationRules(
        records=records,
        documents=effects.documents,
        blobs=blobs,
        floors=policy.rules,
        approvals=policy.approvals,
        forms=forms,
        sources=SourceRules(
            marketplace=base.ports.marketplace,
            galleries=base.ports.galleries,
            heads=records.images,
            documents=effects.documents,
            deployment=base.deployment,
            logs=effects.logs,
        ),
    )
    return Registrar(
        records=records,
        effects=effects,
        bundles=bundles,
        rules=rules,
        days=policy.days,
        places=places,
        placements=Placements(records=records, galleries=base.ports.galleries, deployment=base.deployment),
    )
