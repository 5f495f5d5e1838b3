"""Rows to values, for every store. A row that this release cannot read is reported, and stops nothing but itself.

No other module decodes a row: a test looks through the package.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.ports import Row
from pipeline_core.state.records import Stored

Value = TypeVar("Value")
Report = Callable[[str, Row, UnreadableRow], None]  # the table, the row, and what is wrong with it


class RowCodec(Protocol[Value]):
    """What makes a row into a value: a `Codec`, or a `PlainCodec` for plain cells."""

    def read(self, row: Row) -> Stored[Value]:
        """The value of the row. Raises UnreadableRow."""


def _forget(table: str, row: Row, error: UnreadableRow) -> None:
    """Report to nobody, as tests and programs without records of their own do."""


class Reader:
    """Decodes rows with the codec of their type."""

    def __init__(self, report: Report = _forget) -> None:
        self._report = report

    def one(self, table: str, row: Row, codec: RowCodec[Value]) -> Stored[Value]:
        """The value of one row. Raises UnreadableRow, after the report."""
        try:
            return codec.read(row)
        except UnreadableRow as error:
            self._report(table, row, error)
            raise

    def found(self, table: str, row: Row | None, codec: RowCodec[Value]) -> Stored[Value] | None:
        """The value of a row that was looked for, or None where there is no row. Raises UnreadableRow."""
        return None if row is None else self.one(table, row, codec)

    def many(self, table: str, rows: Iterable[Row], codec: RowCodec[Value]) -> Iterator[Stored[Value]]:
        """The values of those rows that can be read, in order."""
        for row in rows:
            read = self.try_one(table, row, codec)
            if read is not None:
                yield read

    def try_one(self, table: str, row: Row, codec: RowCodec[Value]) -> Stored[Value] | None:
        """The value of one row, or None where it cannot be read."""
        try:
            return self.one(table, row, codec)
        except UnreadableRow:
            return None
