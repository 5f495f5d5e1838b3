"""The fleet's copies of heads, row by row, and how far the last round over the fleet has come.

A row that cannot be read is named, and does not hide the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Tables
from pipeline_core.state import index, rows
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_HEADS = Codec(ImageHead)
_ROUNDS_OF = "rounds"
ROUNDS = Codec(Round)


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

    def names(self, *, after: str = "", limit: int) -> Sequence[str]:
        """The names of the images behind the name `after`, in order, at most `limit`. It reads no head."""
        found = self._tables.scan(index.TABLE, "fleet", first=rows.behind(after), limit=limit)
        return [row.key for row in found]

    def copies(self) -> Iterator[Copy]:
        """Every row, by name."""
        for row in rows.scan(self._tables, index.TABLE, "fleet"):
            read = self._reader.try_one(index.TABLE, row, _HEADS)
            yield Copy(name=row.key, head=None if read is None else read.value)


class RoundStore:
    """One row for each kind of round, so that a slice knows where the last one ended."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, kind: str) -> Stored[Round] | None:
        """The last round of a kind, or None before the first."""
        row = self._tables.find(index.TABLE, _ROUNDS_OF, kind)
        return self._reader.found(index.TABLE, row, ROUNDS)

    def save(self, kind: str, value: Round, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite where another slice was faster."""
        self._tables.write(index.TABLE, [ROUNDS.write(_ROUNDS_OF, kind, value, etag=etag)])
