"""Poisoned messages: one row each in the index's partition `poison`, newest first. Text and queue are plain cells."""

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline_core.domain.errors import AlreadyExists, NotFound, UnreadableRow
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.ports import Row, Tables, TableWrite
from pipeline_core.state import index
from pipeline_core.state.reading.etags import written
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import behind

PARTITION = "poison"
RECORDS = Codec(PoisonRecord)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonPage:
    """Records, newest first. `after` is the cursor of the next page, None at the end."""

    records: tuple[PoisonRecord, ...]
    after: str | None


class PoisonStore:
    """Point reads and writes, and pages of the one partition."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def add(self, record: PoisonRecord) -> Stored[PoisonRecord]:
        """Keep a record. If a record has the same key already, this gives that one."""
        with contextlib.suppress(AlreadyExists):
            return self._write(record, None)
        return self.get(record.key)

    def replace(self, record: PoisonRecord, *, etag: str) -> Stored[PoisonRecord]:
        """Replace a record. Raises StaleWrite if the record has changed since it was read."""
        return self._write(record, etag)

    def find(self, key: str) -> Stored[PoisonRecord] | None:
        """One record, or None."""
        row = self._tables.find(index.TABLE, PARTITION, key)
        return None if row is None else self._read(row)

    def get(self, key: str) -> Stored[PoisonRecord]:
        """One record. Raises NotFound."""
        found = self.find(key)
        if found is None:
            raise NotFound(f"there is no poisoned message {key}; GET /api/poison lists them")
        return found

    def page(self, *, after: str, limit: int) -> PoisonPage:
        """The `limit` newest records after the key `after`."""
        page = self._tables.scan(index.TABLE, PARTITION, first=behind(after), limit=limit)
        found = [self._try_to_read(row) for row in page]
        records = tuple(stored.value for stored in found if stored is not None)
        return PoisonPage(records=records, after=page[-1].key if len(page) == limit else None)

    def _write(self, record: PoisonRecord, etag: str | None) -> Stored[PoisonRecord]:
        # The text is hostile and long. It is not part of the encoded value, so that no escape makes it longer.
        # A row holds "" for a None of the record. Older releases write this too, and they must read our rows.
        stored = replace(record, text="", error=record.error or "", closed_by=record.closed_by or "")
        write = RECORDS.write(PARTITION, record.key, stored, etag=etag)
        cells = {**write.row.cells, "queue": record.queue, "text": record.text}
        whole = TableWrite(verb=write.verb, row=replace(write.row, cells=cells))
        (made,) = written([whole], self._tables.write(index.TABLE, [whole]))
        return Stored(value=record, etag=made)

    def _try_to_read(self, row: Row) -> Stored[PoisonRecord] | None:
        try:
            return self._read(row)
        except UnreadableRow:
            return None

    def _read(self, row: Row) -> Stored[PoisonRecord]:
        text = str(row.cells.get("text", ""))
        if "value" not in row.cells:
            return Stored(value=_of_older_release(row, text), etag=row.etag)
        stored = self._reader.one(index.TABLE, row, RECORDS)
        value = stored.value
        record = replace(value, text=text, error=value.error or None, closed_by=value.closed_by or None)
        return Stored(value=record, etag=stored.etag)


def _of_older_release(row: Row, text: str) -> PoisonRecord:
    """A row that was written with queue and text only. Its key is the time, oldest first."""
    return PoisonRecord(
        key=row.key,
        queue=str(row.cells.get("queue", "")),
        text=text,
        at=_time_of(row.key),
        size=len(text.encode("utf-8", "replace")),
        is_whole=False,
        announce=False,
    )


def _time_of(key: str) -> datetime:
    try:
        return datetime.strptime(key.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return _EPOCH
