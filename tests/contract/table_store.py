"""A table of a test's own behind the port, and the writes of its rows."""

from dataclasses import dataclass
from typing import Any

from pipeline_core.ports import Row, Tables, TableWrite, WriteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A port and a table that is this test's own."""

    tables: Tables
    name: str

    def write(self, *writes: TableWrite) -> list[str]:
        return list(self.tables.write(self.name, writes))

    def find(self, key: str, partition: str = "p") -> Row | None:
        return self.tables.find(self.name, partition, key)

    def get(self, key: str) -> Row:
        found = self.find(key)
        assert found is not None, key
        return found

    def keys(self, **bounds: str | int) -> list[str]:
        return [row.key for row in self.tables.scan(self.name, "p", **bounds)]  # type: ignore[arg-type]


def row(key: str, *, etag: str = "", partition: str = "p", **cells: Any) -> Row:
    return Row(partition=partition, key=key, cells=cells, etag=etag)


def insert(key: str, *, partition: str = "p", **cells: Any) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=row(key, partition=partition, **cells))


def replace(key: str, etag: str, **cells: Any) -> TableWrite:
    return TableWrite(verb=WriteKind.REPLACE, row=row(key, etag=etag, **cells))


def delete(key: str, etag: str) -> TableWrite:
    return TableWrite(verb=WriteKind.DELETE, row=row(key, etag=etag))
