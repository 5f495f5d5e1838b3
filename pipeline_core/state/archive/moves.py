"""Move the old part of an image's history from the tables to blobs: which rows may go, and the transaction.

The blob is written and read back first. One transaction then removes the rows and names the blob in the last one. A
crash in between leaves a blob that nobody reads, and the next try writes the same one.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists, PermanentError
from pipeline_core.domain.journal import entry_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.archive.chunks import CHUNK, MOVED, Chunks, inverted
from pipeline_core.state.history import BUILDS, ENTRIES, LINE, PAST, TABLE, end_of
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec
from pipeline_core.state.rows import behind, scan

LINES = 98  # of one chunk: a transaction has at most 100 writes
BUILDS_OF_CHUNK = 49  # each has a copy and a row of its own


class ArchiveStore:
    """Each move is one chunk. Rows that this release cannot read are never moved."""

    def __init__(self, tables: Tables, chunks: Chunks, reader: Reader | None = None) -> None:
        self._tables = tables
        self._chunks = chunks
        self._reader = reader or Reader()

    def old_lines(
        self, image: ImageName, *, before: datetime, kept: int, most: int
    ) -> Sequence[Sequence[Row]]:
        """At most `most` chunks of journal lines, oldest first, behind the newest `kept` and older than `before`.

        Costs one read where there is nothing to move.
        """
        return self._old(image, LINE, ENTRIES, LINES, before, kept, most)

    def old_builds(
        self, image: ImageName, *, before: datetime, kept: int, most: int
    ) -> Sequence[Sequence[Row]]:
        """The same for the copies of builds that have ended; by the time of their creation."""
        return self._old(image, PAST, BUILDS, BUILDS_OF_CHUNK, before, kept, most)

    def build_of(self, row: Row) -> Build:
        """The build of a row of `old_builds`. Raises UnreadableRow."""
        return self._reader.one(TABLE, row, BUILDS).value

    def move_lines(self, image: ImageName, rows: Sequence[Row]) -> None:
        """Move a chunk. Raises StaleWrite where another slice was faster."""
        name = self._chunks.store(image, "journal", rows)
        self._tables.write(TABLE, [_naming(rows[-1], name), *_deletions(rows[:-1])])

    def move_builds(self, image: ImageName, rows: Sequence[Row], unneeded: Collection[BuildId]) -> None:
        """Move a chunk of copies, and the own rows of the builds that nothing needs. Raises StaleWrite."""
        own = [row for build in sorted(unneeded, key=str) if (row := self._movable(build)) is not None]
        name = self._chunks.store(image, "builds", rows)
        moved = "\n".join(row.key for row in rows)
        self._tables.write(TABLE, [_naming(rows[-1], name, moved), *_deletions(rows[:-1]), *_deletions(own)])

    def recover(self, image: ImageName) -> int:
        """After the tables were lost: name the chunks of an image in them again; how many. Safe to repeat."""
        found = 0
        for name in self._chunks.names(image):
            rows = self._chunks.read(image, name)
            moved = "\n".join(row.key for row in rows) if rows[-1].key.startswith(PAST) else ""
            row = replace(_naming(rows[-1], name, moved).row, etag="")
            try:
                self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
            except AlreadyExists:
                continue
            found += 1
        return found

    def _movable(self, build: BuildId) -> Row | None:
        """The own row of a build, which is in its blob now; None where it stays: it has gone, or cannot be read.

        Or another build of the same id is in the blob: one from before the tables were lost.
        """
        row = self._tables.find(TABLE, str(build.image), f"build:{build}")
        read = None if row is None else self._reader.try_one(TABLE, row, BUILDS)
        if row is None or read is None or not read.value.is_finished or read.value.announce:
            return None
        try:
            self._chunks.store_build(build, row)
        except PermanentError:
            return None
        return row

    def _old(
        self,
        image: ImageName,
        prefix: str,
        codec: Codec[Any],
        size: int,
        before: datetime,
        kept: int,
        most: int,
    ) -> Sequence[Sequence[Row]]:
        partition, last = str(image), end_of(prefix)
        first = f"{prefix}{inverted(entry_key(before, ''))}"
        old = self._tables.scan(TABLE, partition, first=first, last=last, limit=2 * size)
        if len(list(self._run(old, codec))) < size:
            return ()
        newest = self._tables.scan(TABLE, partition, first=prefix, last=last, limit=kept)
        if len(newest) < kept:
            return ()
        first = max(first, behind(newest[-1].key))
        rows = scan(self._tables, TABLE, partition, first=first, last=last)
        # From the oldest on: what is too few for a chunk stays beside the newer rows, and goes with them later.
        run = list(deque(self._run(rows, codec), maxlen=most * size))
        return [run[at : at + size] for at in range(len(run) - size, -1, -size)]

    def _run(self, rows: Iterator[Row] | Sequence[Row], codec: Codec[Any]) -> Iterator[Row]:
        """The rows up to the first that stands for a chunk already, or that cannot be read."""
        return takewhile(
            lambda row: CHUNK not in row.cells and self._reader.try_one(TABLE, row, codec) is not None, rows
        )


def _naming(row: Row, name: str, moved: str = "") -> TableWrite:
    cells = {**row.cells, CHUNK: name, **({MOVED: moved} if moved else {})}
    return TableWrite(verb=WriteKind.REPLACE, row=replace(row, cells=cells))


def _deletions(rows: Sequence[Row]) -> Iterator[TableWrite]:
    return (TableWrite(verb=WriteKind.DELETE, row=row) for row in rows)
