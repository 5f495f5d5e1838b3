"""What is known about one image and its ancestors at one moment, and which of them are stale. Decides nothing.

The staleness for a decision is derived only here: code that reads a snapshot must not derive it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_core.domain.claims import Claim
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.staleness import Stale, Staleness, World, detect_staleness


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One image, its ancestors, and the claims on what each of them should be built from.

    `take_snapshot` makes it; `staleness` has an entry for each head of `world`.
    `claims` is keyed by (image, desired fingerprint); a key that is absent was never claimed.
    `floor` is SecOps' floor under the whole chain, None where no claim needs it to be read.
    `lacking` are stale images whose build cannot begin, because the file of a tool is not admitted, with a text that
    says which.
    """

    image: ImageName
    world: World
    staleness: Mapping[ImageName, Staleness]
    claims: Mapping[tuple[ImageName, Fingerprint], Claim] = field(default_factory=dict)
    floor: ComplianceFloor | None = None
    lacking: Mapping[ImageName, str] = field(default_factory=dict)

    def find_stale(self, image: ImageName) -> Stale | None:
        """What a stale image should be built from; None where it is current, unknown or not in the world."""
        staleness = self.staleness.get(image)
        return staleness if isinstance(staleness, Stale) else None

    def find_claim(self, image: ImageName) -> Claim | None:
        """The claim on the desired input of a stale image; None where there is none, or the image is not stale."""
        stale = self.find_stale(image)
        return None if stale is None else self.claims.get((image, stale.fingerprint))


def take_snapshot(image: ImageName, world: World) -> Snapshot:
    """The snapshot of `image` in this world, still without claims; one derivation for each head of the world."""
    staleness = {name: detect_staleness(name, world) for name in world.heads}
    return Snapshot(image=image, world=world, staleness=staleness)
