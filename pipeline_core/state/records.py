"""Frozen domain values to table rows and back, by Pydantic's adapter. A row names the schema that wrote it.

A text whose value is known is not decoded again: values are frozen, so writer and readers may share one value.
For each type, a test with one codec at either end proves that decoding gives the written value.
"""

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.ports import Row, TableWrite, WriteKind

SCHEMA = 1
_TEXT_LIMIT = 32_000  # characters; a table cell holds 32 Ki
_KEPT = 2048  # values of one type: a few KB each

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
        self._type = value_type
        self._name = value_type.__name__
        self._known: dict[str, Value] = {}
        self._lock = threading.Lock()

    def row(self, partition: str, key: str, value: Value, *, etag: str = "") -> Row:
        """The row to write. Raises PermanentError if the value does not fit into a cell."""
        text = self._adapter.dump_json(value).decode()
        if len(text) > _TEXT_LIMIT:
            raise PermanentError(
                ErrorClass.POLICY,
                f"{self._name} {partition}/{key} has {len(text)} characters, "
                f"at most {_TEXT_LIMIT} fit: shorten its lists",
            )
        self._keep(text, value)
        return Row(partition=partition, key=key, cells={"schema": SCHEMA, "value": text}, etag=etag)

    def read(self, row: Row) -> Stored[Value]:
        """The stored value. Raises PermanentError if this factory did not write the row."""
        text = row.cells.get("value")
        if row.cells.get("schema") != SCHEMA or not isinstance(text, str):
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"row {row.partition}/{row.key} is not of type {self._name} in schema {SCHEMA}",
            )
        value = self._known.get(text)
        if value is None:
            try:
                value = self._adapter.validate_json(text)
            except ValidationError as error:
                raise PermanentError(
                    ErrorClass.TEMPLATE, f"row {row.partition}/{row.key} is not of type {self._name}: {error}"
                ) from error
            self._keep(text, value)
        return Stored(value=value, etag=row.etag)

    def write(self, partition: str, key: str, value: Value, *, etag: str | None) -> TableWrite:
        """Insert if `etag` is None, else replace on that ETag."""
        row = self.row(partition, key, value, etag=etag or "")
        return TableWrite(verb=WriteKind.INSERT if etag is None else WriteKind.REPLACE, row=row)

    @functools.cached_property
    def _may_share(self) -> bool:
        return not _can_change(self._type)

    def _keep(self, text: str, value: Value) -> None:
        """Keep a value. The oldest goes first, because most reads follow soon after the write."""
        if not self._may_share:
            return
        with self._lock:
            self._known[text] = value
            if len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]


def _can_change(hint: Any) -> bool:
    """True if a value of this type has, at any depth, a part that one reader could change for the others."""
    if is_dataclass(hint):
        return any(_can_change(each) for each in get_type_hints(hint).values())
    origin = get_origin(hint) or hint
    is_open = isinstance(origin, type) and issubclass(origin, Mapping | list | set | bytearray)
    return is_open or any(_can_change(each) for each in get_args(hint))
