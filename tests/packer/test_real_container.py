"""The builder's program as a container of the emulator, with the real Packer: from the job's blob to the report."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from builder.packer import guest, provisioners
from local.guest import replies
from local.real_packer import RealPacker
from pipeline_core.wire.job import BuildJob, StagedTool
from pipeline_core.wire.report import BuildReport
from tests.fixtures.azurite import AzuriteForTests
from tests.packer import workbench
from tests.packer.workbench import Workbench
from tests.unit.builder import samples

_END_SECONDS = 180.0


@pytest.fixture
def home(
    real: RealPacker, azurite: AzuriteForTests, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Workbench]:
    """An emulator whose containers trust the authority of this Azurite; what the test asks of ARM is counted."""
    with workbench.start(tmp_path, real, "--start-seconds=0", ca_folder=azurite.ca_file.parent) as made:
        yield made
        request.node.user_properties.append(("packer", str(made.real)))
        request.node.user_properties.append(("arm_requests", made.arm.ask("GET", "requests")["total"]))


def test_the_builder_runs_the_real_packer_and_reports_what_it_made(
    home: Workbench, azurite: AzuriteForTests
) -> None:
    job = home.root_job()
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as blobs:
        _store(blobs, azurite, job)
        ended = _run(home, azurite, job)
        place = f"{job.build}/build-1"
        log = _read(blobs, f"{place}/log.txt").decode()
        assert ended == 0, log
        report = BuildReport.from_wire(_read(blobs, f"{place}/result.json"))
    assert report.succeeded
    assert report.packer == home.real.packer_version
    assert report.artifact.lower() == home.cloud.version(job.destination)["id"].lower()
    steps = provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM)).scripts
    assert log.count(replies.NOTE) == len(steps)
    assert home.arm.identity_header not in log
    assert home.left_over(job) == []
    assert home.arm.ask("GET", "requests")["refused"] == []


def test_a_tool_of_the_catalog_reaches_the_guest_from_our_own_storage_and_no_vendor_is_asked(
    home: Workbench, azurite: AzuriteForTests
) -> None:
    content = bytes(range(256)) * 4096  # 1 MiB, which is no text
    digest = samples.digest_of(content)
    entry = {"id": "agent", "version": "1.0.0", "url": "https://example.com/agent.rpm", "sha256": digest}
    catalog = json.dumps({"hosts": ["example.com"], "entries": [entry]})
    platform = samples.pack({**samples.PLATFORM, "catalog.json": catalog})
    tool = StagedTool(**entry, file="agent.rpm")
    job = home.root_job(catalog=(tool,), platform=samples.digest_of(platform))
    with BlobServiceClient(azurite.blob, **azurite.client_options()) as blobs:
        _store(blobs, azurite, job, platform)
        blobs.get_blob_client("catalog", digest).upload_blob(content, overwrite=True)
        ended = _run(home, azurite, job)
        place = f"{job.build}/build-1"
        log = _read(blobs, f"{place}/log.txt").decode()
        assert ended == 0, log
        assert BuildReport.from_wire(_read(blobs, f"{place}/result.json")).succeeded, log
    uploads = [each for each in home.asked(job) if each["kind"] == "upload"]
    sent = [each for each in uploads if each["path"] == guest.tool_upload(digest)]
    assert [each["sha256"] for each in sent] == [digest]
    # The scripts around it: it comes with the last preparation, behind the restart.
    at, paths = uploads.index(sent[0]), [each["path"] for each in uploads]
    assert paths[at - 1] == f"{guest.UPLOADS}/imagefactory-catalog.json"
    assert f"{guest.UPLOADS}/imagefactory-bundle.tar.gz" not in paths[at:]
    # The proxy of the container knows Azure alone: whatever else was asked is a refusal.
    assert home.arm.ask("GET", "requests")["refused"] == []
    assert "example.com" not in log


def _store(
    blobs: BlobServiceClient,
    azurite: AzuriteForTests,
    job: BuildJob,
    platform: bytes = samples.PLATFORM_CONTENT,
) -> None:
    with QueueServiceClient(azurite.queue, **azurite.client_options()) as queues:
        if "build-events" not in {queue.name for queue in queues.list_queues()}:
            queues.create_queue("build-events")
    there = {container.name for container in blobs.list_containers()}
    for name in {"jobs", "bundles", "builds", "catalog"} - there:
        blobs.create_container(name)
    for container, name, content in (
        ("jobs", f"{samples.digest_of(job.to_wire())}.json", job.to_wire()),
        ("bundles", f"{job.bundle}.tar.gz", samples.BUNDLE_CONTENT),
        ("bundles", f"{job.platform}.tar.gz", platform),
    ):
        blobs.get_blob_client(container, name).upload_blob(content, overwrite=True)


def _run(home: Workbench, azurite: AzuriteForTests, job: BuildJob) -> int:
    """The exit code of the container that runs the builder."""
    environment = {
        **samples.environment_for(job),
        "IF_BLOB_ENDPOINT": azurite.blob,
        "IF_QUEUE_ENDPOINT": azurite.queue,
        "IF_CLIENT_ID": workbench.BUILDER,
    }
    del environment["PACKER_PATH"]
    group = (
        f"/subscriptions/{home.arm.subscription_id}/resourceGroups/rg-build/providers"
        "/Microsoft.ContainerInstance/containerGroups/builder"
    )
    properties: dict[str, Any] = {
        "image": "builder",
        "resources": {"requests": {"cpu": 1, "memoryInGB": 2}},
        "environmentVariables": [{"name": name, "value": value} for name, value in environment.items()],
    }
    body = {
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {workbench.IDENTITY: {}}},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [{"name": "builder", "properties": properties}],
        },
    }
    home.cloud.put(group, body, "2023-05-01")
    end = time.monotonic() + _END_SECONDS
    while time.monotonic() < end:
        (container,) = home.cloud.get(group, "2023-05-01")["properties"]["containers"]
        state = container["properties"].get("instanceView", {}).get("currentState", {})
        if state.get("state") == "Terminated":
            return int(state["exitCode"])
        time.sleep(0.2)
    pytest.fail(f"the builder still ran after {_END_SECONDS:g} s")


def _read(blobs: BlobServiceClient, name: str) -> bytes:
    content: bytes = blobs.get_blob_client("builds", name).download_blob().readall()
    return content
