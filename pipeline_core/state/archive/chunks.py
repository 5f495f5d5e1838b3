"""Old rows of an image's history as lines of JSON in blobs. A blob is written once; nothing here removes a row.

A chunk holds rows that stood one behind the other, newest first. The row of its oldest line stays in the table and
names the blob, so a page that reaches this row goes on in the chunk, and an older release still shows this one line.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence

from pipeline_core.domain import canonical
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Blobs, Row

CHUNK = "chunk"  # the cell that names the blob
MOVED = "moved"  # the cell with the keys of a chunk's rows, one a line, where a list must know them
_CONTAINER = "definitions"  # as the recovery log: both outlive the tables
_ROOT = "history"
_LIMIT = 16 << 20  # bytes; 98 lines of a journal have some 100 KB, 49 builds at most 15 MB
_INVERTED = str.maketrans("0123456789abcdef", "fedcba9876543210")


class Chunks:
    """Reads and writes chunks, and single builds that have left the table."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def store(self, image: ImageName, kind: str, rows: Sequence[Row]) -> str:
        """Write a chunk and read it back; the name of its blob. The same rows have the same name: safe to repeat.

        Its folder is the month of its oldest row. Raises PermanentError if the blob has another content.
        """
        content = b"".join(_line(row) for row in rows)
        digest = hashlib.sha256(content).hexdigest()[:16]
        oldest = inverted(rows[-1].key.partition(":")[2])
        name = f"{_ROOT}/{image}/{kind}/{oldest[:4]}-{oldest[4:6]}/{len(rows)}-{digest}.jsonl"
        self._write(name, content)
        return name

    def store_build(self, build: BuildId, row: Row) -> None:
        """Keep the row of a build under its id. Safe to repeat."""
        self._write(_name_of(build), _line(row))

    def find_build(self, build: BuildId) -> Row | None:
        """The row of a build that has left the table, or None."""
        try:
            content = self._blobs.read(_CONTAINER, _name_of(build), limit=_LIMIT)
        except NotFound:
            return None
        return _rows(str(build.image), content)[0]

    def names(self, image: ImageName) -> Sequence[str]:
        """The blobs of an image's chunks."""
        found = self._blobs.list(_CONTAINER, f"{_ROOT}/{image}/", limit=100_000)
        return [facts.name for facts in found if facts.name.endswith(".jsonl")]

    def read(self, image: ImageName, name: str) -> Sequence[Row]:
        """The rows of a chunk, newest first, without ETags. Raises NotFound."""
        return _rows(str(image), self._blobs.read(_CONTAINER, name, limit=_LIMIT))

    def rows_of(self, row: Row) -> Sequence[Row]:
        """The rows for which a row of the table stands. Only itself where it names no chunk, or its blob is gone."""
        name = row.cells.get(CHUNK)
        if name is None:
            return (row,)
        try:
            return self.read(ImageName(row.partition), str(name))
        except NotFound:
            return (row,)

    def _write(self, name: str, content: bytes) -> None:
        with contextlib.suppress(AlreadyExists):  # an earlier try wrote it, and died before the rows went
            self._blobs.create(_CONTAINER, name, content, media_type="application/json")
        if self._blobs.read(_CONTAINER, name, limit=_LIMIT) != content:
            raise PermanentError(
                ErrorClass.INTERNAL, f"{_CONTAINER}/{name} has another content than its rows"
            )


def inverted(key: str) -> str:
    """The key that sorts the other way round, by its digits and its nonce's hexadecimal letters; its own inverse."""
    return key.translate(_INVERTED)


def keys_of(row: Row) -> Iterable[str]:
    """The keys of the rows for which a row of the table stands, as far as it says so."""
    return (row.key, *str(row.cells.get(MOVED, "")).split("\n"))


def _name_of(build: BuildId) -> str:
    return f"{_ROOT}/{build.image}/build/{build}.json"


def _line(row: Row) -> bytes:
    return canonical.text({"key": row.key, "cells": dict(row.cells)}) + b"\n"


def _rows(partition: str, content: bytes) -> Sequence[Row]:
    said = [json.loads(line) for line in content.splitlines()]
    return [Row(partition=partition, key=each["key"], cells=each["cells"]) for each in said]
