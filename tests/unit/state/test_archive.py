"""Old history in blobs: pages, cursors and look-ups go on as if nothing had moved, whatever a crash leaves behind."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import PermanentError, StaleWrite
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import BuildId, build_id
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import history, images
from pipeline_core.state.archive.chunks import Chunks
from pipeline_core.state.archive.moves import BUILDS_OF_CHUNK, LINES, ArchiveStore
from pipeline_core.state.history import HistoryStore
from pipeline_core.state.images import ImageStore
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NOW

KEPT = 30
LATER = NOW + timedelta(days=400)


class Shelf:
    """The stores over one set of twins."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.blobs = MemoryBlobs(ManualClock())
        chunks = Chunks(self.blobs)
        self.history = HistoryStore(self.tables, archive=chunks)
        self.images = ImageStore(self.tables, archive=chunks)
        self.archive = ArchiveStore(self.tables, chunks)

    def write(self, *writes: TableWrite) -> None:
        for write in writes:
            self.tables.write(images.TABLE, [write])

    def lines(self, limit: int) -> list[str]:
        found, after = [], ""
        while True:
            page = self.history.journal(BASE, after=after, limit=limit)
            assert len(page.entries) <= limit
            found += [entry.key for entry in page.entries]
            if page.after is None:
                return found
            assert page.after != after
            after = page.after

    def builds(self, limit: int) -> list[str]:
        found, after = [], ""
        while True:
            page = self.history.builds(BASE, after=after, limit=limit)
            assert len(page.builds) <= limit
            found += [str(build.id) for build in page.builds]
            if page.after is None:
                return found
            after = page.after

    def move_lines(self, *, before: datetime = LATER, most: int = 100) -> int:
        found = self.archive.old_lines(BASE, before=before, kept=KEPT, most=most)
        for chunk in found:
            self.archive.move_lines(BASE, chunk)
        return len(found)

    def move_builds(self, unneeded: list[BuildId] | None = None) -> int:
        found = self.archive.old_builds(BASE, before=LATER, kept=KEPT, most=100)
        for chunk in found:
            ids = [self.archive.build_of(row).id for row in chunk]
            self.archive.move_builds(
                BASE, chunk, [each for each in ids if unneeded is None or each in unneeded]
            )
        return len(found)

    def rows(self, prefix: str) -> list[Row]:
        return [row for row in self.tables.rows(images.TABLE) if row.key.startswith(prefix)]


def _entry(number: int) -> Entry:
    at = NOW + timedelta(hours=number)
    return Entry(key=entry_key(at, f"{number:016x}"), image=BASE, at=at, event=Event.QUEUED, actor="factory")


def _ended(number: int, result: Result = Result.FAILED) -> Build:
    print_ = type(make.build().fingerprint)(f"{number * 7919 % 100_003:012x}".ljust(64, "0"))
    at = NOW + timedelta(hours=number)
    running = make.build(Phase.PUBLISHING, id=build_id(BASE, print_, 1), fingerprint=print_, created_at=at)
    return builds.finish(running, result, at)


def _with_lines(count: int) -> Shelf:
    made = Shelf()
    made.write(*(history.add_entry(_entry(number)) for number in range(count)))
    return made


def _with_builds(count: int, *, copied: int | None = None) -> Shelf:
    made = Shelf()
    for number in range(count):
        build = _ended(number)
        writes = [images.put_build(build, etag=None)]
        if copied is None or number < copied:
            writes.append(images.add_past(build))
        made.tables.write(images.TABLE, writes)
    return made


@pytest.mark.parametrize("limit", [1, 7, 97, 98, 99, 200])
def test_pages_of_the_journal_go_on_in_the_blobs_with_the_same_cursors(limit: int) -> None:
    made = _with_lines(KEPT + 2 * LINES + 5)
    before = made.lines(limit)
    assert made.move_lines() == 2
    assert len(made.rows("entry:")) == KEPT + 5 + 2
    assert made.lines(limit) == before


@pytest.mark.parametrize("limit", [1, 48, 49, 50, 200])
def test_pages_of_builds_go_on_in_the_blobs(limit: int) -> None:
    made = _with_builds(KEPT + 2 * BUILDS_OF_CHUNK + 5)
    before = made.builds(limit)
    assert made.move_builds() == 2
    assert len(made.rows("past:")) == KEPT + 5 + 2
    assert len(made.rows("build:")) == KEPT + 5
    assert made.builds(limit) == before


def test_what_was_moved_is_found_by_its_key_and_its_id() -> None:
    made = _with_lines(KEPT + LINES)
    made.move_lines()
    for number in range(0, KEPT + LINES, 13):
        assert made.images.find_entry(BASE, _entry(number).key) == _entry(number)
    assert made.images.find_entry(BASE, entry_key(NOW + timedelta(minutes=30), "f")) is None
    made = _with_builds(KEPT + BUILDS_OF_CHUNK)
    made.move_builds()
    for number in range(0, KEPT + BUILDS_OF_CHUNK, 13):
        found = made.images.find_build(_ended(number).id)
        assert found is not None
        assert found.value == _ended(number)
    assert made.images.find_build(make.build().id) is None


