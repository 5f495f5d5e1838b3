"""The running stack at its edges: two beside each other, bad input, a missing part."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from imagefactory.client import Client
from local.run import stack, storage

CHECKOUT = Path(__file__).resolve().parents[2]
BROKEN = """
apiVersion: imagefactory/v1
kind: ImageDefinition
metadata: {name: broken-image, team: secops, owners: [secops@example.com], colour: red}
spec:
  parent: {image: nowhere}
  build:
    vmSize: Standard_D2s_v5
    timeout: soon
    provisioners:
      - {shell: ../outside.sh}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Stack]:
    """A stack without images, whose queues give a failed message back at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AzureFunctionsJobHost__extensions__queues__visibilityTimeout", "00:00:00")
        with stack.running(tmp_path_factory.mktemp("stack")) as made:
            yield made


def _command(running: stack.Stack, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "IMAGEFACTORY_URL": running.url,
        "IMAGEFACTORY_TOKEN": running.token("operator", roles=("Factory.Admin",)),
    }
    return subprocess.run(
        [sys.executable, "-m", "imagefactory", *words],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _health(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/health", timeout=20) as answer:
        return str(json.load(answer)["status"])


def test_a_second_stack_beside_the_first_has_ports_and_storage_of_its_own(
    running: stack.Stack, tmp_path: Path
) -> None:
    with stack.running(tmp_path) as other:
        places = [
            (each.url, each.azurite.blob, each.azurite.queue, each.arm.arm, each.arm.control)
            for each in (running, other)
        ]
        assert not set(places[0]) & set(places[1])
        assert [_health(each.url) for each in (running, other)] == ["ok", "ok"]


@pytest.mark.parametrize(
    "content",
    ["no base64 at all!", base64.b64encode(b'{"schema":1,"image":"../etc"}').decode()],
    ids=["not-base64", "not-a-message"],
)
def test_a_malformed_message_goes_to_poison_with_a_record(running: stack.Stack, content: str) -> None:
    credential = storage.OperatorCredential(running.arm)
    options = {"credential": credential, "connection_verify": str(running.arm.ca_file)}
    with (
        QueueServiceClient(running.azurite.queue, **options) as queues,  # type: ignore[arg-type]
        TableServiceClient(running.azurite.table, **options) as tables,  # type: ignore[arg-type]
    ):
        known = _records(tables)
        queues.get_queue_client("rebuild-requests").send_message(content)
        deadline = time.monotonic() + 60
        while len(_records(tables)) == len(known) and time.monotonic() < deadline:
            time.sleep(0.2)
        (record,) = [row for row in _records(tables) if row not in known]
    try:
        text = base64.b64decode(content, validate=True).decode()
    except ValueError:
        text = content
    assert record == ("rebuild-requests", text)


def _records(tables: TableServiceClient) -> list[tuple[str, str]]:
    rows = tables.get_table_client("index").query_entities("PartitionKey eq 'poison'")
    return [(str(row["queue"]), str(row["text"])) for row in rows]


def test_a_broken_document_is_refused_with_every_error_and_nothing_is_stored(
    running: stack.Stack, tmp_path: Path
) -> None:
    (tmp_path / "image.yaml").write_text(BROKEN, encoding="utf-8")
    done = _command(running, "register", str(tmp_path))
    said = done.stdout + done.stderr
    assert done.returncode == 1
    for place in ("metadata.colour", "spec.build.timeout", "spec.build.provisioners[0].shell"):
        assert place in said
    assert list(_client(running).list_images(None)) == []


def test_a_parent_that_is_not_registered_is_refused_by_the_factory(
    running: stack.Stack, tmp_path: Path
) -> None:
    document = BROKEN.replace(", colour: red", "").replace("soon", "30m").replace("../outside", "inside")
    (tmp_path / "image.yaml").write_text(document, encoding="utf-8")
    (tmp_path / "inside.sh").write_text("#!/usr/bin/env bash\nset -euo pipefail\n", encoding="utf-8")
    done = _command(running, "register", str(tmp_path))
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "spec.parent.image" in said
    assert "register the parent first" in said
    assert list(_client(running).list_images(None)) == []


def test_a_call_without_a_token_is_refused(running: stack.Stack) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        opener.open(f"{running.url}/api/images", timeout=20)
    refused.value.close()


def test_a_missing_azurite_is_a_clear_message_and_a_non_zero_exit(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path), "AZURITE_PATH": str(tmp_path / "nothing")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def _client(running: stack.Stack) -> Client:
    return Client(url=running.url, token=running.token("operator", roles=("Factory.Admin",)))
