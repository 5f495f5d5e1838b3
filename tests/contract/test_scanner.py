"""The contract of Scanner: clean, found, or unknown; the adapter reads the tag that Defender for Storage writes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure.scanner import TAG, DefenderScanner
from pipeline_core.adapters.elsewhere import ScannedElsewhere
from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.scanner import MemoryScanner
from pipeline_core.adapters.system import SystemClock
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.tools import NOT_SCANNED, ScanResult
from pipeline_core.ports import Scanner
from tests.fixtures.azurite import AzuriteForTests

_SAID = {
    ScanResult.CLEAN: "No threats found",
    ScanResult.FOUND: "Malicious",
    ScanResult.UNKNOWN: "Not scanned",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A container with one file `a`, its scanner, and a way to have the file scanned."""

    scanner: Scanner
    name: str
    say: Callable[[ScanResult], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The same on Azurite: whoever stands in for Defender writes tags."""

    scanner: DefenderScanner
    service: BlobServiceClient
    name: str


@pytest.fixture
def tagged(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> Iterator[Tagged]:
    name = unique_name("ward")
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as service:
        container = service.create_container(name)
        container.upload_blob("a", b"x")
        yield Tagged(scanner=DefenderScanner(service), service=service, name=name)
        container.delete_container()


@pytest.fixture(params=["memory", "azure"])
def ward(request: pytest.FixtureRequest, unique_name: Callable[[str], str]) -> Ward:
    if request.param == "memory":
        name = unique_name("ward")
        blobs = MemoryBlobs(SystemClock())
        blobs.create(name, "a", b"x", media_type="text/plain")
        scanner = MemoryScanner(blobs)
        return Ward(scanner=scanner, name=name, say=lambda result: scanner.say(name, "a", result))
    azure: Tagged = request.getfixturevalue("tagged")
    return Ward(
        scanner=azure.scanner,
        name=azure.name,
        say=lambda result: azure.service.get_blob_client(azure.name, "a").set_blob_tags({TAG: _SAID[result]}),
    )


def test_nothing_is_known_about_a_file_that_was_not_scanned(ward: Ward) -> None:
    assert ward.scanner.ask(ward.name, "a").result is ScanResult.UNKNOWN


@pytest.mark.parametrize("result", _SAID, ids=[result.value for result in _SAID])
def test_the_newest_answer_counts(ward: Ward, result: ScanResult) -> None:
    ward.say(ScanResult.CLEAN)
    ward.say(result)
    answer = ward.scanner.ask(ward.name, "a")
    assert answer.result is result
    assert answer.scanner


def test_a_file_that_is_not_there_is_not_found(ward: Ward) -> None:
    with pytest.raises(NotFound):
        ward.scanner.ask(ward.name, "b")


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ({"Malware Scanning scan result": "No threats found"}, ScanResult.CLEAN),
        ({"Malware scanning scan result": "no threats found"}, ScanResult.CLEAN),
        ({"Malware Scanning scan result": "Malicious"}, ScanResult.FOUND),
        ({"Malware Scanning scan result": "SAM259201 internal service error"}, ScanResult.UNKNOWN),
        ({"Malware Scanning scan time UTC": "2026-12-01 10:00:00"}, ScanResult.UNKNOWN),
        ({"scan": "No threats found"}, ScanResult.UNKNOWN),
    ],
    ids=["clean", "other case", "malicious", "an error", "a time alone", "another key"],
)
def test_the_tag_of_defender_is_read_as_its_documents_say(
    tagged: Tagged, tags: dict[str, str], result: ScanResult
) -> None:
    tagged.service.get_blob_client(tagged.name, "a").set_blob_tags(tags)
    answer = tagged.scanner.ask(tagged.name, "a")
    assert answer.result is result
    assert answer.scanner == "Microsoft Defender for Storage"


def test_an_estate_that_scans_elsewhere_asks_nobody() -> None:
    answer = ScannedElsewhere().ask("any", "where")
    assert (answer.result, answer.scanner) == (ScanResult.ELSEWHERE, NOT_SCANNED)
