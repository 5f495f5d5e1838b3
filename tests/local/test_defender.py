"""The stand-in of Defender for Storage writes the tags that the adapter reads, once for each content."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from azure.storage.blob import BlobServiceClient

from local import defender
from local.defender import RESULT, TEST_FILE, TIME, Defender
from pipeline_core.adapters.azure import scanner
from pipeline_core.adapters.azure.scanner import DefenderScanner
from pipeline_core.domain.tools import QUARANTINE, SERVED, ScanResult
from tests.fixtures.azurite import AzuriteForTests

MOMENT = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.fixture
def service(azurite: AzuriteForTests) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as made:
        yield made


@pytest.fixture
def container(service: BlobServiceClient, unique_name: Callable[[str], str]) -> Iterator[str]:
    name = unique_name("ward")
    service.create_container(name)
    yield name
    service.delete_container(name)


def _defender(service: BlobServiceClient, container: str) -> Defender:
    return Defender(service=service, containers=(container,), now=lambda: MOMENT)


def test_it_scans_the_containers_of_the_catalog() -> None:
    assert defender.CONTAINERS == (QUARANTINE, SERVED)
    assert defender.RESULT == scanner.TAG


def test_a_clean_file_and_the_test_file_get_their_tags(service: BlobServiceClient, container: str) -> None:
    client = service.get_container_client(container)
    client.upload_blob("clean", b"falcon")
    client.upload_blob("bad", b"before " + TEST_FILE + b" behind")
    assert _defender(service, container).scan() == 2
    asked = DefenderScanner(service)
    assert asked.ask(container, "clean").result is ScanResult.CLEAN
    assert asked.ask(container, "bad").result is ScanResult.FOUND
    tags = service.get_blob_client(container, "bad").get_blob_tags()
    assert tags == {RESULT: "Malicious", TIME: "2026-11-21 10:00:00Z"}


def test_a_content_is_scanned_once_and_a_new_one_again(service: BlobServiceClient, container: str) -> None:
    client = service.get_container_client(container)
    client.upload_blob("a", b"falcon")
    made = _defender(service, container)
    assert [made.scan(), made.scan()] == [1, 0]
    client.upload_blob("a", TEST_FILE, overwrite=True)
    assert made.scan() == 1
    assert DefenderScanner(service).ask(container, "a").result is ScanResult.FOUND


def test_a_file_beyond_its_limit_is_not_scanned(
    service: BlobServiceClient, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defender, "_LIMIT", 3)
    service.get_container_client(container).upload_blob("a", b"falcon")
    _defender(service, container).scan()
    answer = DefenderScanner(service).ask(container, "a")
    assert (answer.result, answer.detail) == (ScanResult.UNKNOWN, "Not scanned")


def test_it_watches_until_the_end(service: BlobServiceClient, container: str) -> None:
    found = threading.Event()
    made = _defender(service, container)
    usual = made.now

    def now() -> datetime:
        found.set()
        return usual()

    made.now = now
    with made.watching(every=0.01):
        service.get_container_client(container).upload_blob("a", b"falcon")
        assert found.wait(30)
    assert [each for each in threading.enumerate() if each.name == "defender"] == []
