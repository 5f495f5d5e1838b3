"""Choose the galleries of a new image, and remember the choice before the registration is written.

An image keeps its galleries for good, also where it was unregistered meanwhile. `domain.placement` decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain import placement
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.placement import Placement, PlacementGallery
from pipeline_core.ports import Galleries
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """Costs two or three reads for each gallery of the settings, and one write for each of the two chosen ones."""

    records: Records
    galleries: Galleries
    deployment: Deployment

    def place(self, name: ImageName) -> Placement:
        """The galleries of an image that is not registered. Safe to repeat: the same image has the same galleries.

        Raises PermanentError (CONFLICT) where no gallery has room.
        """
        live, quarantine = self.deployment.live, self.deployment.quarantines
        chosen = placement.place(
            self._counted(live),
            self._counted(quarantine),
            kept_live=self._kept(live, name),
            kept_quarantine=self._kept(quarantine, name),
        )
        if chosen is None:
            raise PermanentError(
                ErrorClass.CONFLICT,
                f"no gallery has room for {name}: a subscription holds {placement.DEFINITIONS} image definitions in a "
                "region; SecOps adds a gallery of another subscription to the settings "
                "(docs/operations.md, When a gallery is full)",
            )
        for each in filter(None, (chosen.live, chosen.quarantine)):
            self.records.placements.add(each, name)
        return chosen

    def _kept(self, galleries: Iterable[GalleryName], name: ImageName) -> GalleryName | None:
        return next((each for each in galleries if self.records.placements.has(each, name)), None)

    def _counted(self, galleries: Sequence[GalleryName]) -> list[PlacementGallery]:
        for each in galleries:
            if not self.records.placements.is_counted(each):
                self._count_again(each)
        return [
            PlacementGallery(
                gallery=each,
                subscription=self.deployment.place(each)[0],
                definitions=self.records.placements.count(each),
            )
            for each in galleries
        ]

    def _count_again(self, gallery: GalleryName) -> None:
        """Once for each gallery: rows for what it holds, and for images of older releases that are placed in it."""
        for name in self.galleries.list_images(gallery):
            self.records.placements.add(gallery, name)
        for copy in self.records.fleet.copies():
            if copy.head is None:
                continue
            registration = copy.head.registration
            own = (registration.gallery, self.deployment.quarantine_of(registration.quarantine))
            if gallery in own:
                self.records.placements.add(gallery, copy.head.name)
        self.records.placements.note_counted(gallery)
