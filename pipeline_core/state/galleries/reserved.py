"""Which deleted images keep their names: one row for each, so that timers find them. The record is with the image.

The row is written before the image is deleted, and removed after it is registered again or its name is free. So a row
without a record is possible, and says nothing.
"""

from collections.abc import Sequence

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import ANY_ETAG, Row, Tables, TableWrite, WriteKind
from pipeline_core.state.index import TABLE
from pipeline_core.state.rows import behind

_PARTITION = "reserved"


class ReservedNameStore:
    """Each call is one operation."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def names(self, *, after: str = "", limit: int) -> Sequence[str]:
        """The names behind the name `after`, in order, at most `limit`."""
        found = self._tables.scan(TABLE, _PARTITION, first=behind(after), limit=limit)
        return [row.key for row in found]

    def add(self, image: ImageName) -> None:
        """Safe to repeat."""
        row = Row(partition=_PARTITION, key=str(image), cells={})
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
        except AlreadyExists:
            return

    def remove(self, image: ImageName) -> None:
        """Safe to repeat."""
        row = Row(partition=_PARTITION, key=str(image), cells={}, etag=ANY_ETAG)
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return
