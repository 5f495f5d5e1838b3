"""Put the parts together: which adapter stands behind which port, and which service gets which port.

Nothing is built before the first event needs it, and the Azure SDKs load only then, through `_adapters`: the
one place where a module is imported late, because every function of the app pays for what is imported early.
"""

import functools
import importlib
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from pipeline_core.ports import (
    Blobs,
    Chance,
    Clock,
    Containers,
    Galleries,
    Logs,
    Marketplace,
    Queues,
    Secrets,
    Tables,
    Tokens,
    Web,
)
from pipeline_core.services.build_events import BuildEvents
from pipeline_core.services.cascade import Cascade
from pipeline_core.services.container_stage import ContainerStage
from pipeline_core.services.dispatch import Dispatcher
from pipeline_core.services.documents import Documents
from pipeline_core.services.drive import Driver
from pipeline_core.services.ending import Ending
from pipeline_core.services.gallery_events import GalleryEvents
from pipeline_core.services.journal import Journal
from pipeline_core.services.launch import Launcher
from pipeline_core.services.notify import Notifier
from pipeline_core.services.observe import Observer
from pipeline_core.services.outbox import Outbox, Redelivery
from pipeline_core.services.platform import Platforms
from pipeline_core.services.poison import Poison
from pipeline_core.services.poll import Poller
from pipeline_core.services.projection import Projection
from pipeline_core.services.provenance import Provenance
from pipeline_core.services.prune import Pruner
from pipeline_core.services.publishing import Publishing
from pipeline_core.services.queries import Queries
from pipeline_core.services.reconcile import Reconciler
from pipeline_core.services.register import Registrar
from pipeline_core.services.registration_rules import RegistrationRules
from pipeline_core.services.requests import Requests
from pipeline_core.services.site import Site
from pipeline_core.services.sweep import Sweeper
from pipeline_core.settings import Limits, Settings
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.sources import SourceStore


class Ports(Protocol):
    """One implementation of each port; Azure's and the memory twins both have this shape."""

    @property
    def tables(self) -> Tables: ...

    @property
    def queues(self) -> Queues: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def marketplace(self) -> Marketplace: ...

    @property
    def galleries(self) -> Galleries: ...

    @property
    def containers(self) -> Containers: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def web(self) -> Web: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def chance(self) -> Chance: ...

    @property
    def logs(self) -> Logs: ...


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
    sweeper: Sweeper
    pruner: Pruner
    notifier: Notifier
    poison: Poison
    redelivery: Redelivery
    tokens: Tokens
    registrar: Registrar
    platforms: Platforms
    requests: Requests
    queries: Queries


@functools.cache
def factory() -> Factory:
    """The factory of this process, built from the environment at the first call; raises SettingsError."""
    settings = Settings.read(os.environ)
    return assemble(_adapters("ports").connect(settings), settings.site(), settings.limits())


def _adapters(name: str) -> ModuleType:
    """A module of the Azure adapters, loaded now."""
    return importlib.import_module(f"pipeline_core.adapters.azure.{name}")


def assemble(ports: Ports, site: Site, limits: Limits) -> Factory:
    """Wire the services to these ports; used alike on Azure, in tests and in the simulation."""
    images, index, sources = ImageStore(ports.tables), Index(ports.tables), SourceStore(ports.tables)
    capacity = CapacityStore(
        ports.tables,
        slots=limits.slots,
        creates_per_hour=limits.creates_per_hour,
        team_slots=limits.team_slots,
    )
    clock, logs = ports.clock, ports.logs
    journal = Journal(clock, ports.chance)
    outbox = Outbox(ports.queues)
    documents = Documents(ports.blobs, site.location)
    projection = Projection(images, index, logs)
    observer = Observer(images, sources)
    poller = Poller(marketplace=ports.marketplace, sources=sources, index=index, outbox=outbox, logs=logs)
    reconciler = Reconciler(
        observer=observer,
        images=images,
        index=index,
        galleries=ports.galleries,
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
    return Factory(
        poller=poller,
        reconciler=reconciler,
        dispatcher=Dispatcher(
            images=images,
            index=index,
            capacity=capacity,
            outbox=outbox,
            journal=journal,
            clock=clock,
            logs=logs,
        ),
        driver=_driver(ports, site, limits, images, capacity, sources, documents, ending, journal, outbox),
        build_events=BuildEvents(images=images, outbox=outbox, logs=logs),
        cascade=Cascade(index=index, outbox=outbox, logs=logs),
        gallery_events=GalleryEvents(
            images=images,
            galleries=ports.galleries,
            outbox=outbox,
            journal=journal,
            site=site,
            logs=logs,
        ),
        sweeper=Sweeper(
            images=images,
            index=index,
            sources=sources,
            capacity=capacity,
            ending=ending,
            outbox=outbox,
            clock=clock,
            logs=logs,
        ),
        pruner=Pruner(
            images=images,
            index=index,
            galleries=ports.galleries,
            documents=documents,
            journal=journal,
            clock=clock,
            logs=logs,
        ),
        notifier=Notifier(
            images=images, documents=documents, secrets=ports.secrets, web=ports.web, logs=logs
        ),
        poison=Poison(
            tables=ports.tables,
            images=images,
            outbox=outbox,
            journal=journal,
            clock=clock,
            chance=ports.chance,
            logs=logs,
        ),
        redelivery=Redelivery(ports.queues, ports.chance, logs),
        tokens=ports.tokens,
        registrar=Registrar(
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
                secops=site.secops,
            ),
            poller=poller,
            outbox=outbox,
            projection=projection,
            journal=journal,
            clock=clock,
            site=site,
            logs=logs,
        ),
        platforms=Platforms(sources=sources, blobs=ports.blobs, logs=logs),
        requests=Requests(
            images=images,
            reconciler=reconciler,
            outbox=outbox,
            journal=journal,
            clock=clock,
            chance=ports.chance,
        ),
        queries=Queries(images_store=images, index=index, sources=sources, observer=observer, clock=clock),
    )


def _driver(
    ports: Ports,
    site: Site,
    limits: Limits,
    images: ImageStore,
    capacity: CapacityStore,
    sources: SourceStore,
    documents: Documents,
    ending: Ending,
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
        site=site,
    )
    stage = ContainerStage(
        images=images,
        blobs=ports.blobs,
        containers=ports.containers,
        capacity=capacity,
        documents=documents,
        launcher=launcher,
        provenance=Provenance(blobs=ports.blobs, site=site),
        ending=ending,
        outbox=outbox,
        journal=journal,
        clock=ports.clock,
        chance=ports.chance,
        wait=limits.wait,
    )
    publishing = Publishing(
        images=images,
        galleries=ports.galleries,
        capacity=capacity,
        documents=documents,
        ending=ending,
        outbox=outbox,
        site=site,
        clock=ports.clock,
        wait=limits.wait,
    )
    return Driver(
        images=images,
        containers=stage,
        publishing=publishing,
        ending=ending,
        outbox=outbox,
        chance=ports.chance,
        logs=ports.logs,
    )
