"""The contract of Tables: conditional writes, transactions, ranges, limits."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from pipeline_core.adapters import limits
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.adapters.system import SystemChance
from pipeline_core.domain.errors import AlreadyExists, PermanentError, StaleWrite, TablesLost
from pipeline_core.ports import ANY_ETAG, Tables, TableWrite, WriteKind
from tests.contract.table_store import Store, delete, insert, replace
from tests.fixtures.azurite import AzuriteForTests


@pytest.fixture(params=["memory", "azure"])
def store(request: pytest.FixtureRequest, unique_name: Callable[[str], str]) -> Iterator[Store]:
    name = unique_name("t").replace("-", "")
    if request.param == "memory":
        yield Store(tables=MemoryTables(), name=name)
        return
    azurite = request.getfixturevalue("azurite")
    with TableServiceClient(azurite.table, **azurite.client_options()) as service:
        service.create_table(name)
        yield Store(tables=AzureTables(service, SystemChance()), name=name)
        service.delete_table(name)


@pytest.mark.parametrize("kind", ["memory", "azure"])
def test_a_missing_table_is_not_a_missing_row(
    unique_name: Callable[[str], str], kind: str, request: pytest.FixtureRequest
) -> None:
    """Nothing is known of its rows: the tables of the factory are lost, and a person recovers them."""
    name = unique_name("t").replace("-", "")
    tables: Tables = MemoryTables()
    if kind == "memory":
        assert isinstance(tables, MemoryTables)
        tables.lost.add(name)
        _demand_lost(tables, name)
        return
    azurite = request.getfixturevalue("azurite")
    with TableServiceClient(azurite.table, **azurite.client_options()) as service:
        _demand_lost(AzureTables(service, SystemChance()), name)


def _demand_lost(tables: Tables, name: str) -> None:
    for ask in (
        lambda: tables.find(name, "p", "a"),
        lambda: tables.scan(name, "p"),
        lambda: tables.write(name, [insert("a")]),
        lambda: tables.write(name, [insert("a"), insert("b")]),
        lambda: tables.write(name, [delete("a", 'W/"1"')]),
    ):
        with pytest.raises(TablesLost, match="imagefactory state recover --force"):
            ask()


def test_a_row_that_is_not_there_is_none(store: Store) -> None:
    assert store.find("absent") is None
    assert store.find("absent", partition="nowhere") is None


CELLS: dict[str, Any] = {
    "text": "häß\n'quoted' \U0001f600",
    "empty": "",
    "looks_like_a_number": "007",
    "looks_like_a_time": "2026-11-21T09:00:00Z",
    "yes": True,
    "no": False,
    "zero": 0,
    "one": 1,
    "large": 2**63 - 1,
    "small": -(2**63),
    "beyond_32_bits": 2**31,
    "full": "x" * 32 * 1024,
}


def test_cells_come_back_as_they_were_written_and_nothing_else(store: Store) -> None:
    etags = store.write(insert("k", **CELLS))
    found = store.get("k")
    assert dict(found.cells) == CELLS
    assert {name: type(value) for name, value in found.cells.items()} == {
        name: type(value) for name, value in CELLS.items()
    }
    assert (found.partition, found.key, [found.etag]) == ("p", "k", etags)


def test_a_row_without_cells_is_a_row(store: Store) -> None:
    store.write(insert("k"))
    assert dict(store.get("k").cells) == {}


@pytest.mark.parametrize("key", ["o'brien", "a b", "50%", "claim:ab", "a.b+c=d&e", "ümlaut", "a'' or 1 eq 1"])
def test_unusual_keys_are_found_again(store: Store, key: str) -> None:
    store.write(insert(key, n=1))
    assert store.get(key).cells["n"] == 1
    assert store.keys(first=key, last=key + "~") == [key]


def test_an_insert_never_overwrites(store: Store) -> None:
    store.write(insert("k", n=1))
    with pytest.raises(AlreadyExists):
        store.write(insert("k", n=2))
    assert store.get("k").cells == {"n": 1}


def test_a_replacement_drops_cells_that_it_does_not_name(store: Store) -> None:
    (etag,) = store.write(insert("k", old=1, both=1))
    (newer,) = store.write(replace("k", etag, both=2))
    assert store.get("k").cells == {"both": 2}
    assert store.get("k").etag == newer != etag


def test_a_replacement_needs_the_etag_of_now(store: Store) -> None:
    (first,) = store.write(insert("k", n=1))
    store.write(replace("k", first, n=2))
    with pytest.raises(StaleWrite):
        store.write(replace("k", first, n=3))
    assert store.get("k").cells == {"n": 2}


def test_a_row_that_has_gone_cannot_be_replaced(store: Store) -> None:
    (etag,) = store.write(insert("k"))
    assert store.write(delete("k", etag)) == [""]
    assert store.find("k") is None
    with pytest.raises(StaleWrite):
        store.write(replace("k", etag, n=1))
    assert store.find("k") is None


def test_a_row_that_has_gone_cannot_be_deleted_again(store: Store) -> None:
    (etag,) = store.write(insert("k"))
    store.write(delete("k", etag))
    with pytest.raises(StaleWrite):
        store.write(delete("k", etag))


def test_a_deletion_needs_the_etag_of_now(store: Store) -> None:
    (etag,) = store.write(insert("k", n=1))
    store.write(replace("k", etag, n=2))
    with pytest.raises(StaleWrite):
        store.write(delete("k", etag))
    assert store.get("k").cells == {"n": 2}


def test_a_row_that_came_again_is_another_row(store: Store) -> None:
    (first,) = store.write(insert("k", n=1))
    store.write(delete("k", first))
    store.write(insert("k", n=1))
    with pytest.raises(StaleWrite):
        store.write(replace("k", first, n=2))


def test_a_transaction_gives_an_etag_for_each_write_in_order(store: Store) -> None:
    (old, gone) = store.write(insert("b", n=1), insert("c"))
    etags = store.write(insert("a", n=2), replace("b", old, n=3), delete("c", gone))
    assert etags == [store.get("a").etag, store.get("b").etag, ""]
    assert (store.get("a").cells, store.get("b").cells, store.find("c")) == ({"n": 2}, {"n": 3}, None)
    store.write(replace("a", etags[0], n=4), replace("b", etags[1], n=5))
    assert (store.get("a").cells, store.get("b").cells) == ({"n": 4}, {"n": 5})


def _stale_replacement(etag: str) -> TableWrite:
    return replace("old", etag, n=2)


def _stale_deletion(etag: str) -> TableWrite:
    return delete("old", etag)


@pytest.mark.parametrize("second", [_stale_replacement, _stale_deletion])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_stale_write_undoes_its_whole_transaction(
    store: Store, second: Callable[[str], TableWrite], is_first: bool
) -> None:
    (etag,) = store.write(insert("old", n=0))
    store.write(replace("old", etag, n=1))
    writes = [insert("new"), second(etag)]
    with pytest.raises(StaleWrite):
        store.write(*(reversed(writes) if is_first else writes))
    assert store.find("new") is None
    assert store.get("old").cells == {"n": 1}


def test_one_insert_that_meets_a_row_undoes_its_whole_transaction(store: Store) -> None:
    store.write(insert("there", n=1))
    with pytest.raises(AlreadyExists):
        store.write(insert("a"), insert("there", n=2), insert("z"))
    assert store.keys() == ["there"]
    assert store.get("there").cells == {"n": 1}


def test_a_hundred_writes_are_one_transaction(store: Store) -> None:
    store.write(*(insert(f"k{number:03}") for number in range(100)))
    assert len(store.keys()) == 100


def test_a_scan_is_sorted_bounded_and_stays_in_its_partition(store: Store) -> None:
    store.write(*(insert(key) for key in ("b:2", "a:1", "b:10", "b:1", "c:1", "B:1")))
    store.write(insert("b:9", partition="q"))
    assert store.keys() == ["B:1", "a:1", "b:1", "b:10", "b:2", "c:1"]
    assert store.keys(first="b:", last="b;") == ["b:1", "b:10", "b:2"]
    assert store.keys(first="b:1!") == ["b:10", "b:2", "c:1"]
    assert store.keys(last="b:1") == ["B:1", "a:1"]
    assert store.keys(first="b:1", limit=2) == ["b:1", "b:10"]
    assert store.keys(first="d") == []


def test_a_scan_gives_whole_rows(store: Store) -> None:
    (etag,) = store.write(insert("k", n=1, text="x"))
    (found,) = store.tables.scan(store.name, "p")
    assert (dict(found.cells), found.etag) == ({"n": 1, "text": "x"}, etag)


def test_a_scan_of_some_cells_gives_these_and_nothing_that_could_be_written_back(store: Store) -> None:
    store.write(insert("a", text="ä", number=7, flag=True), insert("b", text="b"), insert("c"))
    rows = store.tables.scan(store.name, "p", select=["number", "flag"])
    assert [(row.key, dict(row.cells), row.etag) for row in rows] == [
        ("a", {"number": 7, "flag": True}, ""),
        ("b", {}, ""),
        ("c", {}, ""),
    ]
    bounded = store.tables.scan(store.name, "p", first="a!", limit=1, select=["text"])
    assert [(row.key, dict(row.cells)) for row in bounded] == [("b", {"text": "b"})]
    with pytest.raises(PermanentError):
        store.write(TableWrite(verb=WriteKind.REPLACE, row=rows[0]))
    assert store.get("a").cells["text"] == "ä"


def test_a_scan_goes_on_beyond_one_page_of_the_service(store: Store) -> None:
    for hundred in range(11):
        store.write(*(insert(f"{hundred:02}-{number:02}") for number in range(100)))
    assert len(store.keys(limit=5000)) == 1100
    assert len(store.keys(limit=1050)) == 1050
    assert len(store.keys()) == 1000


SIXTY_KIB = {"a": "x" * 30 * 1024, "b": "y" * 30 * 1024}
ACCENTS = {f"c{number}": "\u00e9" * 30 * 1024 for number in range(3)}  # 180 KiB of UTF-16, 540 KiB of JSON
REFUSED: Mapping[str, list[TableWrite]] = {
    "nothing": [],
    "101 writes": [insert(f"k{number}") for number in range(101)],
    "two partitions": [insert("a"), insert("a", partition="q")],
    "one row twice": [insert("a"), replace("a", 'W/"1"')],
    "a slash": [insert("a/b")],
    "a backslash": [insert("a\\b")],
    "a hash": [insert("a#b")],
    "a question mark": [insert("a?b")],
    "a line end": [insert("a\nb")],
    "a control character": [insert("a\x85b")],
    "a slash in the partition": [insert("a", partition="p/q")],
    "no key": [insert("")],
    "a key of 513 characters": [insert("k" * 513)],
    "a cell above 32 Ki": [insert("a", text="x" * (32 * 1024 + 1))],
    "a cell above 32 Ki in UTF-16": [insert("a", text="\U0001f600" * (16 * 1024 + 1))],
    "an integer above 64 bits": [insert("a", n=2**63)],
    "an integer below 64 bits": [insert("a", n=-(2**63) - 1)],
    "a row above 1 MiB": [insert("a", **{f"c{n}": "x" * 32 * 1024 for n in range(17)})],
    "90 rows of 60 KiB": [insert(f"k{number}", **SIXTY_KIB) for number in range(90)],
    "8 rows that JSON makes longer than 4 MiB": [insert(f"k{number}", **ACCENTS) for number in range(8)],
    "the nonce's cell": [insert("a", _nonce="mine")],
    "a system cell": [insert("a", RowKey="b")],
    "a replacement without an ETag": [replace("a", "")],
    "a deletion without an ETag": [delete("a", "")],
}


@pytest.mark.parametrize("writes", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_service_would_refuse_is_refused_with_nothing_written(
    store: Store, writes: list[TableWrite]
) -> None:
    with pytest.raises(PermanentError):
        store.write(*writes)
    assert store.keys() == []


def test_a_transaction_that_is_too_large_names_its_table_and_its_size(store: Store) -> None:
    with pytest.raises(
        PermanentError, match=rf"90 writes to {store.name} in p have \d+ bytes, at most 4194304"
    ):
        store.write(*(insert(f"k{number}", **SIXTY_KIB) for number in range(90)))


def test_a_transaction_just_below_four_mebibytes_is_written(store: Store) -> None:
    store.write(*(insert(f"k{number}", **SIXTY_KIB) for number in range(67)))
    assert len(store.keys()) == 67


def test_the_service_itself_refuses_more_than_four_mebibytes(
    azurite: AzuriteForTests, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the check spares: Azurite's answer is Azure's. Without it the class would be the team's."""
    monkeypatch.setattr(limits, "TRANSACTION_BYTES", 2**40)
    name = unique_name("t").replace("-", "")
    with TableServiceClient(azurite.table, **azurite.client_options()) as service:
        service.create_table(name)
        with pytest.raises(PermanentError, match="413 RequestBodyTooLarge"):
            AzureTables(service, SystemChance()).write(
                name, [insert(f"k{number}", **SIXTY_KIB) for number in range(90)]
            )
        service.delete_table(name)


