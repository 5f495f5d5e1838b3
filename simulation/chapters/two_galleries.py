"""Two live and two quarantine galleries: the first pair fills up in the middle of the story, and the fleet goes on.

Each image stays in the galleries that its registration recorded, and no subscription holds more image definitions than
Azure allows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pipeline_core.domain import placement
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.state.galleries.placements import PlacementStore
from pipeline_core.state.images import ImageStore
from pipeline_core.wiring.foundation import foundation_of
from simulation.chapters.chapter import Chapter
from simulation.world import LIVE, QUARANTINE

LIVE2, QUARANTINE2 = GalleryName("live2"), GalleryName("quarantine2")
_HOME, _OTHER = "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000f"


class TwoGalleries(Chapter):
    """Others hold most of the first subscription's definitions, so that half of the fleet finds room there."""

    name: ClassVar[str] = "two-galleries"

    def begin(self) -> None:
        """Make the galleries, and fill the first ones."""
        base = self.world.base
        self.world.ports.galleries.names = [QUARANTINE, LIVE, QUARANTINE2, LIVE2]
        homes = {LIVE: _HOME, QUARANTINE: _HOME, LIVE2: _OTHER, QUARANTINE2: _OTHER}
        deployment = replace(
            base.deployment,
            live=(LIVE, LIVE2),
            more_quarantines=(QUARANTINE2,),
            elsewhere={gallery: (home, "rg-galleries") for gallery, home in homes.items()},
        )
        self.world.rewire(foundation_of(base.ports, deployment, base.limits))
        self.world.live = (LIVE, LIVE2)
        self.world.quarantines = (QUARANTINE, QUARANTINE2)
        self.world.safety.live |= {str(LIVE2)}
        self._fill()

    def _fill(self) -> None:
        """Leave room for half of the fleet: an image takes a definition in live and one in quarantine."""
        store = PlacementStore(self.world.ports.tables)
        others = placement.DEFINITIONS - placement.HEAD_ROOM - self.story.images
        for number in range(max(0, others)):
            store.add((LIVE, QUARANTINE)[number % 2], ImageName(f"others-{number}"))
        for gallery in (LIVE, QUARANTINE):
            store.note_counted(gallery)

    def violations(self) -> Sequence[str]:
        """(23) The galleries of an image never change, and no subscription is over its limit."""
        found = []
        images = ImageStore(self.world.ports.tables)
        galleries = self.world.ports.galleries
        for name in sorted(self.world.registered, key=str):
            head = images.find_head(name)
            if head is None:
                continue
            own = head.value.registration.gallery
            other = LIVE2 if own == LIVE else LIVE
            if galleries.list_versions(other, name):
                found.append(f"(23) {name} is placed in {own}, and has versions in {other}")
        store = PlacementStore(self.world.ports.tables)
        for pair in ((LIVE, QUARANTINE), (LIVE2, QUARANTINE2)):
            held = sum(store.count(each) for each in pair)
            if held > placement.DEFINITIONS:
                found.append(f"(23) {held} definitions are placed in {pair[0]} and {pair[1]}")
        return found
