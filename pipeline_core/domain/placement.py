"""In which galleries a new image is placed, so that no subscription comes to its limit. Pure.

A subscription holds 1,000 image definitions in a region, over all its galleries (azure-compute-gallery.md of
MicrosoftDocs/azure-compute-docs, Limits). An image needs one definition in a live gallery and one in quarantine. Its
placement is recorded when it is registered, and never changes: Azure moves no gallery and no version.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.domain.names import GalleryName

DEFINITIONS = 1_000  # of a subscription in a region
HEAD_ROOM = 20  # left for registrations at the same moment, and for definitions that somebody makes meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementGallery:
    """A gallery of the settings, its subscription, and the image definitions that it holds or will hold."""

    gallery: GalleryName
    subscription: str
    definitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The galleries of one image. `quarantine` is None for an image of a release with one of them: the first."""

    live: GalleryName
    quarantine: GalleryName | None


def place(
    live: Sequence[PlacementGallery],
    quarantine: Sequence[PlacementGallery],
    *,
    kept_live: GalleryName | None = None,
    kept_quarantine: GalleryName | None = None,
) -> Placement | None:
    """The first live and the first quarantine gallery with room for one definition more; None where one has none.

    Galleries of one subscription share its room. A gallery that already has the image's definition is kept.
    """
    held = Counter[str]()
    for each in (*live, *quarantine):
        held[each.subscription.lower()] += each.definitions
    chosen = kept_live or _first_with_room(live, held)
    if chosen is None:
        return None
    if kept_live is None:
        held[next(each.subscription.lower() for each in live if each.gallery == chosen)] += 1
    copied_from = kept_quarantine or _first_with_room(quarantine, held)
    return None if copied_from is None else Placement(live=chosen, quarantine=copied_from)


def _first_with_room(galleries: Sequence[PlacementGallery], held: Counter[str]) -> GalleryName | None:
    most = DEFINITIONS - HEAD_ROOM
    return next((each.gallery for each in galleries if held[each.subscription.lower()] < most), None)
