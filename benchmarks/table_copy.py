"""A prototype, for measurements only: copy every row of the tables to blobs, and load a copy into empty tables.

The product must not use it: ADR 18 says why. It has only what such a copy needs: pages of 1,000 rows, as Azure
answers a query of a whole table, one compressed blob for each page, and transactions of one partition when it
loads. It has no index of copies, no retention, no check of a copy, and no command.
"""

import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.ports import Blobs, Row, Tables, TableWrite, WriteKind

CONTAINER = "copies"
TABLES = ("images", "index", "capacity")
PAGE = 1_000  # rows of one answer, and of one blob
_TRANSACTION = 100  # writes
_LIMIT = 64 * 1024 * 1024  # bytes of one blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The numbers of a copy. `raw` and `stored` are bytes before and after compression."""

    rows: int
    pages: int
    raw: int
    stored: int


def pages(tables: MemoryTables, table: str) -> Iterator[Sequence[Row]]:
    """The rows of a table by partition and key. Each page is read on demand, like a page of a query."""
    last: tuple[str, str] = ("", "")
    while True:
        rows = [row for row in tables.rows(table) if (row.partition, row.key) > last][:PAGE]
        if rows:
            last = (rows[-1].partition, rows[-1].key)
            yield rows
        if len(rows) < PAGE:
            return


def export_page(rows: Sequence[Row], blobs: Blobs, name: str) -> tuple[int, int]:
    """Write one page. Returns its bytes before and after compression."""
    lines = [json.dumps([row.partition, row.key, dict(row.cells)]) for row in rows]
    raw = "\n".join(lines).encode()
    stored = gzip.compress(raw, mtime=0)
    blobs.create(CONTAINER, name, stored, media_type="application/gzip")
    return len(raw), len(stored)


def export(tables: MemoryTables, blobs: Blobs, copy: str) -> Size:
    """Copy every table under the name `copy`."""
    rows = count = raw = stored = 0
    for table in TABLES:
        for page in pages(tables, table):
            before, after = export_page(page, blobs, f"{copy}/{table}/{count:06d}")
            rows, count, raw, stored = rows + len(page), count + 1, raw + before, stored + after
    return Size(rows=rows, pages=count, raw=raw, stored=stored)


def load(blobs: Blobs, copy: str, tables: Tables) -> int:
    """Insert every row of a copy into empty tables. Returns the number of rows."""
    loaded = 0
    for facts in blobs.list(CONTAINER, f"{copy}/", limit=1_000_000):
        table = facts.name.split("/")[1]
        lines = gzip.decompress(blobs.read(CONTAINER, facts.name, limit=_LIMIT)).decode().splitlines()
        rows = [Row(partition=each[0], key=each[1], cells=each[2]) for each in map(json.loads, lines)]
        for _, group in itertools.groupby(rows, key=lambda row: row.partition):
            inserts = [TableWrite(verb=WriteKind.INSERT, row=row) for row in group]
            for start in range(0, len(inserts), _TRANSACTION):
                tables.write(table, inserts[start : start + _TRANSACTION])
        loaded += len(rows)
    return loaded
