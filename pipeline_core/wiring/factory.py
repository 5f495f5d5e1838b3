"""Put the parts together: which adapter stands behind which port, and which service gets which port.

Nothing is built before the first event needs it, and the Azure SDKs load only then, through `_adapters`: the
one place where a module is imported late, because every function of the app pays for what is imported early.
"""

import functools
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from pipeline_core.deployment import Deployment
from pipeline_core.guard.secrets import Form
from pipeline_core.ports import Ports, Tokens
from pipeline_core.services.builds.attempts import Attempts
from pipeline_core.services.builds.cancel import Cancellations
from pipeline_core.services.builds.completion import Ending
from pipeline_core.services.builds.containers import ContainerStage
from pipeline_core.services.builds.dispatch import Dispatcher
from pipeline_core.services.builds.drive import Driver
from pipeline_core.services.builds.events import BuildEvents
from pipeline_core.services.builds.gates import Judge
from pipeline_core.services.builds.launch import Launcher
from pipeline_core.services.builds.leftovers import Leftovers
from pipeline_core.services.builds.publishing import Publishing
from pipeline_core.services.builds.stopping import Stopping
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.outbox import Outbox, Redelivery
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.images.cascade import Cascade
from pipeline_core.services.images.observe import Observer
from pipeline_core.services.images.platform import Platforms
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.services.images.register import Registrar
from pipeline_core.services.images.requests import Requests
from pipeline_core.services.images.rules import RegistrationRules
from pipeline_core.services.notify import Notifier
from pipeline_core.services.poison.record import Poison
from pipeline_core.services.poison.review import PoisonReview
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.provenance.gallery_events import GalleryEvents
from pipeline_core.services.provenance.proofs import Proofs
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.recovery.recover import Restorer
from pipeline_core.services.upkeep.builds import BuildSweep
from pipeline_core.services.upkeep.campaigns import CampaignSweep
from pipeline_core.services.upkeep.critical_path import Chains
from pipeline_core.services.upkeep.images import FleetSweep
from pipeline_core.services.upkeep.prune import Pruner
from pipeline_core.services.upkeep.reap import Reaper
from pipeline_core.services.upkeep.sweep import Sweeper
from pipeline_core.services.views.queries import Queries
from pipeline_core.settings import Limits, Settings
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.fleet import FleetStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.sources import SourceStore
from pipeline_core.wiring.evidence import EvidenceParts, evidence_of
from pipeline_core.wiring.poison import poison_of
from pipeline_core.wiring.policies import policy_of
from pipeline_core.wiring.provenance import proofs_of, provenance_of, unproven_of
from pipeline_core.wiring.recovery import restorer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """Every service that a trigger calls."""

    poller: Poller
    reconciler: Reconciler
    dispatcher: Dispatcher
    driver: Driver
    build_events: BuildEvents
    cascade: Cascade
    gallery_events: GalleryEvents
    proofs: Proofs
    sweeper: Sweeper
    reaper: Reaper
    pruner: Pruner
    notifier: Notifier
    poison: Poison
    poison_review: PoisonReview
    redelivery: Redelivery
    tokens: Tokens
    registrar: Registrar
    platforms: Platforms
    restorer: Restorer
    policy: Policies
    requests: Requests
    cancellations: Cancellations
    queries: Queries
    evidence: EvidenceParts


@functools.cache
def factory() -> Factory:
    """The factory of this process, built from the environment at the first call; raises SettingsError."""
    settings = Settings.read(os.environ)
    return assemble(_adapters("ports").connect(settings), settings.deployment(), settings.limits())


def _adapters(name: str) -> ModuleType:
    """A module of the Azure adapters, loaded now."""
    return importlib.import_module(f"pipeline_core.adapters.azure.{name}")


def _forms() -> Sequence[Form]:
    """The guard's forms of secrets, loaded now: their library costs as much as all the rest of an import."""
    forms: Sequence[Form] = importlib.import_module("pipeline_core.guard.detectors").forms()
    return forms


