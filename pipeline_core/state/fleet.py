"""The fleet's copies of heads, row by row, each with the note of the last look; how far the last round has come.

A row that cannot be read is named, and does not hide the others. A note that cannot be read is left out. The name of
the image's parent is in a cell of its own, so that who asks for the forest does not read the heads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Row, Tables, TableWrite
from pipeline_core.state import rows
from pipeline_core.state.reading.etags import Etag
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

TABLE = "index"
PARTITION = "fleet"
_PARENT = (
    "parent"  # the cell with the name of the parent, empty for a root; releases before it do not write it
)
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
    cells = {**write.row.cells, _PARENT: _parent_cell(head)}
    if note is not None:
        cells[_LOOK] = NOTES.row(PARTITION, image, note).cells["value"]
    return replace(write, row=replace(write.row, cells=cells))


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

    `note` is None where no look has left one. `is_placed` is False where the row does not name the head's parent
    beside the head: an older release wrote it.
    """

    name: str
    head: ImageHead | None
    note: LookNote | None = None
    is_placed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePage:
    """A page of the fleet by name: the parent of each image, None for a root. `after` is the next page's cursor.

    `unreadable` has the names of the images whose rows do not say it.
    """

    parents: Mapping[ImageName, ImageName | None]
    after: str | None
    unreadable: tuple[str, ...] = ()


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
            head = None if read is None else read.value
            is_placed = head is None or row.cells.get(_PARENT) == _parent_cell(head)
            yield Copy(name=row.key, head=head, note=read_note(row), is_placed=is_placed)

    def places(self, *, after: str = "", limit: int) -> PlacePage:
        """The parents of at most `limit` images behind the name `after`, without their heads. One read.

        A row of an older release does not have the parent beside the head. Such rows cost one more read, and are
        parsed; the sweep writes them again.
        """
        limit = min(limit, rows.PAGE)
        found = self._tables.scan(TABLE, PARTITION, first=rows.behind(after), limit=limit, select=[_PARENT])
        cells = {row.key: row.cells.get(_PARENT) for row in found}
        old = [key for key, cell in cells.items() if not isinstance(cell, str)]
        cells |= self._old_cells(old) if old else {}
        parents = {
            ImageName(key): ImageName(cell) if cell else None
            for key, cell in cells.items()
            if isinstance(cell, str)
        }
        return PlacePage(
            parents=parents,
            after=found[-1].key if len(found) == limit else None,
            unreadable=tuple(key for key, cell in cells.items() if not isinstance(cell, str)),
        )

    def _old_cells(self, keys: Sequence[str]) -> dict[str, str]:
        """What the rows of these keys would have beside their heads, as far as they can be read."""
        wanted, end = set(keys), rows.behind(keys[-1])
        found = rows.scan(self._tables, TABLE, PARTITION, first=keys[0], last=end)
        read = {row.key: self._reader.try_one(TABLE, row, HEADS) for row in found if row.key in wanted}
        return {key: _parent_cell(stored.value) for key, stored in read.items() if stored is not None}


def _parent_cell(head: ImageHead) -> str:
    parent = head.registration.parent
    return "" if parent is None else str(parent)


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
