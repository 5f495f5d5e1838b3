"""Placement: the first galleries with room, and the room that galleries of one subscription share."""

import pytest

from pipeline_core.domain.names import GalleryName
from pipeline_core.domain.placement import DEFINITIONS, HEAD_ROOM, Placement, PlacementGallery, place

FULL = DEFINITIONS - HEAD_ROOM
LIVE, LIVE2, QUARANTINE, QUARANTINE2 = (
    GalleryName(name) for name in ("live", "live2", "quarantine", "quarantine2")
)


def gallery(name: GalleryName, subscription: str, definitions: int = 0) -> PlacementGallery:
    return PlacementGallery(gallery=name, subscription=subscription, definitions=definitions)


@pytest.mark.parametrize(
    ("live", "live2", "quarantine", "quarantine2", "chosen"),
    [
        pytest.param(("a", 0), ("b", 0), ("c", 0), ("d", 0), (LIVE, QUARANTINE), id="empty"),
        pytest.param(("a", FULL - 1), ("b", 0), ("c", 0), ("d", 0), (LIVE, QUARANTINE), id="the last place"),
        pytest.param(("a", FULL), ("b", 0), ("c", 0), ("d", 0), (LIVE2, QUARANTINE), id="live is full"),
        pytest.param(("a", 0), ("b", 0), ("c", FULL), ("d", 0), (LIVE, QUARANTINE2), id="quarantine is full"),
        pytest.param(
            ("a", 490),
            ("b", 0),
            ("A", 489),
            ("b", 0),
            (LIVE, QUARANTINE2),
            id="one subscription: one place left",
        ),
        pytest.param(
            ("a", 490), ("b", 0), ("A", 490), ("b", 0), (LIVE2, QUARANTINE2), id="one subscription is full"
        ),
        pytest.param(("a", FULL), ("b", FULL), ("c", 0), ("d", 0), None, id="no live gallery has room"),
        pytest.param(("a", 0), ("b", 0), ("c", FULL), ("d", 2000), None, id="no quarantine has room"),
    ],
)
def test_the_first_gallery_with_room_is_taken(
    live: tuple[str, int],
    live2: tuple[str, int],
    quarantine: tuple[str, int],
    quarantine2: tuple[str, int],
    chosen: tuple[GalleryName, GalleryName] | None,
) -> None:
    found = place(
        [gallery(LIVE, *live), gallery(LIVE2, *live2)],
        [gallery(QUARANTINE, *quarantine), gallery(QUARANTINE2, *quarantine2)],
    )
    assert found == (None if chosen is None else Placement(live=chosen[0], quarantine=chosen[1]))


def test_what_an_image_has_already_it_keeps_also_in_a_full_gallery() -> None:
    live = [gallery(LIVE, "a", DEFINITIONS), gallery(LIVE2, "b")]
    quarantine = [gallery(QUARANTINE, "c", DEFINITIONS), gallery(QUARANTINE2, "d")]
    kept = place(live, quarantine, kept_live=LIVE, kept_quarantine=QUARANTINE)
    assert kept == Placement(live=LIVE, quarantine=QUARANTINE)
    half = place(live, quarantine, kept_live=LIVE)
    assert half == Placement(live=LIVE, quarantine=QUARANTINE2)
