"""The whole program as the container runs it, on a real Azurite and a managed identity endpoint."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.messages import BUILD_EVENTS, BuildEventMessage
from pipeline_core.wire.report import BuildReport
from tests.fixtures.azurite import AzuriteForTests
from tests.unit.builder import samples

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).parents[3]


def test_a_container_leaves_its_report_and_one_event_and_says_when_it_was_restarted(
    azurite: AzuriteForTests, storage_identity: Mapping[str, str], tmp_path: Path
) -> None:
    job = samples.root_job(build="rhel9-base.3fa9c1d20b77.424242")
    packer = samples.write_packer(tmp_path, samples.GOOD_BUILD)
    environ = {
        **samples.environment_for(job, packer),
        **storage_identity,
        "IF_BLOB_ENDPOINT": azurite.blob,
        "IF_QUEUE_ENDPOINT": azurite.queue,
        "REQUESTS_CA_BUNDLE": str(azurite.ca_file),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "TMPDIR": str(tmp_path),
    }
    with (
        BlobServiceClient(azurite.blob, **azurite.client_options()) as service,
        QueueClient(
            azurite.queue,
            BUILD_EVENTS,
            message_decode_policy=TextBase64DecodePolicy(),
            **azurite.client_options(),
        ) as queue,
    ):
        _prepare(service, queue, tmp_path, job)

        first = _builder(environ)
        second = _builder(environ)

        assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
        assert "this attempt has run before" in second.stdout
        folder = f"{job.build}/build-1"
        found = {
            blob.name for blob in service.get_container_client("builds").list_blobs(name_starts_with=folder)
        }
        assert found == {
            f"{folder}/{name}" for name in ("started.json", "log.txt", "manifest.json", "result.json")
        }
        content = service.get_blob_client("builds", f"{folder}/result.json").download_blob().readall()
        assert BuildReport.from_wire(content).artifact == samples.ARTIFACT
        events = [BuildEventMessage.from_wire(each.content) for each in queue.receive_messages()]
        kinds = [event.kind for event in events if event.build == job.build]
        assert sorted(kinds) == ["completed", "restarted"]
    assert not list(tmp_path.glob("imagefactory-*"))


def test_an_unusable_environment_ends_with_2_and_names_what_is_missing() -> None:
    ended = _builder({"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)})
    assert ended.returncode == 2
    assert "IF_BUILD_ID" in ended.stdout


def test_a_container_that_can_report_nothing_ends_with_1(
    storage_identity: Mapping[str, str], tmp_path: Path
) -> None:
    environ = {
        **samples.environment_for(samples.root_job(), samples.write_packer(tmp_path, samples.GOOD_BUILD)),
        **storage_identity,
        "IF_BLOB_ENDPOINT": "https://127.0.0.1:1/devstoreaccount1",
        "IF_QUEUE_ENDPOINT": "https://127.0.0.1:1/devstoreaccount1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "TMPDIR": str(tmp_path),
    }
    ended = _builder(environ)
    assert ended.returncode == 1, ended.stdout
    assert "nothing could be reported" in ended.stdout


def _prepare(service: BlobServiceClient, queue: QueueClient, folder: Path, job: BuildJob) -> None:
    samples.store(folder / "stored", job)
    for container in ("jobs", "bundles", "builds"):
        with suppress(ResourceExistsError):  # another test of this session made it
            service.create_container(container)
    with suppress(ResourceExistsError):
        queue.create_queue()
    for container in ("jobs", "bundles"):
        for path in (folder / "stored" / container).iterdir():
            service.get_blob_client(container, path.name).upload_blob(path.read_bytes(), overwrite=True)


def _builder(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "builder"],
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
