"""The Azure client keeps the builder's contract on a real Azurite, over HTTPS and with tokens."""

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from builder import azure_client
from builder.log.stream import LogStream
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from tests.fixtures.azurite import AzuriteForTests

pytestmark = pytest.mark.process


@pytest.fixture
def container(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> str:
    name = unique_name("builder")
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as service:
        service.create_container(name)
    return name


@pytest.fixture
def blobs(azurite: AzuriteForTests, monkeypatch: pytest.MonkeyPatch) -> azure_client.AzureBlobs:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca_file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return azure_client.AzureBlobs(azurite.blob, azurite.credential)


def test_a_blob_is_created_once_and_read_back(blobs: azure_client.AzureBlobs, container: str) -> None:
    blobs.create(container, "a/b.json", b"{}", media_type="application/json")
    blobs.create(container, "a/b.json", b"{}", media_type="application/json")  # our own write, repeated

    assert blobs.read(container, "a/b.json", limit=2) == b"{}"
    with pytest.raises(AlreadyExists):
        blobs.create(container, "a/b.json", b"[]", media_type="application/json")
    assert blobs.read(container, "a/b.json", limit=2) == b"{}"


def test_an_empty_blob_is_read(blobs: azure_client.AzureBlobs, container: str) -> None:
    blobs.create(container, "empty", b"", media_type="text/plain")
    assert blobs.read(container, "empty", limit=2) == b""


def test_a_blob_that_is_too_large_is_refused(blobs: azure_client.AzureBlobs, container: str) -> None:
    blobs.create(container, "large", b"abc", media_type="text/plain")
    with pytest.raises(PermanentError, match="larger than 2 bytes"):
        blobs.read(container, "large", limit=2)


def test_a_file_is_streamed_with_the_digest_of_what_came(
    blobs: azure_client.AzureBlobs, container: str, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4096 * 40  # 40 MiB: the first request brings 32
    blobs.create(container, "tool", content, media_type="application/octet-stream")
    target = tmp_path / "tool"
    target.write_bytes(b"what a try before left" * 2_000_000)
    found = blobs.fetch(container, "tool", target, limit=len(content))
    assert found == hashlib.sha256(content).hexdigest()
    assert target.read_bytes() == content


def test_a_file_that_is_too_large_or_missing_is_refused(
    blobs: azure_client.AzureBlobs, container: str, tmp_path: Path
) -> None:
    blobs.create(container, "tool", b"abc", media_type="application/octet-stream")
    with pytest.raises(PermanentError, match="larger than 2 bytes"):
        blobs.fetch(container, "tool", tmp_path / "tool", limit=2)
    with pytest.raises(NotFound):
        blobs.fetch(container, "nothing", tmp_path / "tool", limit=2)


def test_a_missing_blob_is_not_found(blobs: azure_client.AzureBlobs, container: str) -> None:
    with pytest.raises(NotFound):
        blobs.read(container, "nothing", limit=2)
    with pytest.raises(NotFound):
        blobs.read("no-such-container", "nothing", limit=2)


def test_a_repeated_append_is_not_doubled(blobs: azure_client.AzureBlobs, container: str) -> None:
    blobs.create_log(container, "log.txt")
    blobs.create_log(container, "log.txt")
    blobs.append(container, "log.txt", b"one\n", offset=0)
    blobs.append(container, "log.txt", b"one\n", offset=0)  # the answer was lost, so it is sent again
    blobs.append(container, "log.txt", b"two\n", offset=4)

    assert blobs.read(container, "log.txt", limit=100) == b"one\ntwo\n"
    with pytest.raises(StaleWrite):
        blobs.append(container, "log.txt", b"elsewhere", offset=1)


class _LosesAnswers(RequestsTransport):  # type: ignore[misc]  # azure-core hands this class out untyped
    """Every request arrives. The next `lost` answers to an append do not come back."""

    lost = 0

    def send(self, request: Any, **options: Any) -> Any:
        answer = super().send(request, **options)
        if "comp=appendblock" in request.url and self.lost:
            self.lost -= 1
            raise ServiceResponseError("the connection was cut")
        return answer


def test_a_log_goes_on_after_lost_answers_on_a_real_azurite(azurite: AzuriteForTests, container: str) -> None:
    road = _LosesAnswers(connection_verify=str(azurite.ca_file))
    blobs = azure_client.AzureBlobs(azurite.blob, azurite.credential, retries=0, transport=road)
    place = _Elsewhere(blobs, container)
    with LogStream(place, "log.txt", echo=lambda line: None, every_seconds=0.01) as log:
        road.lost = 2
        log.line("first")
        _await(lambda: road.lost == 0)
        log.line("second")
        _await(lambda: b"second" in blobs.read(container, "log.txt", limit=1000))
    assert blobs.read(container, "log.txt", limit=1000) == b"first\nsecond\n"


class _Elsewhere:
    """The builder's blobs with another container in place of `builds`."""

    def __init__(self, blobs: azure_client.AzureBlobs, container: str) -> None:
        self._blobs, self._container = blobs, container

    def read(self, _: str, name: str, *, limit: int) -> bytes:
        return self._blobs.read(self._container, name, limit=limit)

    def fetch(self, _: str, name: str, into: Path, *, limit: int) -> str:
        return self._blobs.fetch(self._container, name, into, limit=limit)

    def create(self, _: str, name: str, content: bytes, *, media_type: str) -> None:
        self._blobs.create(self._container, name, content, media_type=media_type)

    def create_log(self, _: str, name: str) -> None:
        self._blobs.create_log(self._container, name)

    def append(self, _: str, name: str, content: bytes, *, offset: int) -> None:
        self._blobs.append(self._container, name, content, offset=offset)


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_event_arrives_once_and_as_base64(
    azurite: AzuriteForTests, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca_file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    name = unique_name("events")
    with QueueClient(azurite.queue, name, **azurite.client_options()) as queue:
        queue.create_queue()
        azure_client.AzureEvents(azurite.queue, name, azurite.credential).send('{"a":1}')
        received = [base64.b64decode(message.content) for message in queue.receive_messages()]
    assert received == [b'{"a":1}']


def test_a_queue_that_is_not_there_is_not_found(
    azurite: AzuriteForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca_file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with pytest.raises(NotFound):
        azure_client.AzureEvents(azurite.queue, "no-such-queue", azurite.credential).send("{}")


class LateCredential:
    """Has a token at the third question."""

    def __init__(self) -> None:
        self.asked = 0

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += 1
        if self.asked < 3:
            raise ClientAuthenticationError("not yet")
        return AccessToken("token", 4_000_000_000)


def test_a_late_token_is_awaited() -> None:
    credential = LateCredential()
    azure_client.await_token(credential, seconds=5, is_stopped=lambda: False, pause=0.01)
    assert credential.asked == 3


@pytest.mark.parametrize(("seconds", "stopped"), [(0, False), (60, True)])
def test_a_token_that_does_not_come_is_a_transient_error(seconds: float, stopped: bool) -> None:
    with pytest.raises(TransientError, match="not yet") as caught:
        azure_client.await_token(LateCredential(), seconds=seconds, is_stopped=lambda: stopped, pause=0.01)
    assert caught.value.error_class is ErrorClass.TOKEN
