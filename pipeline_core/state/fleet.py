"""The fleet's copies of heads, row by row. A row that cannot be read is named, and does not hide the others."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_core.domain.images import ImageHead
from pipeline_core.ports import Tables
from pipeline_core.state import index, rows
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec

_HEADS = Codec(ImageHead)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One image's row in the fleet. `head` is None if the row cannot be read."""

    name: str
    head: ImageHead | None


class FleetStore:
    """Reads the whole fleet, a page of 1,000 rows at a time."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def copies(self) -> Iterator[Copy]:
        """Every row, by name."""
        for row in rows.scan(self._tables, index.TABLE, "fleet"):
            read = self._reader.try_one(index.TABLE, row, _HEADS)
            yield Copy(name=row.key, head=None if read is None else read.value)
