"""The contract of Blobs: created once, read within a limit, listed by prefix."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.system import SystemClock
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.ports import Blobs
from tests.fixtures.azurite import AzuriteForTests


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A container of this test's own."""

    blobs: Blobs
    name: str

    def create(self, blob: str, content: bytes = b"x") -> None:
        self.blobs.create(self.name, blob, content, media_type="application/octet-stream")

    def read(self, blob: str, *, limit: int = 1000) -> bytes:
        return self.blobs.read(self.name, blob, limit=limit)

    def names(self, prefix: str, *, limit: int = 1000) -> list[str]:
        return [facts.name for facts in self.blobs.list(self.name, prefix, limit=limit)]


@pytest.fixture(params=["memory", "azure"])
def shelf(request: pytest.FixtureRequest, unique_name: Callable[[str], str]) -> Iterator[Shelf]:
    name = unique_name("shelf")
    if request.param == "memory":
        yield Shelf(blobs=MemoryBlobs(SystemClock()), name=name)
        return
    azurite: AzuriteForTests = request.getfixturevalue("azurite")
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as service:
        container = service.create_container(name)
        yield Shelf(blobs=AzureBlobs(service), name=name)
        container.delete_container()


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"x" * 300_000], ids=["empty", "binary", "large"])
def test_bytes_come_back_as_they_were_written(shelf: Shelf, content: bytes) -> None:
    shelf.create("a/b.bin", content)
    assert shelf.read("a/b.bin", limit=len(content)) == content


def test_a_blob_is_never_overwritten(shelf: Shelf) -> None:
    shelf.create("a", b"first")
    with pytest.raises(AlreadyExists):
        shelf.create("a", b"second")
    assert shelf.read("a") == b"first"


def test_two_creators_from_parts_do_not_mix(shelf: Shelf) -> None:
    """A creation that fails meanwhile has staged parts of the same blob."""

    def other() -> Iterator[bytes]:
        yield b"b1"
        raise NotFound("the source is gone")

    def parts() -> Iterator[bytes]:
        yield b"a1"
        with pytest.raises(NotFound):
            shelf.blobs.create_from(shelf.name, "a", other(), media_type="text/plain")
        yield b"a2"

    shelf.blobs.create_from(shelf.name, "a", parts(), media_type="text/plain")
    assert shelf.read("a") == b"a1a2"


def test_of_many_creators_at_once_one_wins(shelf: Shelf) -> None:
    barrier, won = threading.Barrier(6), []

    def create(number: int) -> None:
        barrier.wait()
        try:
            shelf.create("marker", str(number).encode())
        except AlreadyExists:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [str(number).encode() for number in won] == [shelf.read("marker")]


def test_a_blob_that_is_not_there_is_not_found(shelf: Shelf) -> None:
    with pytest.raises(NotFound):
        shelf.read("absent")
    assert shelf.blobs.find_facts(shelf.name, "absent") is None


def test_a_blob_above_the_limit_is_refused(shelf: Shelf) -> None:
    shelf.create("a", b"12345")
    assert shelf.read("a", limit=5) == b"12345"
    with pytest.raises(PermanentError) as refused:
        shelf.read("a", limit=4)
    assert refused.value.error_class is ErrorClass.POLICY


@pytest.mark.parametrize(
    ("first", "length", "part"),
    [(0, 3, b"012"), (3, 3, b"345"), (8, 100, b"89"), (9, 1, b"9"), (10, 1, b""), (10_000, 5, b"")],
)
def test_a_part_of_a_blob_is_read_without_the_rest(
    shelf: Shelf, first: int, length: int, part: bytes
) -> None:
    shelf.create("a", b"0123456789")
    assert shelf.blobs.read_part(shelf.name, "a", first=first, length=length) == part


def test_parts_of_a_large_blob_are_the_blob(shelf: Shelf) -> None:
    content = bytes(range(256)) * 1000
    shelf.create("large", content)
    parts = [
        shelf.blobs.read_part(shelf.name, "large", first=first, length=100_000)
        for first in range(0, len(content), 100_000)
    ]
    assert [len(part) for part in parts] == [100_000, 100_000, 56_000]
    assert b"".join(parts) == content


