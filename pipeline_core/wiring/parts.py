"""Every part of one factory, made from the bottom to the top. A test takes the one service that it tests from here."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.guard.secrets import Form
from pipeline_core.services.recovery.recover import Recovery
from pipeline_core.wiring.builds import BuildParts, builds_of
from pipeline_core.wiring.foundation import Foundation
from pipeline_core.wiring.images import ImageParts, images_of
from pipeline_core.wiring.poison import PoisonParts, poison_of
from pipeline_core.wiring.policies import PolicyParts, policies_of
from pipeline_core.wiring.provenance import ProvenanceParts, provenance_of
from pipeline_core.wiring.recovery import recovery_of
from pipeline_core.wiring.upkeep import UpkeepParts, upkeep_of
from pipeline_core.wiring.views import ViewParts, views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts, one for each package of services."""

    policy: PolicyParts
    provenance: ProvenanceParts
    images: ImageParts
    builds: BuildParts
    views: ViewParts
    poison: PoisonParts
    upkeep: UpkeepParts
    recovery: Recovery


def parts_of(base: Foundation, forms: Sequence[Form]) -> Parts:
    """All parts on this foundation. `forms` are the guard's forms of secrets."""
    policy, provenance = policies_of(base), provenance_of(base)
    images = images_of(base, policy, provenance, forms)
    builds = builds_of(base, policy, provenance, images.poller)
    return Parts(
        policy=policy,
        provenance=provenance,
        images=images,
        builds=builds,
        views=views_of(base, policy, images.observer),
        poison=poison_of(base, builds.stopping),
        upkeep=upkeep_of(base, policy, images, builds, provenance.unproven),
        recovery=recovery_of(base, policy, provenance.provenance, images.poller),
    )