def assemble(ports: Ports, deployment: Deployment, limits: Limits) -> Factory:
    """Wire the services to these ports; used alike on Azure, in tests and in the simulation."""
    images, index, sources = ImageStore(ports.tables), Index(ports.tables), SourceStore(ports.tables)
    capacity = CapacityStore(
        ports.tables,
        slots=limits.slots,
        creates_per_hour=limits.creates_per_hour,
        team_slots=limits.team_slots,
        creates_per_burst=limits.creates_per_burst,
    )
    clock, logs = ports.clock, ports.logs
    journal = Journal(clock, ports.chance)
    outbox = Outbox(ports.queues)
    documents = Documents(ports.blobs, deployment.location)
    kept = policy_of(ports, images, sources, documents)
    recovery_log, policy, floors = kept.recovery_log, kept.policies, kept.rules
    projection = Projection(images, index, recovery_log, logs)
    observer = Observer(images, sources, policy)
    poison, poison_review = poison_of(
        tables=ports.tables,
        queues=ports.queues,
        images=images,
        projection=projection,
        journal=journal,
        clock=clock,
        chance=ports.chance,
        logs=logs,
    )
    poller = Poller(marketplace=ports.marketplace, sources=sources, index=index, outbox=outbox, logs=logs)
    provenance = provenance_of(ports, deployment)
    unproven = unproven_of(ports, provenance, journal, outbox)
    reconciler = Reconciler(
        observer=observer,
        images=images,
        index=index,
        galleries=ports.galleries,
        unproven=unproven,
        outbox=outbox,
        projection=projection,
        journal=journal,
        clock=clock,
        logs=logs,
    )
    ending = Ending(
        images=images,
        index=index,
        capacity=capacity,
        outbox=outbox,
        projection=projection,
        journal=journal,
        clock=clock,
        logs=logs,
    )
    driver = _driver(
        ports,
        deployment,
        limits,
        images,
        index,
        capacity,
        sources,
        documents,
        policy,
        ending,
        provenance,
        journal,
        outbox,
    )
    registrar = Registrar(
        images=images,
        index=index,
        sources=sources,
        blobs=ports.blobs,
        documents=documents,
        rules=RegistrationRules(
            images=images,
            sources=sources,
            blobs=ports.blobs,
            documents=documents,
            floors=floors,
            secops=deployment.secops,
            forms=_forms(),
        ),
        policy=policy,
        poller=poller,
        outbox=outbox,
        projection=projection,
        recovery_log=recovery_log,
        journal=journal,
        clock=clock,
        deployment=deployment,
        logs=logs,
    )
    dispatcher = Dispatcher(
        images=images,
        index=index,
        capacity=capacity,
        outbox=outbox,
        journal=journal,
        clock=clock,
        logs=logs,
    )
    return Factory(
        poller=poller,
        reconciler=reconciler,
        dispatcher=dispatcher,
        driver=driver,
        build_events=BuildEvents(images=images, driver=driver, logs=logs),
        cascade=Cascade(index=index, outbox=outbox, reconciler=reconciler, logs=logs),
        gallery_events=GalleryEvents(
            images=images,
            galleries=ports.galleries,
            unproven=unproven,
            outbox=outbox,
            deployment=deployment,
            logs=logs,
        ),
        proofs=proofs_of(ports, provenance),
        sweeper=Sweeper(
            images=images,
            capacity=capacity,
            fleet=FleetSweep(
                images=images,
                fleet=FleetStore(ports.tables),
                sources=sources,
                projection=projection,
                outbox=outbox,
            ),
            builds=BuildSweep(
                images=images,
                index=index,
                ending=ending,
                outbox=outbox,
                journal=journal,
                logs=logs,
                quiet=limits.wait * 10,
            ),
            campaigns=CampaignSweep(images=images, outbox=outbox, journal=journal, logs=logs),
            chains=Chains(images=images, projection=projection),
            dispatcher=dispatcher,
            recovery_log=recovery_log,
            outbox=outbox,
            clock=clock,
            logs=logs,
        ),
        reaper=Reaper(
            resources=ports.resources,
            galleries=ports.galleries,
            images=images,
            journal=journal,
            deployment=deployment,
            clock=clock,
            logs=logs,
        ),
        pruner=Pruner(
            images=images,
            index=index,
            galleries=ports.galleries,
            unproven=unproven,
            documents=documents,
            journal=journal,
            clock=clock,
            logs=logs,
        ),
        notifier=Notifier(
            images=images, documents=documents, secrets=ports.secrets, web=ports.web, logs=logs
        ),
        poison=poison,
        poison_review=poison_review,
        redelivery=Redelivery(ports.queues, ports.chance, logs),
        tokens=ports.tokens,
        registrar=registrar,
        platforms=Platforms(
            index=index,
            outbox=outbox,
            sources=sources,
            blobs=ports.blobs,
            policy=policy,
            recovery_log=recovery_log,
            logs=logs,
        ),
        restorer=restorer_of(registrar, ports.galleries, provenance),
        cancellations=Cancellations(
            images=images, stopping=driver.stopping, outbox=outbox, journal=journal, clock=clock
        ),
        policy=policy,
        requests=Requests(
            images=images,
            reconciler=reconciler,
            outbox=outbox,
            projection=projection,
            journal=journal,
            clock=clock,
            chance=ports.chance,
        ),
        evidence=evidence_of(images, ports.blobs, logs),
        queries=Queries(
            images_store=images, index=index, sources=sources, observer=observer, floors=floors, clock=clock
        ),
    )


def _driver(
    ports: Ports,
    deployment: Deployment,
    limits: Limits,
    images: ImageStore,
    index: Index,
    capacity: CapacityStore,
    sources: SourceStore,
    documents: Documents,
    policy: Policies,
    ending: Ending,
    provenance: Provenance,
    journal: Journal,
    outbox: Outbox,
) -> Driver:
    launcher = Launcher(
        images=images,
        sources=sources,
        blobs=ports.blobs,
        galleries=ports.galleries,
        containers=ports.containers,
        documents=documents,
        floors=policy,
        deployment=deployment,
    )
    stage = ContainerStage(
        images=images,
        attempts=Attempts(blobs=ports.blobs, containers=ports.containers),
        capacity=capacity,
        documents=documents,
        launcher=launcher,
        judge=Judge(images=images, documents=documents, floors=policy, clock=ports.clock),
        provenance=provenance,
        outbox=outbox,
        journal=journal,
        clock=ports.clock,
        chance=ports.chance,
        wait=limits.wait,
    )
    publishing = Publishing(
        images=images,
        galleries=ports.galleries,
        provenance=provenance,
        capacity=capacity,
        documents=documents,
        ending=ending,
        outbox=outbox,
        deployment=deployment,
        clock=ports.clock,
        wait=limits.wait,
    )
    stopping = Stopping(
        images=images,
        index=index,
        blobs=ports.blobs,
        leftovers=Leftovers(
            containers=ports.containers, galleries=ports.galleries, deployment=deployment, logs=ports.logs
        ),
        ending=ending,
        clock=ports.clock,
        logs=ports.logs,
        wait=limits.wait,
    )
    return Driver(
        images=images,
        containers=stage,
        publishing=publishing,
        stopping=stopping,
        ending=ending,
        outbox=outbox,
        chance=ports.chance,
        logs=ports.logs,
    )
