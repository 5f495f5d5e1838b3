"""Frozen domain values to table rows and back, by Pydantic's adapter; a row says which schema wrote it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.ports import Row, TableWrite, Verb

SCHEMA = 1
_TEXT_LIMIT = 32_000  # characters; a table cell holds 32 Ki

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Generic[Value]):
    """A value as it was read, with the ETag that a conditional write needs."""

    value: Value
    etag: str


class Codec(Generic[Value]):
    """Between one domain type and the cells of a row."""

    def __init__(self, value_type: type[Value]) -> None:
        self._adapter = TypeAdapter(value_type)
        self._name = value_type.__name__

    def row(self, partition: str, key: str, value: Value, *, etag: str = "") -> Row:
        """The row to write; raises PermanentError where the value does not fit into a cell."""
        text = self._adapter.dump_json(value).decode()
        if len(text) > _TEXT_LIMIT:
            raise PermanentError(
                ErrorClass.POLICY,
                f"{self._name} {partition}/{key} has {len(text)} characters, {_TEXT_LIMIT} fit: shorten its lists",
            )
        return Row(partition=partition, key=key, cells={"schema": SCHEMA, "value": text}, etag=etag)

    def read(self, row: Row) -> Stored[Value]:
        """The stored value; raises PermanentError where the row was not written by this factory."""
        text = row.cells.get("value")
        if row.cells.get("schema") != SCHEMA or not isinstance(text, str):
            raise PermanentError(
                ErrorClass.TEMPLATE, f"row {row.partition}/{row.key} is no {self._name} of schema {SCHEMA}"
            )
        try:
            value = self._adapter.validate_json(text)
        except ValidationError as error:
            raise PermanentError(
                ErrorClass.TEMPLATE, f"row {row.partition}/{row.key} is no {self._name}: {error}"
            ) from error
        return Stored(value=value, etag=row.etag)

    def write(self, partition: str, key: str, value: Value, *, etag: str | None) -> TableWrite:
        """Insert where `etag` is None, replace on that ETag otherwise."""
        row = self.row(partition, key, value, etag=etag or "")
        return TableWrite(verb=Verb.INSERT if etag is None else Verb.REPLACE, row=row)
