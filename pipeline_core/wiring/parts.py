"""Every part of one factory, made from the bottom to the top. A test takes the one service that it tests from here."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.guard.secrets import Form
from pipeline_core.services.recovery.recover import Recovery
from pipeline_core.services.versions.retention import RetentionPlans
from pipeline_core.wiring.builds import BuildParts, builds_of
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.images import ImageParts, images_of
from pipeline_core.wiring.notify import NotifyParts, notify_of
from pipeline_core.wiring.outages import outages_of
from pipeline_core.wiring.poison import PoisonParts, poison_of
from pipeline_core.wiring.policies import PolicyParts, policies_of
from pipeline_core.wiring.provenance import ProvenanceParts, provenance_of
from pipeline_core.wiring.recovery import recovery_of
from pipeline_core.wiring.upkeep import UpkeepParts, upkeep_of
from pipeline_core.wiring.versions import VersionParts, retention_of, versions_of
from pipeline_core.wiring.views import ViewParts, views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts, one for each package of services."""

    policy: PolicyParts
    provenance: ProvenanceParts
    notify: NotifyParts
    images: ImageParts
    versions: VersionParts
    builds: BuildParts
    views: ViewParts
    poison: PoisonParts
    upkeep: UpkeepParts
    recovery: Recovery
    retention: RetentionPlans


def parts_of(base: Foundation, forms: Sequence[Form]) -> Parts:
    """All parts on this foundation. `forms` are the guard's forms of secrets."""
    policy, notify, outages = policies_of(base), notify_of(base), outages_of(base)
    provenance = provenance_of(base, outages.marks)
    images = images_of(base, policy, provenance, outages.marks, forms)
    versions = versions_of(base, provenance, images, outages.marks)
    builds = builds_of(base, policy, provenance, images, versions.turns, outages.outages)
    retention = retention_of(base)
    return Parts(
        policy=policy,
        provenance=provenance,
        notify=notify,
        images=images,
        versions=versions,
        builds=builds,
        views=views_of(base, policy, notify, images.observer, builds.outages),
        poison=poison_of(base, builds.stopping),
        upkeep=upkeep_of(base, policy, images, builds, versions, retention),
        recovery=recovery_of(base, policy, provenance.facts, images.poller),
        retention=retention,
    )
