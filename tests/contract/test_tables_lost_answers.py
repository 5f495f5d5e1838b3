"""Rule 3 of the engine: our own write can look like another's. Azurite stores, and the way back loses answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient

from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.system import SystemChance
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.ports import Cell, Row, TableWrite, WriteKind
from tests.fixtures.azurite import AzuriteForTests


class BadRoad(RequestsTransport):  # type: ignore[misc]  # azure-core hands this class out untyped
    """Misbehaves once, on the next request that writes, in the way that is set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.next: str = ""
        self.after: Callable[[], object] = lambda: None
        self.requests = 0

    def send(self, request: Any, **options: Any) -> Any:
        self.requests += 1
        mode = self.next if request.method != "GET" else ""
        if not mode:
            return super().send(request, **options)
        self.next = ""
        if mode == "never sent":
            raise ServiceRequestError("no route")
        super().send(request, **options)
        self.after()
        if mode == "sent twice":
            return super().send(request, **options)
        raise ServiceResponseError("the connection was cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A table behind a bad road, and the same table behind a good one."""

    road: BadRoad
    name: str
    ours: AzureTables
    theirs: AzureTables

    def write(self, *writes: TableWrite) -> list[str]:
        return list(self.ours.write(self.name, writes))

    def get(self, key: str) -> Row | None:
        return self.theirs.find(self.name, "p", key)

    def cells(self, key: str) -> dict[str, Cell] | None:
        found = self.get(key)
        return None if found is None else dict(found.cells)


@pytest.fixture
def bench(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> Iterator[Bench]:
    options = azurite.client_options()
    road = BadRoad(connection_verify=options["connection_verify"])
    name = unique_name("t").replace("-", "")
    with (
        TableServiceClient(azurite.table, **options, transport=road) as bad,
        TableServiceClient(azurite.table, **options) as good,
    ):
        good.create_table(name)
        yield Bench(
            road=road,
            name=name,
            ours=AzureTables(bad, SystemChance()),
            theirs=AzureTables(good, SystemChance()),
        )
        good.delete_table(name)


def write(verb: WriteKind, key: str, etag: str = "", **cells: Cell) -> TableWrite:
    return TableWrite(verb=verb, row=Row(partition="p", key=key, cells=cells, etag=etag))


MODES = ["answer lost", "sent twice"]


@pytest.mark.parametrize("mode", MODES)
def test_an_insert_that_landed_is_a_success(bench: Bench, mode: str) -> None:
    bench.road.next = mode
    (etag,) = bench.write(write(WriteKind.INSERT, "k", n=1))
    found = bench.get("k")
    assert found is not None
    assert (dict(found.cells), found.etag) == ({"n": 1}, etag)
    bench.write(write(WriteKind.REPLACE, "k", etag, n=2))


@pytest.mark.parametrize("mode", MODES)
def test_a_replacement_that_landed_is_a_success(bench: Bench, mode: str) -> None:
    (etag,) = bench.write(write(WriteKind.INSERT, "k", n=1))
    bench.road.next = mode
    (newer,) = bench.write(write(WriteKind.REPLACE, "k", etag, n=2))
    assert bench.cells("k") == {"n": 2}
    bench.write(write(WriteKind.REPLACE, "k", newer, n=3))


@pytest.mark.parametrize("mode", MODES)
def test_a_transaction_that_landed_is_a_success(bench: Bench, mode: str) -> None:
    (old, gone) = bench.write(write(WriteKind.INSERT, "old", n=1), write(WriteKind.INSERT, "gone"))
    bench.road.next = mode
    etags = bench.write(
        write(WriteKind.DELETE, "gone", gone),
        write(WriteKind.INSERT, "new", n=1),
        write(WriteKind.REPLACE, "old", old, n=2),
    )
    assert etags[0] == ""
    assert (bench.cells("gone"), bench.cells("new"), bench.cells("old")) == (None, {"n": 1}, {"n": 2})
    bench.write(
        write(WriteKind.REPLACE, "new", etags[1], n=5), write(WriteKind.REPLACE, "old", etags[2], n=5)
    )


def test_a_deletion_whose_answer_was_lost_is_a_success(bench: Bench) -> None:
    (etag,) = bench.write(write(WriteKind.INSERT, "k"))
    bench.road.next = "answer lost"
    assert bench.write(write(WriteKind.DELETE, "k", etag)) == [""]
    assert bench.get("k") is None


def test_a_write_that_never_arrived_is_transient_and_changes_nothing(bench: Bench) -> None:
    bench.road.next = "never sent"
    with pytest.raises(TransientError) as failed:
        bench.write(write(WriteKind.INSERT, "k", n=1))
    assert failed.value.error_class is ErrorClass.NETWORK
    assert bench.get("k") is None
    bench.write(write(WriteKind.INSERT, "k", n=1))


def test_anothers_row_is_never_taken_for_ours(bench: Bench) -> None:
    bench.theirs.write(bench.name, [write(WriteKind.INSERT, "k", n=1)])
    bench.road.next = "sent twice"
    with pytest.raises(AlreadyExists):
        bench.write(write(WriteKind.INSERT, "k", n=1))  # the very same cells


def test_anothers_replacement_is_never_taken_for_ours(bench: Bench) -> None:
    (etag,) = bench.write(write(WriteKind.INSERT, "k", n=1))
    bench.theirs.write(bench.name, [write(WriteKind.REPLACE, "k", etag, n=2)])
    with pytest.raises(StaleWrite):
        bench.write(write(WriteKind.REPLACE, "k", etag, n=2))


def test_a_write_that_landed_and_was_written_over_gives_an_etag_that_fits_nothing(bench: Bench) -> None:
    (first, second) = bench.write(write(WriteKind.INSERT, "a", n=1), write(WriteKind.INSERT, "b", n=1))

    def another() -> None:
        found = bench.get("b")
        assert found is not None
        bench.theirs.write(bench.name, [write(WriteKind.REPLACE, "b", found.etag, n=99)])

    bench.road.next, bench.road.after = "answer lost", another
    etags = bench.write(write(WriteKind.REPLACE, "a", first, n=2), write(WriteKind.REPLACE, "b", second, n=2))
    with pytest.raises(StaleWrite):
        bench.write(write(WriteKind.REPLACE, "b", etags[1], n=3))
    assert bench.cells("b") == {"n": 99}
    bench.write(write(WriteKind.REPLACE, "a", etags[0], n=3))


def test_a_good_write_costs_one_request_and_a_conflict_two(bench: Bench) -> None:
    bench.write(write(WriteKind.INSERT, "k"))
    assert bench.road.requests == 1
    with pytest.raises(AlreadyExists):
        bench.write(write(WriteKind.INSERT, "k"))
    assert bench.road.requests == 3
