"""Rows that this release cannot read: one record each, in the index's partition `unreadable`, until they can be read.

A record is written once, however often its row is met. The sweep removes the record of a row that is gone or can be
read again.
"""

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain.errors import AlreadyExists, StaleWrite, UnreadableRow
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state import index
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec
from pipeline_core.state.rows import behind

PARTITION = "unreadable"
_KEPT = 10_000  # records that memory knows of, so that a row is not recorded again at each read
_WHY = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """Where the row is, the schema that it names, why it cannot be read, and when that was first seen."""

    table: str
    partition: str
    key: str
    schema: str
    why: str
    first_seen: datetime

    @property
    def image(self) -> str:
        """The name of the image that the row is about; empty for a row of the factory."""
        if self.table == "images":
            return self.partition
        return self.key if (self.table, self.partition) == (index.TABLE, "fleet") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePage:
    """Records by place. `after` is the cursor of the next page, None at the end."""

    records: tuple[UnreadableRecord, ...]
    after: str | None


RECORDS = Codec(UnreadableRecord)


class UnreadableStore:
    """Written by the reader that meets such a row, read by people and by the sweep."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._reader = Reader()
        self._noted: set[str] = set()
        self._lock = threading.Lock()

    def note(self, table: str, row: Row, error: UnreadableRow, now: datetime) -> bool:
        """Record the row. True if there was no record of it. Costs nothing if this process has recorded it."""
        key = _key(table, row.partition, row.key)
        with self._lock:
            if key in self._noted:
                return False
        record = UnreadableRecord(
            table=table,
            partition=row.partition,
            key=row.key,
            schema=str(row.cells.get("schema", ""))[:20],
            why=str(error)[:_WHY],
            first_seen=now,
        )
        try:
            self._tables.write(index.TABLE, [RECORDS.write(PARTITION, key, record, etag=None)])
            is_new = True
        except AlreadyExists:
            is_new = False
        with self._lock:
            if len(self._noted) >= _KEPT:
                self._noted.clear()
            self._noted.add(key)
        return is_new

    def page(self, *, after: str = "", limit: int) -> UnreadablePage:
        """At most `limit` records after the cursor `after`, by table, partition and key."""
        rows = self._tables.scan(index.TABLE, PARTITION, first=behind(after), limit=limit)
        records = tuple(stored.value for stored in self._reader.many(index.TABLE, rows, RECORDS))
        return UnreadablePage(records=records, after=rows[-1].key if len(rows) == limit else None)

    def of_image(self, image: ImageName, *, limit: int = 100) -> tuple[UnreadableRecord, ...]:
        """The records of rows in the image's own partition."""
        first = _prefix("images", str(image))
        rows = self._tables.scan(index.TABLE, PARTITION, first=first, last=f"{first}~", limit=limit)
        return tuple(stored.value for stored in self._reader.many(index.TABLE, rows, RECORDS))

    def find_row(self, record: UnreadableRecord) -> Row | None:
        """The row that a record is about, as it is now, or None."""
        return self._tables.find(record.table, record.partition, record.key)

    def remove(self, record: UnreadableRecord) -> None:
        """Remove the record of a row that is gone or can be read. Safe to repeat."""
        key = _key(record.table, record.partition, record.key)
        with self._lock:
            self._noted.discard(key)
        row = self._tables.find(index.TABLE, PARTITION, key)
        if row is None:
            return
        try:
            self._tables.write(index.TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return


def _prefix(table: str, partition: str) -> str:
    return f"{table}:{partition}:"


def _key(table: str, partition: str, key: str) -> str:
    """Sorts by place. A key may have 512 characters, so the row's own key is cut, and its digest keeps it apart."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{_prefix(table, partition)}{key[:120]}:{digest}"