def test_an_empty_blob_has_no_part_and_an_absent_one_is_not_found(shelf: Shelf) -> None:
    shelf.create("empty", b"")
    assert shelf.blobs.read_part(shelf.name, "empty", first=0, length=5) == b""
    with pytest.raises(NotFound):
        shelf.blobs.read_part(shelf.name, "absent", first=0, length=5)


def test_facts_tell_size_and_time_of_change(shelf: Shelf) -> None:
    shelf.create("a", b"12345")
    facts = shelf.blobs.find_facts(shelf.name, "a")
    assert facts is not None
    assert (facts.name, facts.size) == ("a", 5)
    assert abs(facts.changed_at - datetime.now(UTC)) < timedelta(seconds=30)


def _etag(shelf: Shelf, blob: str) -> str:
    facts = shelf.blobs.find_facts(shelf.name, blob)
    assert facts is not None
    assert [each.etag.strip('"') for each in shelf.blobs.list(shelf.name, blob)] == [facts.etag.strip('"')]
    return facts.etag


def test_a_blob_is_deleted_by_its_etag_and_can_be_made_again(shelf: Shelf) -> None:
    shelf.create("a", b"first")
    first = _etag(shelf, "a")
    shelf.blobs.delete(shelf.name, "a", etag=first)
    assert shelf.blobs.find_facts(shelf.name, "a") is None
    assert shelf.names("") == []
    with pytest.raises(StaleWrite):
        shelf.blobs.delete(shelf.name, "a", etag=first)
    shelf.create("a", b"first")
    assert _etag(shelf, "a") != first


def test_a_blob_that_was_made_again_is_not_deleted_by_its_old_etag(shelf: Shelf) -> None:
    shelf.create("a", b"first")
    first = _etag(shelf, "a")
    shelf.blobs.delete(shelf.name, "a", etag=first)
    shelf.create("a", b"first")
    with pytest.raises(StaleWrite):
        shelf.blobs.delete(shelf.name, "a", etag=first)
    assert shelf.read("a") == b"first"


def test_a_list_is_by_name_with_a_prefix_and_a_limit(shelf: Shelf) -> None:
    for name in ("b/2", "a/1", "b/10", "b", "bb/1"):
        shelf.create(name, name.encode())
    assert shelf.names("b/") == ["b/10", "b/2"]
    assert shelf.names("b") == ["b", "b/10", "b/2", "bb/1"]
    assert shelf.names("", limit=2) == ["a/1", "b"]
    assert shelf.names("c") == []
    assert [facts.size for facts in shelf.blobs.list(shelf.name, "b/")] == [4, 3]


def test_a_missing_container_is_not_a_missing_blob(azurite: AzuriteForTests) -> None:
    with (
        BlobServiceClient(azurite.blob, **azurite.client_options()) as service,
        pytest.raises(NotFound, match="nowhere"),
    ):
        AzureBlobs(service).find_facts("nowhere", "a")


def test_the_media_type_reaches_azure(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> None:
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as service:
        container = service.create_container(unique_name("shelf"))
        name = str(container.container_name)
        AzureBlobs(service).create(name, "a.json", b"{}", media_type="application/json")
        properties = container.get_blob_client("a.json").get_blob_properties()
        assert properties.content_settings.content_type == "application/json"


@pytest.mark.parametrize("parts", [[b"a"], [b"a", b"bc"]], ids=["one", "many"])
def test_a_blob_is_made_from_parts(shelf: Shelf, parts: list[bytes]) -> None:
    shelf.blobs.create_from(shelf.name, "a", iter(parts), media_type="text/plain")
    assert shelf.read("a") == b"".join(parts)


def test_parts_never_overwrite_a_blob(shelf: Shelf) -> None:
    shelf.create("a", b"first")
    with pytest.raises(AlreadyExists):
        shelf.blobs.create_from(shelf.name, "a", iter([b"second"]), media_type="text/plain")
    assert shelf.read("a") == b"first"


def test_parts_that_fail_leave_no_blob_and_keep_their_error(shelf: Shelf) -> None:
    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise KeyError("the source")

    with pytest.raises(KeyError, match="the source"):
        shelf.blobs.create_from(shelf.name, "a", parts(), media_type="text/plain")
    assert shelf.blobs.find_facts(shelf.name, "a") is None
    shelf.blobs.create_from(shelf.name, "a", iter([b"whole"]), media_type="text/plain")
    assert shelf.read("a") == b"whole"
