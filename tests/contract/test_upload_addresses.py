"""The address that SecOps get takes one file once, and gives no other right. On Azurite, which checks signatures."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.system import SystemClock
from pipeline_core.domain import blob_rights
from pipeline_core.domain.blob_rights import BlobPlace, BlobRight
from tests.fixtures.azurite import AzuriteForTests

FALCON = b"falcon" * 1000
NAME = hashlib.sha256(FALCON).hexdigest()
WRITE = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A container of this test, and the address of one blob in it."""

    service: BlobServiceClient
    container: str
    address: str
    ca_file: str

    def ask(self, method: str, content: bytes = b"", query: str = "", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method, self.address + query, data=content, headers=named, verify=self.ca_file, timeout=30
        )


@pytest.fixture
def offered(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> Iterator[Offered]:
    container, clock = unique_name("ward"), SystemClock()
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as service:
        service.create_container(container)
        place = BlobPlace(container=container, name=NAME)
        now = clock.now()
        token = AzureBlobs(service).delegate(
            {place: frozenset({BlobRight.CREATE})}, now=now, until=now + blob_rights.MARGIN
        )
        query = "&".join(part for part in (token.shared, token.own[place]) if part)
        yield Offered(
            service=service,
            container=container,
            address=f"{azurite.blob}/{place}?{query}",
            ca_file=str(azurite.ca_file),
        )
        service.delete_container(container)


def test_one_file_is_written_once(offered: Offered) -> None:
    assert offered.ask("PUT", FALCON, **WRITE).status_code == 201
    again = offered.ask("PUT", b"another", **WRITE)
    assert again.status_code in (403, 409)  # which of them, and its code, differ between services
    stored = offered.service.get_blob_client(offered.container, NAME).download_blob().readall()
    assert stored == FALCON


def test_it_is_not_overwritten_without_the_condition_either(offered: Offered) -> None:
    assert offered.ask("PUT", FALCON, **WRITE).status_code == 201
    assert offered.ask("PUT", b"another", **{"x-ms-blob-type": "BlockBlob"}).status_code in (403, 409)


@pytest.mark.parametrize(
    ("method", "query"),
    [("GET", ""), ("DELETE", ""), ("PUT", "&comp=tags"), ("GET", "&comp=tags"), ("PUT", "&comp=metadata")],
    ids=["read", "delete", "write tags", "read tags", "write metadata"],
)
def test_it_gives_no_other_right(offered: Offered, method: str, query: str) -> None:
    """Above all no tag: whoever uploads must not be able to write the scanner's result."""
    assert offered.ask("PUT", FALCON, **WRITE).status_code == 201
    tags = (
        b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>" if "tags" in query else b""
    )
    assert offered.ask(method, tags if method == "PUT" else b"", query).status_code == 403
    assert offered.service.get_blob_client(offered.container, NAME).get_blob_tags() == {}


def test_it_is_about_no_other_blob(offered: Offered) -> None:
    other = replace(offered, address=offered.address.replace(NAME, "0" * 64))
    assert other.ask("PUT", FALCON, **WRITE).status_code == 403
