"""Which images are placed in which gallery: a partition for each gallery with a row for each image, and nothing else.

The rows outlive a registration, because the image definition in the gallery does too.
"""

from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.index import TABLE

_COUNTED = "placements"
_MOST = 1000  # a page; more than any gallery takes


class PlacementStore:
    """Counting a gallery costs one read of at most 1,000 short rows."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def count(self, gallery: GalleryName) -> int:
        """How many images are placed in the gallery, 1,000 at most."""
        return len(self._tables.scan(TABLE, _partition(gallery), limit=_MOST))

    def has(self, gallery: GalleryName, image: ImageName) -> bool:
        """True if the image is placed there."""
        return self._tables.find(TABLE, _partition(gallery), str(image)) is not None

    def add(self, gallery: GalleryName, image: ImageName) -> None:
        """Safe to repeat."""
        self._insert(_partition(gallery), str(image))

    def is_counted(self, gallery: GalleryName) -> bool:
        """True if the images that were placed before these rows existed have their rows."""
        return self._tables.find(TABLE, _COUNTED, str(gallery).lower()) is not None

    def note_counted(self, gallery: GalleryName) -> None:
        """Safe to repeat."""
        self._insert(_COUNTED, str(gallery).lower())

    def _insert(self, partition: str, key: str) -> None:
        row = Row(partition=partition, key=key, cells={})
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
        except AlreadyExists:
            return


def _partition(gallery: GalleryName) -> str:
    return f"placed:{str(gallery).lower()}"  # Azure compares names of galleries without case
