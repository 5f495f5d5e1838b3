"""History, newest first, whatever its length and whichever release wrote it: pages that lose and repeat nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import build_id
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import history, images
from pipeline_core.state.history import HistoryStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Codec
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW

MANY = 2_500


def _entry(number: int) -> Entry:
    at = NOW + timedelta(seconds=number)
    return Entry(key=entry_key(at, f"{number:016x}"), image=BASE, at=at, event=Event.QUEUED, actor="factory")


def _old_row(entry: Entry) -> TableWrite:
    """As releases before the history wrote it."""
    stored = replace(entry, version="", campaign="")
    return Codec(Entry).write(str(BASE), f"journal:{entry.key}", stored, etag=None)


def _write(tables: MemoryTables, *writes: TableWrite) -> None:
    for write in writes:
        tables.write(images.TABLE, [write])


def _pages(store: HistoryStore, limit: int) -> list[list[str]]:
    pages, after = [], ""
    while True:
        page = store.journal(BASE, after=after, limit=limit)
        pages.append([entry.key for entry in page.entries])
        if page.after is None:
            return pages
        assert page.after != after
        after = page.after


def _keys(numbers: range) -> list[str]:
    return [_entry(number).key for number in reversed(numbers)]


def test_the_newest_lines_come_first_and_no_list_ends_at_1000() -> None:
    tables = MemoryTables()
    _write(tables, *(history.add_entry(_entry(number)) for number in range(MANY)))
    store = HistoryStore(tables)
    pages = _pages(store, 200)
    assert pages[0][0] == _entry(MANY - 1).key
    assert [key for page in pages for key in page] == _keys(range(MANY))
    before = tables.operations
    store.journal(BASE, after=pages[0][-1], limit=200)
    assert tables.operations - before == 2


def test_lines_of_older_releases_are_read_after_the_newer_ones() -> None:
    tables = MemoryTables()
    _write(tables, *(_old_row(_entry(number)) for number in range(MANY)))
    store = HistoryStore(tables)
    assert [key for page in _pages(store, 200) for key in page] == _keys(range(MANY))
    _write(tables, *(history.add_entry(_entry(number)) for number in range(MANY, MANY + 70)))
    assert [key for page in _pages(store, 60) for key in page] == _keys(range(MANY + 70))


def test_lines_of_a_release_that_was_rolled_back_are_between_the_others() -> None:
    tables = MemoryTables()
    for number in range(300):
        is_old = number < 100 or 150 <= number < 220
        _write(tables, _old_row(_entry(number)) if is_old else history.add_entry(_entry(number)))
    _write(tables, _old_row(_entry(240)))  # both releases recorded the same standing state
    assert [key for page in _pages(HistoryStore(tables), 37) for key in page] == _keys(range(300))


@settings(deadline=None, max_examples=60)
@given(old=some.lists(some.booleans(), max_size=60), limit=some.integers(1, 20))
def test_any_mixture_is_read_once_and_in_order(old: list[bool], limit: int) -> None:
    tables = MemoryTables()
    for number, is_old in enumerate(old):
        _write(tables, _old_row(_entry(number)) if is_old else history.add_entry(_entry(number)))
    assert [key for page in _pages(HistoryStore(tables), limit) for key in page] == _keys(range(len(old)))


@pytest.mark.parametrize("unreadable", [range(50), range(10, 30), range(49, 50), range(0)])
def test_lines_that_cannot_be_read_are_passed_over_to_the_end(unreadable: range) -> None:
    tables = MemoryTables()
    for number in range(50):
        write = history.add_entry(_entry(number))
        cells = {**write.row.cells, "schema": 9} if number in unreadable else write.row.cells
        _write(tables, replace(write, row=replace(write.row, cells=cells)))
    expected = [_entry(number).key for number in reversed(range(50)) if number not in unreadable]
    assert [key for page in _pages(HistoryStore(tables), 7) for key in page] == expected


@pytest.mark.parametrize("is_old", [True, False])
def test_an_entry_is_found_by_its_key(is_old: bool) -> None:
    tables, entry = MemoryTables(), _entry(7)
    _write(tables, _old_row(entry) if is_old else history.add_entry(entry))
    assert HistoryStore(tables).find_entry(BASE, entry.key) == entry
    assert HistoryStore(tables).find_entry(BASE, _entry(8).key) is None
    assert ImageStore(tables).list_journal(BASE, first=entry.key, limit=1) == [entry]


def _ended(number: int, result: Result = Result.SUCCEEDED) -> Build:
    print_ = type(make.build().fingerprint)(f"{number * 7919 % 100_003:012x}".ljust(64, "0"))
    running = make.build(
        Phase.PUBLISHING,
        id=build_id(BASE, print_, 1),
        fingerprint=print_,
        created_at=NOW + timedelta(minutes=number),
        version=GalleryVersion(9, 20261121, number + 1),
    )
    return builds.finish(running, result, NOW + timedelta(minutes=number + 1))


def _store_build(tables: MemoryTables, build: Build, *, copied: bool) -> None:
    writes = [images.put_build(build, etag=None)]
    if copied:
        writes += [images.add_past(build), images.add_version(build)]
    tables.write(images.TABLE, writes)


def _build_pages(store: HistoryStore, limit: int) -> list[str]:
    found, after = [], ""
    while True:
        page = store.builds(BASE, after=after, limit=limit)
        assert len(page.builds) <= limit
        found += [str(build.id) for build in page.builds]
        if page.after is None:
            return found
        after = page.after


def test_the_50_newest_of_1500_builds_are_the_first_page() -> None:
    tables = MemoryTables()
    made = [_ended(number) for number in range(1_500)]
    for build in made:
        _store_build(tables, build, copied=True)
    store = HistoryStore(tables)
    before = tables.operations
    first = store.builds(BASE, limit=50)
    assert tables.operations - before == 1
    assert [build.id for build in first.builds] == [build.id for build in reversed(made[-50:])]
    assert not any(build.announce for build in first.builds)
    assert _build_pages(store, 200) == [str(build.id) for build in reversed(made)]


def test_builds_of_older_releases_come_after_those_with_a_copy() -> None:
    tables = MemoryTables()
    old, new = [_ended(number) for number in range(120)], [_ended(number) for number in range(200, 230)]
    for build in old:
        _store_build(tables, build, copied=False)
    for build in new:
        _store_build(tables, build, copied=True)
    tables.write(images.TABLE, [images.put_build(make.build(Phase.BUILDING), etag=None)])  # it has not ended
    expected = [str(build.id) for build in (*reversed(new), *reversed(old))]
    for limit in (1, 7, 29, 30, 31, 200):
        assert _build_pages(HistoryStore(tables), limit) == expected, limit


def test_every_version_of_1500_finds_its_build_by_its_number() -> None:
    """M8: the ratchet found 105 of 150 parents among the first 1,000 rows, and passed the others."""
    tables = MemoryTables()
    made = [_ended(number) for number in range(1_500)]
    for build in made:
        _store_build(tables, build, copied=True)
    store = ImageStore(tables)
    before = tables.operations
    for build in made[::10]:
        assert build.version is not None
        found = store.find_build_of(BASE, build.version)
        assert found is not None
        assert found.value.id == build.id
    assert tables.operations - before == 2 * 150
    assert store.find_build_of(BASE, GalleryVersion(1, 1, 1)) is None


def test_a_version_of_an_older_release_is_found_however_many_builds_there_are() -> None:
    tables = MemoryTables()
    made = [_ended(number) for number in range(1_200)]
    for build in made:
        _store_build(tables, build, copied=False)
    for build in made[::100]:
        assert build.version is not None
        found = ImageStore(tables).find_build_of(BASE, build.version)
        assert found is not None
        assert found.value.id == build.id


def test_a_version_that_only_a_failed_build_had_belongs_to_none() -> None:
    tables = MemoryTables()
    failed = _ended(3, Result.FAILED)
    _store_build(tables, failed, copied=False)
    assert failed.version is not None
    assert ImageStore(tables).find_build_of(BASE, failed.version) is None


def test_a_row_that_names_a_build_which_is_gone_finds_nothing() -> None:
    tables = MemoryTables()
    row = Row(partition=str(BASE), key="made:9.1.1", cells={"build": str(make.build().id)})
    tables.write(images.TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
    assert ImageStore(tables).find_build_of(BASE, GalleryVersion(9, 1, 1)) is None
