"""Tables in memory: conditional writes, one partition per transaction, all or none, Azure's limits."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline_core.adapters import limits
from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.ports import Row, TableWrite, Verb

_Partition = dict[str, Row]


class MemoryTables:
    """`operations` counts calls as Azure bills them: a transaction is one, a scan one per 1,000 rows."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, str], _Partition] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.operations = 0

    def find(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        with self._lock:
            self.operations += 1
            return self._partitions.get((table, partition), {}).get(key)

    def scan(
        self, table: str, partition: str, *, first: str = "", last: str = "", limit: int = 1000
    ) -> Sequence[Row]:
        """Rows of one partition with `first` <= key < `last` (empty: unbounded), by key, at most `limit`."""
        with self._lock:
            rows = self._partitions.get((table, partition), {})
            keys = sorted(key for key in rows if key >= first and (not last or key < last))[:limit]
            self.operations += 1 + max(0, len(keys) - 1) // 1000
            return [rows[key] for key in keys]

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        """All or none; raises AlreadyExists, StaleWrite."""
        limits.check_writes(table, writes)
        with self._lock:
            self.operations += 1
            rows = self._partitions.setdefault((table, writes[0].row.partition), {})
            for write in writes:
                _check(table, rows, write)
            return [self._apply(rows, write) for write in writes]

    def rows(self, table: str) -> Sequence[Row]:
        """Every row of a table, for tests."""
        with self._lock:
            places = sorted(place for place in self._partitions if place[0] == table)
            return [row for place in places for _, row in sorted(self._partitions[place].items())]

    def _apply(self, rows: _Partition, write: TableWrite) -> str:
        row = write.row
        if write.verb is Verb.DELETE:
            del rows[row.key]
            return ""
        stored = replace(row, cells=MappingProxyType(dict(row.cells)), etag=f'W/"{next(self._numbers)}"')
        rows[row.key] = stored
        return stored.etag


def _check(table: str, rows: _Partition, write: TableWrite) -> None:
    row, place = write.row, f"{table}/{write.row.partition}/{write.row.key}"
    found = rows.get(row.key)
    if write.verb is Verb.INSERT:
        if found is not None:
            raise AlreadyExists(f"{place} exists already; read it")
        return
    if found is None or found.etag != row.etag:
        raise StaleWrite(f"{place} has changed or gone since it was read; read it again")
