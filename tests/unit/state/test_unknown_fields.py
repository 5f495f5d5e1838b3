"""A release that is rolled back, or runs beside a newer one, keeps what it does not know; older schemas are raised."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.receivers import FleetReceiver
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import images
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.notifications.feeds import RECEIVERS, FeedStore
from pipeline_core.state.outages.breakers import HARMED, BreakerStore, HarmedBuild
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.reading.etags import Etag
from pipeline_core.state.records import SCHEMA, Codec
from tests.unit.compat import samples
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NOW

BUILD = make.build(Phase.PUBLISHING)


def _with(row: Row, **fields: Any) -> Row:
    """The row as a newer release wrote it: fields that this one does not know, and a cell of its own."""
    said = json.loads(str(row.cells["value"])) | fields
    return replace(row, cells={**row.cells, "value": json.dumps(said), "extra": "kept"})


def _said(tables: MemoryTables, table: str, partition: str, key: str) -> dict[str, Any]:
    row = tables.find(table, partition, key)
    assert row is not None
    assert row.cells["extra"] == "kept"
    said: dict[str, Any] = json.loads(str(row.cells["value"]))
    return said


def _put(tables: MemoryTables, table: str, row: Row) -> None:
    tables.write(table, [TableWrite(verb=WriteKind.INSERT, row=replace(row, etag=""))])


def test_a_build_keeps_the_fields_of_a_newer_release_through_several_writes() -> None:
    tables = MemoryTables()
    store, key = ImageStore(tables), f"build:{BUILD.id}"
    _put(
        tables,
        images.TABLE,
        _with(images.put_build(BUILD, etag=None).row, held_until="2027-01-01", grades={"a": 1}),
    )
    read = store.find_build(BUILD.id)
    assert read is not None
    moved = replace(BUILD, build_attempt=2)
    etags = store.commit([images.put_build(moved, etag=read.etag)])
    ended = builds.finish(moved, Result.SUCCEEDED, NOW)
    store.commit([images.put_build(ended, etag=etags[0])])  # on the ETag that the first write gave
    said = _said(tables, images.TABLE, str(BUILD.image), key)
    assert (said["held_until"], said["grades"]) == ("2027-01-01", {"a": 1})
    assert (said["result"], said["build_attempt"]) == ("succeeded", 2)
    again = store.find_build(BUILD.id)
    assert again is not None
    assert again.value == ended


def test_a_part_keeps_them_while_it_stays_and_loses_them_with_it() -> None:
    head = samples.heads()[1]
    row = Codec(ImageHead).row("p", "head", head)
    said = json.loads(str(row.cells["value"]))
    said["current"]["pinned"] = True
    said["registration"]["shape"] = "round"
    said["poison"][0]["depth"] = 3
    newer = replace(row, cells={**row.cells, "value": json.dumps(said)})
    codec = Codec(ImageHead)
    stored = codec.read(newer)
    assert stored.value == head
    kept = json.loads(str(codec.row("p", "head", replace(head, failures=3), etag=stored.etag).cells["value"]))
    assert (kept["current"]["pinned"], kept["registration"]["shape"], kept["poison"][0]["depth"]) == (
        True,
        "round",
        3,
    )
    assert kept["failures"] == 3
    assert head.current is not None
    other = replace(head, current=replace(head.current, published_at=NOW + timedelta(days=1)), poison=())
    new = json.loads(str(codec.row("p", "head", other, etag=stored.etag).cells["value"]))
    assert "pinned" not in new["current"]
    assert new["registration"]["shape"] == "round"


@pytest.mark.parametrize("value", tuple(samples.everything()), ids=lambda value: type(value).__name__)
def test_every_record_keeps_a_field_of_a_newer_release(value: Any) -> None:
    writer, reader = Codec(type(value)), Codec(type(value))
    stored = reader.read(_with(writer.row("p", "k", value, etag="e"), from_a_newer_release=[1, {"a": 2}]))
    assert stored.value == value
    row = reader.row("p", "k", value, etag=stored.etag)
    assert json.loads(str(row.cells["value"]))["from_a_newer_release"] == [1, {"a": 2}]
    assert row.cells["extra"] == "kept"
    assert Codec(type(value)).read(row).value == value


def test_a_row_that_this_release_wrote_is_written_again_as_it_is() -> None:
    codec = Codec(Build)
    row = codec.row("p", "k", BUILD, etag="e")
    stored = codec.read(row)
    assert codec.row("p", "k", BUILD, etag=stored.etag).cells == row.cells


def test_an_insert_and_a_write_on_a_bare_etag_have_nothing_to_keep() -> None:
    codec = Codec(Build)
    row = _with(codec.row("p", "k", BUILD, etag="e"), more=1)
    assert isinstance(codec.read(row).etag, Etag)
    assert "more" not in json.loads(str(codec.row("p", "k", BUILD).cells["value"]))


def test_the_fleets_copy_keeps_what_was_copied_by_a_newer_release() -> None:
    tables, head = MemoryTables(), make.head()
    row = Codec(ImageHead).row("fleet", str(BASE), head)
    _put(tables, "index", _with(row, hold={"since": "2027"}))
    assert Index(tables).project(BASE, replace(head, height=3))
    assert _said(tables, "index", "fleet", str(BASE))["hold"] == {"since": "2027"}


def test_an_unreadable_copy_is_written_anew() -> None:
    tables, head = MemoryTables(), make.head()
    row = Codec(ImageHead).row("fleet", str(BASE), head)
    _put(tables, "index", replace(row, cells={"schema": 7, "value": "{}"}))
    assert Index(tables).project(BASE, head)
    assert [one.name for one in Index(tables).heads()] == [BASE]


def test_a_poison_record_keeps_it_too() -> None:
    tables = MemoryTables()
    store, record = PoisonStore(tables), samples.poison()[0]
    store.add(record)
    (row,) = (each for each in tables.rows("index") if each.partition == "poison")
    tables.write(
        "index", [TableWrite(verb=WriteKind.REPLACE, row=replace(_with(row, why="because"), etag=row.etag))]
    )
    stored = store.get(record.key)
    again = store.replace(replace(stored.value, announce=False), etag=stored.etag)
    store.replace(replace(again.value, closed_by="Me"), etag=again.etag)
    assert _said(tables, "index", "poison", record.key)["why"] == "because"
    assert store.get(record.key).value.text == record.text


def test_counters_of_slots_keep_the_cells_of_a_newer_release() -> None:
    tables = MemoryTables()
    store = CapacityStore(tables, slots=4, creates_per_hour=100, team_slots=4)
    pending = samples.pendings()[0]
    store.take(0, pending, store.read(NOW))
    for row in tables.rows("capacity"):
        tables.write(
            "capacity",
            [
                TableWrite(
                    verb=WriteKind.REPLACE, row=replace(row, cells={**row.cells, "cores": 8}, etag=row.etag)
                )
            ],
        )
    store.buy_creation(pending.build, "verify-1", NOW)
    other = replace(pending, build=type(pending.build)(f"{CHILD}.{'ab' * 6}.1"))
    store.take(1, other, store.read(NOW))
    cells = {row.key: row.cells for row in tables.rows("capacity")}
    for key in ("spent", f"team:{pending.team}", f"build:{pending.build}"):
        assert cells[key]["cores"] == 8, key


def _to_2(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The made-up schema 1 called the outcome `end`."""
    return {name: value for name, value in said.items() if name != "end"} | {"outcome": said["end"]}


