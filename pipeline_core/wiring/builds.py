"""Put together the services that take a build from its slot to its end: dispatch, driver with stages, ending."""

from dataclasses import dataclass

from pipeline_core.services.builds.attempts import Attempts
from pipeline_core.services.builds.cancel import Canceller
from pipeline_core.services.builds.captures import Captures
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.builds.containers import ContainerStage
from pipeline_core.services.builds.copies import Copies
from pipeline_core.services.builds.deletions import Deletions
from pipeline_core.services.builds.dispatch import Dispatcher
from pipeline_core.services.builds.drive import BuildEvents, Driver
from pipeline_core.services.builds.gates import Judge
from pipeline_core.services.builds.launch import Launcher
from pipeline_core.services.builds.leftovers import Leftovers
from pipeline_core.services.builds.publishing import PublishingStage
from pipeline_core.services.builds.refusals import Refusals
from pipeline_core.services.builds.stages import Stages
from pipeline_core.services.builds.stopping import StoppingStage
from pipeline_core.services.outages.outages import Outages
from pipeline_core.services.outages.pauses import Pauses
from pipeline_core.services.outages.probing import Probing
from pipeline_core.services.versions.inherited import InheritedHardening
from pipeline_core.services.versions.late_regions import LateRegions
from pipeline_core.services.versions.parent_scores import ParentScores
from pipeline_core.services.versions.purchases import Purchases
from pipeline_core.services.versions.turns import Turns
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.images import ImageParts
from pipeline_core.wiring.outages import region_of
from pipeline_core.wiring.policies import PolicyParts
from pipeline_core.wiring.provenance import ProvenanceParts


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildParts:
    """`completion`, `dispatcher` and `probing` also serve the sweep. The stages and the judge belong to the driver."""

    completion: Completion
    dispatcher: Dispatcher
    outages: Outages
    probing: Probing
    judge: Judge
    containers: ContainerStage
    publishing: PublishingStage
    stopping: StoppingStage
    driver: Driver
    build_events: BuildEvents
    canceller: Canceller
    pauses: Pauses


def builds_of(
    base: Foundation,
    policy: PolicyParts,
    provenance: ProvenanceParts,
    images: ImageParts,
    turns: Turns,
    outages: Outages,
) -> BuildParts:
    """All build services, around one ending. The poller looks where a build did not find its release."""
    records, effects = base.records, base.effects
    completion = Completion(
        records=records,
        effects=effects,
        poller=images.poller,
        outages=outages,
        cascade=images.cascade,
    )
    parents = ParentScores(images=records.images, reports=provenance.reports, galleries=base.ports.galleries)
    judge = Judge(effects=effects, parents=parents, floors=policy.policies, waivers=policy.waivers)
    captures = _captures_of(base)
    launcher = _launcher_of(base, policy, captures)
    containers = _containers_of(base, judge, launcher, outages, turns)
    publishing = _publishing_of(base, turns, completion, captures)
    stopping = _stopping_of(base, completion)
    probing = Probing(outages=outages, blobs=base.ports.blobs, containers=base.ports.containers)
    driver = Driver(
        effects=effects,
        images=records.images,
        stages=Stages(containers=containers, publishing=publishing, stopping=stopping),
        refusals=Refusals(
            blobs=base.ports.blobs, clock=effects.clock, outages=outages, deployment=region_of(base)
        ),
        probing=probing,
        completion=completion,
    )
    return BuildParts(
        completion=completion,
        dispatcher=Dispatcher(
            records=records, effects=effects, wishes=images.wishes, outages=outages, stepper=driver
        ),
        outages=outages,
        probing=probing,
        judge=judge,
        containers=containers,
        publishing=publishing,
        stopping=stopping,
        driver=driver,
        build_events=BuildEvents(images=records.images, logs=effects.logs, driver=driver),
        canceller=Canceller(effects=effects, images=records.images, stopping=stopping),
        pauses=Pauses(
            records=records, effects=effects, blobs=base.ports.blobs, containers=base.ports.containers
        ),
    )


def _captures_of(base: Foundation) -> Captures:
    ports, deployment = base.ports, base.deployment
    purchases = Purchases(marketplace=ports.marketplace, galleries=ports.galleries, deployment=deployment)
    return Captures(
        purchases=purchases,
        galleries=ports.galleries,
        resources=ports.resources,
        deployment=deployment,
        logs=base.effects.logs,
    )


def _launcher_of(base: Foundation, policy: PolicyParts, captures: Captures) -> Launcher:
    return Launcher(
        records=base.records,
        effects=base.effects,
        blobs=base.ports.blobs,
        captures=captures,
        waivers=policy.waivers,
        inherited=InheritedHardening(images=base.records.images, documents=base.effects.documents),
        deployment=base.deployment,
    )


def _containers_of(
    base: Foundation, judge: Judge, launcher: Launcher, outages: Outages, turns: Turns
) -> ContainerStage:
    ports, records, effects = base.ports, base.records, base.effects
    return ContainerStage(
        records=records,
        effects=effects,
        attempts=Attempts(
            blobs=ports.blobs,
            containers=ports.containers,
            deletions=_deletions_of(base),
            outages=outages,
            chance=effects.chance,
        ),
        launcher=launcher,
        judge=judge,
        turns=turns,
        wait=base.limits.wait,
    )


def _deletions_of(base: Foundation) -> Deletions:
    ports = base.ports
    return Deletions(
        capacity=base.records.capacity,
        blobs=ports.blobs,
        containers=ports.containers,
        effects=base.effects,
        look=base.limits.wait,
    )


def _publishing_of(
    base: Foundation, turns: Turns, completion: Completion, captures: Captures
) -> PublishingStage:
    records, effects = base.records, base.effects
    return PublishingStage(
        records=records,
        effects=effects,
        galleries=base.ports.galleries,
        turns=turns,
        completion=completion,
        copies=Copies(
            images=records.images,
            galleries=base.ports.galleries,
            captures=captures,
            effects=effects,
            late=LateRegions(images=records.images, galleries=base.ports.galleries, effects=effects),
            wait=base.limits.wait,
        ),
        wait=base.limits.wait,
    )


def _stopping_of(base: Foundation, completion: Completion) -> StoppingStage:
    ports, records, effects = base.ports, base.records, base.effects
    leftovers = Leftovers(
        logs=effects.logs,
        deletions=_deletions_of(base),
        galleries=ports.galleries,
        deployment=base.deployment,
    )
    return StoppingStage(
        records=records,
        effects=effects,
        blobs=ports.blobs,
        leftovers=leftovers,
        completion=completion,
        wait=base.limits.wait,
    )
