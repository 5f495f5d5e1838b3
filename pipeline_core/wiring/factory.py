"""The factory of this process: every service that a trigger calls, over the ports that the environment names.

Nothing is built before the first event needs it. The Azure SDKs load only then, through `_adapters`. This is
the only place that imports a module late, because every function of the app pays for early imports.
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
from pipeline_core.services.builds.cancel import Canceller
from pipeline_core.services.builds.dispatch import Dispatcher
from pipeline_core.services.builds.drive import BuildEvents, Driver
from pipeline_core.services.catalog.admission import ToolAdmission
from pipeline_core.services.catalog.submissions import Submissions
from pipeline_core.services.effects.bundles import Bundles
from pipeline_core.services.effects.outbox import Redelivery
from pipeline_core.services.images.cascade import Cascade
from pipeline_core.services.images.platform import Platforms
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.services.images.register import Registrar
from pipeline_core.services.images.requests import Requests
from pipeline_core.services.images.sources import Sources
from pipeline_core.services.notify.notifier import Notifier
from pipeline_core.services.notify.receivers import Receivers
from pipeline_core.services.outages.pauses import Pauses
from pipeline_core.services.outages.retries import Retries
from pipeline_core.services.poison.record import PoisonRecorder
from pipeline_core.services.poison.review import PoisonReview
from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.policies.rates import ChangeRates
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.services.provenance.proofs import Proofs
from pipeline_core.services.recovery.recover import Recovery
from pipeline_core.services.upkeep.archive import Archiver
from pipeline_core.services.upkeep.bundles import BundleRetention
from pipeline_core.services.upkeep.galleries import GallerySweep
from pipeline_core.services.upkeep.prune import Pruner
from pipeline_core.services.upkeep.reap import Reaper
from pipeline_core.services.upkeep.sweep import Sweeper
from pipeline_core.services.versions.events import GalleryEvents
from pipeline_core.services.versions.listing import VersionQueries
from pipeline_core.services.versions.names import ReservedNames
from pipeline_core.services.versions.readmission import Readmission
from pipeline_core.services.versions.retention import RetentionPlans
from pipeline_core.services.versions.suspicion import Suspicion
from pipeline_core.services.views.bases import Bases
from pipeline_core.services.views.diff import VersionDiff
from pipeline_core.services.views.evidence import Evidence
from pipeline_core.services.views.history import History
from pipeline_core.services.views.platform_plans import PlatformPlans
from pipeline_core.services.views.queries import Queries
from pipeline_core.services.views.unreadable import UnreadableRows
from pipeline_core.settings import Limits, Settings
from pipeline_core.wiring.foundation import Foundation, foundation_of
from pipeline_core.wiring.parts import Parts, parts_of


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
    archiver: Archiver
    bundle_retention: BundleRetention
    galleries: GallerySweep
    suspicion: Suspicion
    readmission: Readmission
    names: ReservedNames
    version_lists: VersionQueries
    retention: RetentionPlans
    notifier: Notifier
    receivers: Receivers
    poison: PoisonRecorder
    poison_review: PoisonReview
    redelivery: Redelivery
    tokens: Tokens
    registrar: Registrar
    bundles: Bundles
    platforms: Platforms
    platform_plans: PlatformPlans
    admission: ToolAdmission
    submissions: Submissions
    sources: Sources
    recovery: Recovery
    policy: Policies
    approvals: Approvals
    waivers: WaiverGrants
    bases: Bases
    requests: Requests
    canceller: Canceller
    queries: Queries
    history: History
    unreadable: UnreadableRows
    evidence: Evidence
    version_diff: VersionDiff
    retries: Retries
    pauses: Pauses
    rates: ChangeRates


@functools.cache
def factory() -> Factory:
    """The factory of this process, built from the environment at the first call. Raises SettingsError."""
    settings = Settings.read(os.environ)
    return assemble(_adapters("ports").connect(settings), settings.deployment(), settings.limits())


def _adapters(name: str) -> ModuleType:
    """A module of the Azure adapters, loaded now."""
    return importlib.import_module(f"pipeline_core.adapters.azure.{name}")


def secret_forms() -> Sequence[Form]:
    """The guard's forms of secrets, loaded now: their library costs as much as all other imports together."""
    forms: Sequence[Form] = importlib.import_module("pipeline_core.guard.detectors").forms()
    return forms


def assemble(ports: Ports, deployment: Deployment, limits: Limits) -> Factory:
    """Wire the services to these ports. Azure, the tests and the simulation all use this function."""
    base = foundation_of(ports, deployment, limits)
    return factory_of(base, parts_of(base, secret_forms()))


def factory_of(base: Foundation, parts: Parts) -> Factory:
    """The services that triggers call, from these parts."""
    ports = base.ports
    images, builds, upkeep = parts.images, parts.builds, parts.upkeep
    return Factory(
        poller=images.poller,
        reconciler=images.reconciler,
        dispatcher=builds.dispatcher,
        driver=builds.driver,
        build_events=builds.build_events,
        cascade=images.cascade,
        gallery_events=parts.versions.gallery_events,
        proofs=parts.provenance.proofs,
        sweeper=upkeep.sweeper,
        reaper=upkeep.reaper,
        pruner=upkeep.pruner,
        archiver=upkeep.archiver,
        bundle_retention=upkeep.bundle_retention,
        retention=parts.retention,
        notifier=parts.notify.notifier,
        receivers=parts.notify.receivers,
        galleries=upkeep.galleries,
        suspicion=parts.versions.suspicion,
        readmission=parts.versions.readmission,
        names=parts.versions.names,
        version_lists=parts.versions.lists,
        poison=parts.poison.recorder,
        poison_review=parts.poison.review,
        redelivery=Redelivery(ports.queues, ports.chance, ports.logs),
        tokens=ports.tokens,
        registrar=images.registrar,
        bundles=images.bundles,
        platforms=images.platforms,
        platform_plans=parts.views.platform_plans,
        admission=images.admission,
        submissions=images.submissions,
        sources=images.sources,
        recovery=parts.recovery,
        policy=parts.policy.policies,
        approvals=parts.policy.approvals,
        waivers=parts.policy.waivers,
        bases=parts.views.bases,
        requests=images.requests,
        canceller=builds.canceller,
        queries=parts.views.queries,
        history=parts.views.history,
        unreadable=parts.views.unreadable,
        evidence=parts.views.evidence,
        version_diff=parts.views.version_diff,
        retries=Retries(records=base.records, effects=base.effects, outages=builds.outages),
        pauses=builds.pauses,
        rates=parts.policy.rates,
    )
