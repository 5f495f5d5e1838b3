"""The pause of the factory: cells of the row that counts creations, and a copy outside of the tables.

A handler that pays for a creation writes that row on the ETag that it read. So a creation is paid for before the
pause, or not at all, and no build reads a row more for it. The copies are blobs: where the row is lost, the newest
copy decides.
The copy of a pause is written before the row, and that of its end after the row. So what is lost ends no pause.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from pipeline_core.domain import pauses
from pipeline_core.domain.errors import AlreadyExists, StaleWrite, UnreadableRow
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.pauses import FactoryPause
from pipeline_core.ports import Blobs, Row, Tables, TableWrite, WriteKind
from pipeline_core.state import creations as spending

TABLE, PARTITION = "capacity", "slots"
_CELL = "pause"
_CONTAINER = "definitions"  # as the recovery log: it outlives the tables
_PREFIX = "chronicle/pauses/"
_LAST = 10**10 - 1  # highest possible revision
_LIMIT = 16 * 1024  # bytes of a copy
_FORM = TypeAdapter(FactoryPause)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPause:
    """The newest pause or its end, and the row that it is changed on; None where there is none."""

    value: FactoryPause | None
    row: Row | None


class PauseStore:
    """One point read, and one list call more where the row is absent."""

    def __init__(self, tables: Tables, blobs: Blobs) -> None:
        self._tables = tables
        self._blobs = blobs

    def find(self) -> StoredPause:
        """The newest pause or its end. Raises UnreadableRow."""
        row = self._tables.find(TABLE, PARTITION, spending.KEY)
        if row is None:
            return StoredPause(value=self._newest_copy(), row=None)
        text = str(row.cells.get(_CELL) or "")
        return StoredPause(value=_parse(text.encode(), spending.KEY) if text else None, row=row)

    def text(self, now: datetime) -> str:
        """One line for people about a pause that holds; empty where none does."""
        try:
            return pauses.text_of(self.find().value, now)
        except UnreadableRow as error:
            return str(error)

    def is_halted_by_copy(self) -> bool:
        """For a caller that has not found the row: True where the newest copy is a pause, or cannot be read."""
        try:
            newest = self._newest_copy()
        except UnreadableRow:
            return True
        return newest is not None and newest.is_paused

    def following(self, stored: StoredPause) -> int:
        """The revision of the next pause, or end, after this one and after every copy."""
        names = [facts.name for facts in self._blobs.list(_CONTAINER, _PREFIX, limit=1)]
        copied = [_LAST - int(name.removeprefix(_PREFIX).removesuffix(".json")) for name in names]
        return max([0 if stored.value is None else stored.value.revision, *copied]) + 1

    def copy(self, pause: FactoryPause) -> None:
        """Write the copy. Safe to repeat."""
        name = f"{_PREFIX}{highest_first(pause.revision, most=_LAST)}.json"
        with contextlib.suppress(AlreadyExists):
            self._blobs.create(_CONTAINER, name, _FORM.dump_json(pause), media_type="application/json")

    def put(self, pause: FactoryPause, stored: StoredPause) -> None:
        """Write the row over the one that was read. Raises StaleWrite where it has changed since."""
        before = stored.row
        cells = dict(spending.cells(spending.read(None)) if before is None else before.cells)
        cells |= {spending.HALTED: pause.is_paused, _CELL: _FORM.dump_json(pause).decode()}
        row = Row(
            partition=PARTITION, key=spending.KEY, cells=cells, etag="" if before is None else before.etag
        )
        verb = WriteKind.INSERT if before is None else WriteKind.REPLACE
        try:
            self._tables.write(TABLE, [TableWrite(verb=verb, row=row)])
        except AlreadyExists as error:
            raise StaleWrite("the pause was changed by another request: read it again") from error

    def _newest_copy(self) -> FactoryPause | None:
        for facts in self._blobs.list(_CONTAINER, _PREFIX, limit=1):
            return _parse(self._blobs.read(_CONTAINER, facts.name, limit=_LIMIT), facts.name)
        return None


def _parse(content: bytes, key: str) -> FactoryPause:
    try:
        return _FORM.validate_json(content)
    except ValidationError as error:
        text = f"this release cannot read the pause of the factory, which therefore goes on: {error}"
        raise UnreadableRow(text[:600], partition=PARTITION, key=key) from error
