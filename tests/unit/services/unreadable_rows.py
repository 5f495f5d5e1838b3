"""Rows as a newer release, or a person, could have left them, for tests."""

from dataclasses import replace

from pipeline_core.ports import Row, TableWrite, WriteKind
from simulation.world import SimulatedWorld


def make_unreadable(made: SimulatedWorld, table: str, partition: str, key: str, schema: int = 2) -> Row:
    """Give a row a schema that this release does not know. Returns the row as it was."""
    row = made.ports.tables.find(table, partition, key)
    assert row is not None, (table, partition, key)
    put(made, table, replace(row, cells={**row.cells, "schema": schema}))
    return row


def put(made: SimulatedWorld, table: str, row: Row) -> None:
    """Write these cells over whatever row is there."""
    found = made.ports.tables.find(table, row.partition, row.key)
    verb = WriteKind.INSERT if found is None else WriteKind.REPLACE
    etag = "" if found is None else found.etag
    made.ports.tables.write(table, [TableWrite(verb=verb, row=replace(row, etag=etag))])


def keys(made: SimulatedWorld, table: str, partition: str, prefix: str = "") -> list[str]:
    """The keys of a partition that begin with `prefix`."""
    return [
        row.key
        for row in made.ports.tables.rows(table)
        if row.partition == partition and row.key.startswith(prefix)
    ]
