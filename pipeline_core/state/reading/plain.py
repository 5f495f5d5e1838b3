"""Rows whose cells are plain texts, without a schema: how the reader makes them into values.

It decides nothing about a row: the reader records one that it cannot make into a value, as for every other row.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.ports import Row
from pipeline_core.state.records import Stored

Value = TypeVar("Value")


class PlainCodec(Generic[Value]):
    """Reads rows of one kind. `parse` makes a row into a value; it raises LookupError or ValueError where it cannot.

    `name` is what such a row is, in words.
    """

    def __init__(self, name: str, parse: Callable[[Row], Value]) -> None:
        self._name = name
        self._parse = parse

    def read(self, row: Row) -> Stored[Value]:
        """The value of the row. Raises UnreadableRow."""
        try:
            return Stored(value=self._parse(row), etag=row.etag)
        except (LookupError, ValueError) as error:
            why = f"it has no cell {error}" if isinstance(error, LookupError) else str(error)
            text = f"row {row.partition}/{row.key} is not {self._name}: {why}"
            raise UnreadableRow(text, key=row.key, partition=row.partition) from error


def time_of(row: Row, name: str) -> datetime:
    """The time in the cell `name`, in UTC. Raises LookupError, or ValueError where it is not a time with its zone."""
    time = datetime.fromisoformat(str(row.cells[name]))
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return time.astimezone(UTC)
