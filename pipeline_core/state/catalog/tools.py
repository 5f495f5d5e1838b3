"""The records of the tools' files: one row of the index for each, by SHA-256. The content is a blob."""

from collections.abc import Iterable, Sequence

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state import rows
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "tools"
TOOLS = Codec(ToolRecord)


class ToolStore:
    """Point reads, the whole list, and conditional writes."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, sha256: Digest) -> Stored[ToolRecord] | None:
        """The record, or None."""
        return self._reader.found(TABLE, self._tables.find(TABLE, _PARTITION, str(sha256)), TOOLS)

    def missing(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Those that are not admitted, each once, sorted. Costs one read for each digest.

        A row that cannot be read counts as not admitted. The reader reports it.
        """
        asked = sorted(set(digests))
        return tuple(digest for digest in asked if self.state_of(digest) is not ToolState.ADMITTED)

    def state_of(self, sha256: Digest) -> ToolState | None:
        """The state; None where there is no record, or none that can be read."""
        stored = self.find_readable(sha256)
        return None if stored is None else stored.value.state

    def find_readable(self, sha256: Digest) -> Stored[ToolRecord] | None:
        """As `find`; also None where the row cannot be read: what it says is unknown, and unknown admits nothing."""
        try:
            return self.find(sha256)
        except UnreadableRow:
            return None

    def find_etag(self, sha256: Digest) -> str | None:
        """The ETag of the row, whether it can be read or not; None where there is none."""
        row = self._tables.find(TABLE, _PARTITION, str(sha256))
        return None if row is None else row.etag

    def list(self) -> Sequence[Stored[ToolRecord]]:
        """Every record, by SHA-256. One read for 1,000. Unreadable rows are left out."""
        return list(self._reader.many(TABLE, rows.scan(self._tables, TABLE, _PARTITION), TOOLS))

    def save(self, record: ToolRecord, *, etag: str | None) -> str:
        """Insert (`etag` None) or replace; the new ETag. Raises AlreadyExists or StaleWrite."""
        (written,) = self._tables.write(
            TABLE, [TOOLS.write(_PARTITION, str(record.sha256), record, etag=etag)]
        )
        return written

    def delete(self, sha256: Digest, *, etag: str) -> None:
        """Raises StaleWrite where the row has changed or gone."""
        row = Row(partition=_PARTITION, key=str(sha256), cells={}, etag=etag)
        self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
