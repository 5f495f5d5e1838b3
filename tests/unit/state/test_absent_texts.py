"""A text that is absent: None in the domain, and an empty text in a row, as in the rows of older releases."""

import json
from datetime import UTC, datetime

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.journal import Entry, Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.state import images, index
from pipeline_core.state.images import ImageStore
from pipeline_core.state.poison import PARTITION, PoisonStore

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
IMAGE = ImageName("rhel9-base")


def test_an_entry_without_version_and_campaign_is_read_as_it_was_added() -> None:
    tables = MemoryTables()
    entry = Entry(key="k1", image=IMAGE, at=NOW, event=Event.REGISTERED, actor="Sam")
    ImageStore(tables).commit([images.add_entry(entry)])
    stored = _value(tables, images.TABLE, str(IMAGE), "entry:ke")
    assert (stored["version"], stored["campaign"]) == ("", "")
    assert ImageStore(tables).list_journal(IMAGE, limit=5) == [entry]
    assert entry.version is None


def test_an_open_record_without_error_is_read_as_it_was_added() -> None:
    tables = MemoryTables()
    record = PoisonRecord(key="k1", queue="build-steps", text="{}", at=NOW, size=2, is_whole=True)
    PoisonStore(tables).add(record)
    stored = _value(tables, index.TABLE, PARTITION, "k1")
    assert (stored["error"], stored["closed_by"]) == ("", "")
    assert PoisonStore(tables).get("k1").value == record
    assert (record.error, record.closed_by) == (None, None)


def _value(tables: MemoryTables, table: str, partition: str, key: str) -> dict[str, object]:
    row = tables.find(table, partition, key)
    assert row is not None
    found = json.loads(str(row.cells["value"]))
    assert isinstance(found, dict)
    return found
