"""Platform steps on trial: SecOps try new steps and a new catalog on named images before they are in force. Pure.

`staleness` decides by it what an image is built from. Nothing else may.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.names import Digest, ImageName

MOST_CANARIES = 20  # images of a trial: what is shown of it costs a read for each
MOST_ENDED = 20  # trials that were given up and are remembered


@unique
class CanaryState(Enum):
    """How far a canary is in its trial."""

    TRIED = "tried"  # its current version was built with the steps on trial
    BUILDING = "building"  # it has an active build
    WAITING = "waiting"  # it has neither: `imagefactory show` says why
    UNREGISTERED = "unregistered"  # it was deleted; a new image of this name would be in the trial

    @property
    def is_awaited(self) -> bool:
        """True while nobody knows how the steps do on it."""
        return self is CanaryState.BUILDING or self is CanaryState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTrial:
    """Platform steps that the images named here, the canaries, are built with, and no other image.

    `catalog` and `urls` are as in `Platform`. `images` is sorted; one of them may be deleted meanwhile. `by` is the
    identity of who began it. `over` is the digest of the steps that were in force then: what the trial was prepared
    from. None where it is not known.
    """

    digest: Digest
    catalog: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    images: tuple[ImageName, ...]
    since: datetime
    by: str = ""
    over: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTrial:
    """Steps that were tried and given up, and the images that may still have a version with them."""

    digest: Digest
    images: tuple[ImageName, ...]


def without_name(
    canaries: Collection[ImageName], parents: Mapping[ImageName, ImageName | None]
) -> tuple[ImageName, ...]:
    """The descendants of canaries that are not canaries themselves, by name. `parents` has the whole fleet.

    Below a cycle nothing is looked at twice.
    """
    below: dict[ImageName, list[ImageName]] = {}
    for image, parent in parents.items():
        if parent is not None:
            below.setdefault(parent, []).append(image)
    found, due = set[ImageName](), list(canaries)
    while due:
        for child in below.get(due.pop(), ()):
            if child not in found:
                found.add(child)
                due.append(child)
    return tuple(sorted(found - set(canaries)))


def remember(ended: tuple[EndedTrial, ...], given_up: PlatformTrial) -> tuple[EndedTrial, ...]:
    """The trials that were given up, the newest first, with one more. One of the same steps is joined with it."""
    same = {image for each in ended if each.digest == given_up.digest for image in each.images}
    newest = EndedTrial(digest=given_up.digest, images=tuple(sorted({*given_up.images, *same})))
    return (newest, *forget(ended, given_up.digest))[:MOST_ENDED]


def forget(ended: tuple[EndedTrial, ...], digest: Digest) -> tuple[EndedTrial, ...]:
    """The trials that were given up, without those of these steps: they are in force now."""
    return tuple(each for each in ended if each.digest != digest)