def test_of_many_inserts_at_once_one_wins(store: Store) -> None:
    results = at_once(8, lambda number: store.write(insert("k", n=number)))
    assert sum(isinstance(result, list) for result in results) == 1
    assert sum(isinstance(result, AlreadyExists) for result in results) == 7


def test_no_increment_is_lost(store: Store) -> None:
    store.write(insert("k", n=0))

    def increment(_: int) -> int:
        tries = 0
        while True:
            found = store.get("k")
            tries += 1
            try:
                store.write(replace("k", found.etag, n=int(found.cells["n"]) + 1))
            except StaleWrite:
                continue
            return tries

    assert all(isinstance(result, int) for result in at_once(6, increment))
    assert store.get("k").cells == {"n": 6}


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """What each of `count` threads got or met, all of them let go together."""
    barrier = threading.Barrier(count)
    results: list[object] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = act(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_a_hint_is_replaced_and_deleted_whatever_it_holds(store: Store) -> None:
    store.write(insert("k", n=1))
    (etag,) = store.write(replace("k", ANY_ETAG, n=2))
    assert (store.get("k").cells["n"], store.get("k").etag) == (2, etag)
    store.write(replace("k", etag, n=3))
    assert store.write(delete("k", ANY_ETAG)) == [""]
    assert store.find("k") is None


@pytest.mark.parametrize("write", [replace("gone", ANY_ETAG, n=1), delete("gone", ANY_ETAG)])
def test_a_hint_that_is_not_there_is_neither_replaced_nor_deleted(store: Store, write: TableWrite) -> None:
    with pytest.raises(StaleWrite):
        store.write(write)
    assert store.find("gone") is None


def test_a_transaction_may_delete_a_hint_whatever_it_holds(store: Store) -> None:
    store.write(insert("k", n=1))
    store.write(delete("k", ANY_ETAG), insert("other", n=1))
    assert store.keys() == ["other"]
