"""One row for each kind of round over the fleet, so that a slice knows where the last one ended."""

from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Tables
from pipeline_core.state.index import TABLE
from pipeline_core.state.records import Codec, Stored

_PARTITION = "rounds"
_CODEC = Codec(Round)


class RoundStore:
    """A point read and a conditional write."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, kind: str) -> Stored[Round] | None:
        """The last round of a kind, or None before the first."""
        row = self._tables.find(TABLE, _PARTITION, kind)
        return None if row is None else _CODEC.read(row)

    def save(self, kind: str, value: Round, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite where another slice was faster."""
        self._tables.write(TABLE, [_CODEC.write(_PARTITION, kind, value, etag=etag)])
