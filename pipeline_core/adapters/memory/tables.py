"""Tables in memory: conditional writes, one partition per transaction, all or none, Azure's limits."""

import bisect
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pipeline_core.adapters import limits
from pipeline_core.domain.errors import AlreadyExists, StaleWrite, TablesLost
from pipeline_core.ports import ANY_ETAG, Row, TableWrite, WriteKind


@dataclass(slots=True, kw_only=True)
class _Partition:
    """Rows by key, with the keys in order: the cost of a scan grows with the rows that it gives."""

    rows: dict[str, Row] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


class MemoryTables:
    """`operations` counts calls as Azure bills them: a transaction is one, a scan is one per 1,000 rows.

    Tables in `lost` are not there any more.
    """

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, str], _Partition] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.operations = 0
        self.lost: set[str] = set()

    def find(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        with self._lock:
            self.operations += 1
            self._demand(table)
            found = self._partitions.get((table, partition))
            return None if found is None else found.rows.get(key)

    def scan(
        self,
        table: str,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        limit: int = 1000,
        select: Sequence[str] = (),
    ) -> Sequence[Row]:
        """Rows of one partition with `first` <= key < `last` (empty: unbounded), by key, at most `limit`.

        With `select`, with these cells only, and without an ETag.
        """
        with self._lock:
            self._demand(table)
            found = self._partitions.get((table, partition), _Partition())
            begin = bisect.bisect_left(found.keys, first)
            end = bisect.bisect_left(found.keys, last) if last else len(found.keys)
            keys = found.keys[begin : min(end, begin + limit)]
            self.operations += 1 + max(0, len(keys) - 1) // 1000
            rows = [found.rows[key] for key in keys]
        return [_part(row, select) for row in rows] if select else rows

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        """Apply all writes or none. Raises AlreadyExists, StaleWrite."""
        limits.check_writes(table, writes)
        with self._lock:
            self.operations += 1
            self._demand(table)
            partition = self._partitions.setdefault((table, writes[0].row.partition), _Partition())
            for write in writes:
                _check(table, partition.rows, write)
            return [self._apply(partition, write) for write in writes]

    def rows(self, table: str) -> Sequence[Row]:
        """Every row of a table, for tests."""
        with self._lock:
            places = sorted(place for place in self._partitions if place[0] == table)
            partitions = [self._partitions[place] for place in places]
            return [held.rows[key] for held in partitions for key in held.keys]

    def _demand(self, table: str) -> None:
        if table in self.lost:
            raise TablesLost(f"the factory's tables are lost ({table})")

    def _apply(self, partition: _Partition, write: TableWrite) -> str:
        row, rows = write.row, partition.rows
        if write.verb is WriteKind.DELETE:
            del rows[row.key]
            del partition.keys[bisect.bisect_left(partition.keys, row.key)]
            return ""
        if row.key not in rows:
            bisect.insort(partition.keys, row.key)
        stored = Row(
            partition=row.partition,
            key=row.key,
            cells=MappingProxyType(dict(row.cells)),
            etag=f'W/"{next(self._numbers)}"',
        )
        rows[row.key] = stored
        return stored.etag


def _part(row: Row, select: Sequence[str]) -> Row:
    cells = {name: row.cells[name] for name in select if name in row.cells}
    return replace(row, cells=MappingProxyType(cells), etag="")


def _check(table: str, rows: dict[str, Row], write: TableWrite) -> None:
    row, place = write.row, f"{table}/{write.row.partition}/{write.row.key}"
    found = rows.get(row.key)
    if write.verb is WriteKind.INSERT:
        if found is not None:
            raise AlreadyExists(f"{place} exists already; read it")
        return
    if found is None or row.etag not in (found.etag, ANY_ETAG):
        raise StaleWrite(f"{place} has changed or gone since it was read; read it again")