def _to_3(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The made-up schema 2 counted from 0."""
    return {**said, "generation": said["generation"] + 1}


def test_an_older_schema_is_raised_step_by_step_and_keeps_unknown_fields() -> None:
    claim = make.claim_on(BUILD.inputs, Outcome.FAILED, generation=3, detail="d")
    today = Codec(Claim, upcasters=(_to_2, _to_3))
    assert today.schema == SCHEMA + 2
    said = json.loads(str(today.row("p", "k", claim).cells["value"]))
    of_1 = {name: value for name, value in said.items() if name != "outcome"}
    of_1 |= {"end": "failed", "generation": 2, "extra": [1]}
    old = Row(partition="p", key="k", cells={"schema": 1, "value": json.dumps(of_1)}, etag="e")
    stored = today.read(old)
    assert stored.value == claim
    row = today.row("p", "k", replace(claim, detail="new"), etag=stored.etag)
    assert row.cells["schema"] == 3
    written = json.loads(str(row.cells["value"]))
    assert (written["outcome"], written["extra"], written["detail"]) == ("failed", [1], "new")
    assert "end" not in written
    of_2 = dict(said) | {"generation": 2}
    middle = Row(partition="p", key="k", cells={"schema": 2, "value": json.dumps(of_2)})
    assert today.read(middle).value == claim


def test_a_row_that_no_upcaster_understands_is_unreadable() -> None:
    today = Codec(Claim, upcasters=(_to_2,))
    for text in ("{}", "[]", "7", "no json"):
        with pytest.raises(UnreadableRow, match="cannot be raised from schema 1"):
            today.read(Row(partition="p", key="k", cells={"schema": 1, "value": text}))


@pytest.mark.parametrize("schema", [0, -1, True, "1", None])
def test_a_schema_that_never_was_is_unreadable(schema: Any) -> None:
    with pytest.raises(UnreadableRow, match="p/k"):
        Codec(Claim).read(Row(partition="p", key="k", cells={"schema": schema, "value": "{}"}))


def test_what_an_outage_harmed_and_a_receiver_of_secops_keep_the_fields_of_a_newer_release() -> None:
    tables = MemoryTables()
    breakers, feeds = BreakerStore(tables), FeedStore(tables)
    harmed = HarmedBuild(image=BASE, build=BUILD.id)
    receiver = FleetReceiver(url="https://hooks.example.com/a", bases=True)
    _put(tables, "capacity", _with(HARMED.row("harmed:key", str(BASE), harmed), since="2027-01-01"))
    _put(tables, "index", _with(RECEIVERS.row("fleet-receivers", str(receiver.id), receiver), paused=True))
    breakers.note_harmed("key", harmed)
    known = feeds.find_fleet_receiver(receiver.id)
    assert known is not None
    feeds.put_fleet_receiver(replace(receiver, bases=False), etag=known.etag)
    assert _said(tables, "capacity", "harmed:key", str(BASE))["since"] == "2027-01-01"
    assert _said(tables, "index", "fleet-receivers", str(receiver.id))["paused"] is True


def test_what_a_newer_schema_wrote_of_an_outage_is_never_rewritten_and_hides_nothing() -> None:
    tables = MemoryTables()
    store, index = BreakerStore(tables), Index(tables)
    other = HarmedBuild(image=CHILD, build=BUILD.id)
    newer = HARMED.row("harmed:key", str(BASE), HarmedBuild(image=BASE, build=BUILD.id))
    _put(tables, "capacity", replace(newer, cells={**newer.cells, "schema": 2}))
    store.note_harmed("key", HarmedBuild(image=BASE, build=BUILD.id))
    store.note_harmed("key", other)
    assert [each.value for each in store.harmed("key", page=1)] == [other]
    row = tables.find("capacity", "harmed:key", str(BASE))
    assert row is not None
    assert row.cells["schema"] == 2
    first, second, _ = samples.pendings()
    for pending in (first, second):
        index.add_pending(pending)
    for kept in index.pending(limit=10):
        index.hold("key", kept)
    hidden = index.held("key", limit=1)[0].value.key
    row = tables.find("index", "held:key", hidden)
    assert row is not None
    write = TableWrite(verb=WriteKind.REPLACE, row=replace(row, cells={**row.cells, "schema": 2}))
    tables.write("index", [write])
    assert len(index.held("key", limit=1)) == 1
