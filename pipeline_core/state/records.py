"""Frozen domain values to table rows and back, by Pydantic's adapter. A row names the schema that wrote it.

Fields that a reader does not know are ignored, and kept when it writes the row again (`state.reading.etags`). A row of
an older schema is raised by the upcasters of its type. A row of a newer one cannot be read, and is never rewritten.

A text whose value is known is not decoded again: values are frozen, so writer and readers may share one value.
For each type, a test with one codec at either end proves that decoding gives the written value.
"""

import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pipeline_core.domain import canonical
from pipeline_core.domain.errors import ErrorClass, PermanentError, UnreadableRow
from pipeline_core.ports import Cell, Row, TableWrite, WriteKind
from pipeline_core.state.reading import cells as texts
from pipeline_core.state.reading.etags import Etag, with_unknown

SCHEMA = 1  # of a type without upcasters
_KEPT = 2048  # values of one type: a few KB each

Value = TypeVar("Value")
# The JSON of a record in one schema, as the next schema has it. Pure: a row may be raised at every read.
Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Generic[Value]):
    """A value as it was read, with the ETag that a conditional write needs."""

    value: Value
    etag: str


class Codec(Generic[Value]):
    """Between one domain type and the cells of a row. Each upcaster raises the schema of its type by one."""

    def __init__(self, value_type: type[Value], *, upcasters: Sequence[Upcaster] = ()) -> None:
        self._adapter = TypeAdapter(value_type)
        self._type = value_type
        self._name = value_type.__name__
        self._upcasters = tuple(upcasters)
        # The value of a text, and whether this release writes the value as this very text.
        self._known: OrderedDict[str, tuple[Value, bool]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def schema(self) -> int:
        """The schema of the rows that this codec writes, and the newest that it reads."""
        return SCHEMA + len(self._upcasters)

    def row(self, partition: str, key: str, value: Value, *, etag: str = "") -> Row:
        """The row to write, with what the row that was read had besides.

        Raises PermanentError if the value does not fit into a row.
        """
        text = self._adapter.dump_json(value).decode()
        self._keep(text, value, is_own=True)
        kept: Mapping[str, Cell] = {}
        if isinstance(etag, Etag):
            text = self._with_unknown(etag.cells, value, text)
            kept = texts.without_text(etag.cells)
        try:
            written = texts.split(text)
        except ValueError as error:
            raise PermanentError(
                ErrorClass.POLICY, f"{self._name} {partition}/{key} {error}: shorten its lists"
            ) from error
        return Row(partition=partition, key=key, cells={**kept, "schema": self.schema, **written}, etag=etag)

    def read(self, row: Row) -> Stored[Value]:
        """The stored value. Raises UnreadableRow if this release cannot read the row.

        Stores read through `state.reading.Reader`, which also records the row.
        """
        text = self._text_of(row)
        known = self._known.get(text)
        if known is not None:
            return Stored(value=known[0], etag=Etag(row.etag, row.cells))
        try:
            value = self._adapter.validate_json(text)
        except ValidationError as error:
            raise self._unreadable(row, f"is not of type {self._name}: {error}") from error
        self._keep(text, value, is_own=False)
        return Stored(value=value, etag=Etag(row.etag, row.cells))

    def write(self, partition: str, key: str, value: Value, *, etag: str | None) -> TableWrite:
        """Insert if `etag` is None, else replace on that ETag."""
        row = self.row(partition, key, value, etag=etag or "")
        return TableWrite(verb=WriteKind.INSERT if etag is None else WriteKind.REPLACE, row=row)

    @functools.cached_property
    def _may_share(self) -> bool:
        return not _can_change(self._type)

    def _text_of(self, row: Row) -> str:
        """The JSON of the row's value in today's schema."""
        schema, text = row.cells.get("schema"), texts.joined(row.cells)
        if text is None or type(schema) is not int or schema < SCHEMA:
            raise self._unreadable(row, f"is not of type {self._name} in schema {self.schema}")
        if schema > self.schema:
            raise self._unreadable(
                row,
                f"has schema {schema} of {self._name}, and this release reads up to {self.schema}:"
                " run the newer release again, or delete the row",
            )
        try:
            return self._raised(text, schema)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._unreadable(row, f"cannot be raised from schema {schema}: {error}") from error

    def _raised(self, text: str, schema: int) -> str:
        upcasters = self._upcasters[schema - SCHEMA :]
        if not upcasters:
            return text
        said = json.loads(text)
        for upcast in upcasters:
            said = upcast(said)
        return canonical.compact(said)

    def _with_unknown(self, old: Mapping[str, Cell], value: Value, text: str) -> str:
        """The JSON to write over a row with the cells `old`, whose reader made it into `value`."""
        row = Row(partition="", key="", cells=old)
        try:
            said = self._text_of(row)
            if self._known.get(said, (None, False))[1]:
                return text  # as this release writes it: there is nothing else in it
            before = self.read(row).value
        except UnreadableRow:
            return text  # the caller replaces the row knowingly
        known = self._adapter.dump_json(before).decode()
        if known == said:
            self._keep(said, before, is_own=True)
            return text
        merged = with_unknown(json.loads(said), json.loads(known), json.loads(text))
        return canonical.compact(merged)

    def _unreadable(self, row: Row, why: str) -> UnreadableRow:
        return UnreadableRow(f"row {row.partition}/{row.key} {why}", key=row.key, partition=row.partition)

    def _keep(self, text: str, value: Value, *, is_own: bool) -> None:
        """Keep a value. The oldest goes first, because most reads follow soon after the write."""
        if not self._may_share:
            return
        with self._lock:
            self._known[text] = value, is_own
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)  # a plain dict looks past all that it has dropped


def _can_change(hint: Any) -> bool:
    """True if a value of this type has, at any depth, a part that one reader could change for the others."""
    if is_dataclass(hint):
        return any(_can_change(each) for each in get_type_hints(hint).values())
    origin = get_origin(hint) or hint
    is_open = isinstance(origin, type) and issubclass(origin, Mapping | list | set | bytearray)
    return is_open or any(_can_change(each) for each in get_args(hint))