def test_a_build_that_is_still_needed_keeps_its_own_row_and_is_listed_once() -> None:
    made = _with_builds(KEPT + BUILDS_OF_CHUNK)
    before = made.builds(20)
    made.move_builds(unneeded=[_ended(3).id])
    assert len(made.rows("build:")) == KEPT + BUILDS_OF_CHUNK - 1
    assert made.builds(20) == before


def test_builds_without_a_copy_still_come_last() -> None:
    made = _with_builds(KEPT + BUILDS_OF_CHUNK + 9, copied=KEPT + BUILDS_OF_CHUNK)
    before = made.builds(20)
    assert made.move_builds() == 1
    assert made.builds(20) == before


def test_nothing_young_moves_and_nothing_of_the_newest() -> None:
    made = _with_lines(KEPT + 3 * LINES)
    assert made.move_lines(before=NOW + timedelta(hours=LINES - 2)) == 0
    assert made.move_lines(before=NOW + timedelta(hours=LINES)) == 1
    made = _with_lines(KEPT + LINES - 1)
    assert made.move_lines() == 0


def test_a_crash_between_the_blob_and_the_transaction_moves_the_same_lines_again() -> None:
    made = _with_lines(KEPT + LINES)
    before = made.lines(20)
    (chunk,) = made.archive.old_lines(BASE, before=LATER, kept=KEPT, most=9)
    name = Chunks(made.blobs).store(BASE, "journal", chunk)
    assert made.lines(20) == before
    assert made.move_lines() == 1
    assert [facts.name for facts in made.blobs.list("definitions", "history/")] == [name]
    assert name.startswith(f"history/{BASE}/journal/2026-11/")
    assert made.lines(20) == before
    assert made.move_lines() == 0


def test_a_slice_that_was_overtaken_removes_nothing() -> None:
    made = _with_lines(KEPT + LINES)
    before = made.lines(20)
    (chunk,) = made.archive.old_lines(BASE, before=LATER, kept=KEPT, most=9)
    made.move_lines()
    with pytest.raises(StaleWrite):
        made.archive.move_lines(BASE, chunk)
    assert made.lines(20) == before


def test_no_row_goes_where_the_blob_does_not_hold_it() -> None:
    made = _with_lines(KEPT + LINES)
    (chunk,) = made.archive.old_lines(BASE, before=LATER, kept=KEPT, most=9)
    name = Chunks(made.blobs).store(BASE, "journal", chunk)
    made.blobs.append("definitions", name, b"more")
    with pytest.raises(PermanentError, match="another content"):
        made.archive.move_lines(BASE, chunk)
    assert len(made.rows("entry:")) == KEPT + LINES


def test_a_row_that_cannot_be_read_stays_as_it_is_and_so_does_all_that_is_older() -> None:
    made = _with_lines(KEPT + 2 * LINES)
    row = made.rows("entry:")[KEPT + LINES]
    newer = replace(row, cells={**row.cells, "schema": 2})
    made.tables.write(images.TABLE, [TableWrite(verb=WriteKind.REPLACE, row=newer)])
    before = made.lines(20)
    assert made.move_lines() == 1
    assert made.lines(20) == before
    found = made.tables.find(images.TABLE, str(BASE), row.key)
    assert found is not None
    assert found.cells == newer.cells


def test_fields_of_a_newer_release_come_back_from_the_blob() -> None:
    made = _with_lines(KEPT + LINES)
    row = made.rows("entry:")[-3]
    newer = replace(row, cells={**row.cells, "extra": "kept"})
    made.tables.write(images.TABLE, [TableWrite(verb=WriteKind.REPLACE, row=newer)])
    made.move_lines()
    (name,) = Chunks(made.blobs).names(BASE)
    assert [each.cells.get("extra") for each in Chunks(made.blobs).read(BASE, name)][-3] == "kept"


def test_an_older_release_reads_what_is_left_without_an_error() -> None:
    made = _with_lines(KEPT + LINES)
    whole = made.lines(200)
    made.move_lines()
    older = HistoryStore(made.tables).journal(BASE, limit=200)
    assert [entry.key for entry in older.entries] == [*whole[:KEPT], whole[-1]]


def test_after_lost_tables_the_blobs_are_named_again() -> None:
    made = _with_lines(KEPT + 2 * LINES)
    whole = made.lines(50)
    made.move_lines()
    lost = Shelf()
    lost.blobs = made.blobs
    chunks = Chunks(made.blobs)
    lost.archive, lost.history = ArchiveStore(lost.tables, chunks), HistoryStore(lost.tables, archive=chunks)
    assert lost.archive.recover(BASE) == 2
    assert lost.archive.recover(BASE) == 0
    assert lost.archive.recover(CHILD) == 0
    assert lost.lines(50) == whole[KEPT:]


def test_what_a_move_costs() -> None:
    made = _with_lines(50)
    before = made.tables.operations
    assert made.move_lines() == 0
    assert made.tables.operations == before + 1
    made = _with_lines(KEPT + LINES)
    before = made.tables.operations
    assert made.move_lines() == 1
    assert made.tables.operations <= before + 4  # three reads and the transaction
    made = _with_builds(KEPT + BUILDS_OF_CHUNK)
    before = made.tables.operations
    assert made.move_builds() == 1
    assert made.tables.operations <= before + 4 + BUILDS_OF_CHUNK
