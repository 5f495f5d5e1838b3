"""The fleet's copies of heads, row by row, each with the note of the last look at its image.

A row that cannot be read is named, and does not hide the others. A note that cannot be read is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.ports import Row, Tables, TableWrite
from pipeline_core.state import rows
from pipeline_core.state.records import SCHEMA, Codec

TABLE = "index"
PARTITION = "fleet"
_LOOK = "look"  # the cell of the note; older releases do not know it, and drop it when they write the row
_HEADS = Codec(ImageHead)
_NOTES = Codec(LookNote)


def write_of(image: str, head: ImageHead, note: LookNote | None, *, over: Row | None) -> TableWrite:
    """The write of a copy over the row `over` (None: there is none). Without a `note`, the row keeps the one it has."""
    write = _HEADS.write(PARTITION, image, head, etag=None if over is None else over.etag)
    cell = None if over is None else over.cells.get(_LOOK)
    if note is not None:
        cell = _NOTES.row(PARTITION, image, note).cells["value"]
    if cell is None:
        return write
    return replace(write, row=replace(write.row, cells={**write.row.cells, _LOOK: cell}))


def read_note(row: Row) -> LookNote | None:
    """The note in a copy's row; None where there is none, or none that can be read."""
    cell = row.cells.get(_LOOK)
    if cell is None:
        return None
    try:
        return _NOTES.read(replace(row, cells={"schema": SCHEMA, "value": cell})).value
    except PermanentError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One image's row in the fleet. `head` is None if this factory did not write the row.

    `note` is None where no look has left one.
    """

    name: str
    head: ImageHead | None
    note: LookNote | None = None


class FleetStore:
    """Reads the whole fleet, a page of 1,000 rows at a time."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def copies(self) -> Iterator[Copy]:
        """Every row, by name."""
        for row in rows.scan(self._tables, TABLE, PARTITION):
            try:
                head: ImageHead | None = _HEADS.read(row).value
            except PermanentError:
                head = None
            yield Copy(name=row.key, head=head, note=read_note(row))
