"""The fleet's copies of heads, row by row, each with the note of the last look; how far the last round has come.

A row that cannot be read is named, and does not hide the others. A note that cannot be read is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Row, Tables, TableWrite
from pipeline_core.state import rows
from pipeline_core.state.reading.etags import Etag
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

TABLE = "index"
PARTITION = "fleet"
_LOOK = "look"  # the cell of the note; older releases do not know it, and drop it when they write the row
HEADS = Codec(ImageHead)
NOTES = Codec(LookNote)
_ROUNDS_OF = "rounds"
ROUNDS = Codec(Round)
_QUIETLY = Reader()  # it reports nothing: the next look writes a note that cannot be read again


def write_of(image: str, head: ImageHead, note: LookNote | None, *, over: Row | None) -> TableWrite:
    """The write of a copy over the row `over` (None: there is none). Without a `note`, the row keeps the one it has."""
    etag = None if over is None else Etag(over.etag, over.cells)  # it keeps the row's other cells
    write = HEADS.write(PARTITION, image, head, etag=etag)
    if note is None:
        return write
    cell = NOTES.row(PARTITION, image, note).cells["value"]
    return replace(write, row=replace(write.row, cells={**write.row.cells, _LOOK: cell}))


def read_note(row: Row) -> LookNote | None:
    """The note in a copy's row; None where there is none, or none that can be read."""
    cell = row.cells.get(_LOOK)
    if cell is None:
        return None
    noted = Row(
        partition=row.partition, key=row.key, cells={"schema": NOTES.schema, "value": cell}, etag=row.etag
    )
    read = _QUIETLY.try_one(TABLE, noted, NOTES)
    return None if read is None else read.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One image's row in the fleet. `head` is None if the row cannot be read.

    `note` is None where no look has left one.
    """

    name: str
    head: ImageHead | None
    note: LookNote | None = None


class FleetStore:
    """Reads the whole fleet, a page of 1,000 rows at a time."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def names(self, *, after: str = "", limit: int) -> Sequence[str]:
        """The names of the images behind the name `after`, in order, at most `limit`. It reads no head."""
        found = self._tables.scan(TABLE, PARTITION, first=rows.behind(after), limit=limit)
        return [row.key for row in found]

    def copies(self) -> Iterator[Copy]:
        """Every row, by name."""
        for row in rows.scan(self._tables, TABLE, PARTITION):
            read = self._reader.try_one(TABLE, row, HEADS)
            yield Copy(name=row.key, head=None if read is None else read.value, note=read_note(row))


class RoundStore:
    """One row for each kind of round, so that a slice knows where the last one ended."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, kind: str) -> Stored[Round] | None:
        """The last round of a kind, or None before the first."""
        row = self._tables.find(TABLE, _ROUNDS_OF, kind)
        return self._reader.found(TABLE, row, ROUNDS)

    def save(self, kind: str, value: Round, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite where another slice was faster."""
        self._tables.write(TABLE, [ROUNDS.write(_ROUNDS_OF, kind, value, etag=etag)])
