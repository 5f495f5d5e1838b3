"""Containers are apart: one that has all of its environment gets nothing of another build, by identity or by token.

Azurite checks the tokens for blobs, and the emulator's front checks the roles of identities, which Azurite does not.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from local import azurite, ca
from local.arm import launch
from local.arm.storage import roles
from local.run import storage
from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.azure.containers import CONTAINER, AzureContainers
from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.names import Digest
from pipeline_core.ports import GroupState, NewContainerGroup
from pipeline_core.wire import blob_token
from pipeline_core.wire.report import BuildReport
from tests.local.arm import conftest as emulator
from tests.unit.adapters.test_bodies import CONFIGURATION
from tests.unit.builder import samples

PROGRAM = Path(__file__).with_name("hostile_container.py")
CHECKOUT = Path(__file__).parents[2]
A, B = "payments-api.3fa9c1d20b77.1", "rhel9-java.3fa9c1d20b77.1"
FILES = ("started.json", "log.txt", "result.json")

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The emulator with storage behind its front, and the factory's adapters on both."""

    arm: launch.RunningArm
    service: BlobServiceClient
    azure: emulator.Azure
    given: Mapping[str, str]  # the addresses of the deployment, by service
    ours: Mapping[str, str]  # those that a container has

    @property
    def blobs(self) -> AzureBlobs:
        """The factory's blobs."""
        return AzureBlobs(self.service)

    def token(self, build: str, job: str = "a" * 64, bundles: tuple[str, ...] = ("b" * 64,)) -> str:
        """The variable of the container that builds this."""
        rights = blob_rights.rights_of(
            attempts.folder(build, "build", 1),
            "build",
            job=Digest(job),
            bundles=tuple(Digest(each) for each in bundles),
        )
        now = datetime.now(UTC)
        return blob_token.to_wire(self.blobs.delegate(rights, now=now, until=now + timedelta(hours=12)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("apart")
    files = ca.issue_certificate(ca.make_authority(folder / "ca"), ["127.0.0.1", "localhost"])
    store = azurite.start(folder / "azurite", certificate=files.certificate, key=files.key)
    with pytest.MonkeyPatch.context() as patch:
        try:
            with launch.start(
                folder / "arm",
                ca_folder=folder / "ca",
                resource_groups=["rg-build"],
                builder_client_id=emulator.BUILDER,
                options=[
                    f"--program=imagefactory-builder={sys.executable} -S {PROGRAM}",
                    "--restarts=0",
                    "--retry-after=0",
                ],
            ) as arm:
                for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
                    patch.delenv(name, raising=False)
                patch.setenv("IDENTITY_ENDPOINT", arm.identity_endpoint)
                patch.setenv("IDENTITY_HEADER", arm.identity_header)
                storage.prepare(store, arm)
                given = {"blob": store.blob, "queue": store.queue}
                ours = arm.ask("POST", "storage", given)
                with (
                    storage.open_blobs(store, arm) as service,
                    emulator.sign_in(arm, emulator.FACTORY) as clients,
                ):
                    yield Place(arm=arm, service=service, azure=clients.azure, given=given, ours=ours)
        finally:
            store.stop()


def _environment(place: Place) -> dict[str, str]:
    """What the launcher gives to a container, with the addresses of the deployment."""
    return {
        "IF_BLOB_ENDPOINT": place.given["blob"],
        "IF_QUEUE_ENDPOINT": place.given["queue"],
        "IF_CLIENT_ID": emulator.BUILDER,
        "IF_TARGET": attempts.folder(B, "build", 1),
    }


def _run(place: Place) -> tuple[dict[str, int], str]:
    """What the hostile container got, by what it tried, and the group as ARM shows it."""
    configuration = replace(
        CONFIGURATION,
        subscription_id=place.arm.subscription_id,
        builder_identity_id=emulator.BUILDER_IDENTITY,
        build_subnet_id="",
    )
    containers = AzureContainers(place.azure.containers, configuration)
    secrets = {blob_token.VARIABLE: place.token(A)}
    containers.create_group(
        NewContainerGroup(name="if-a", environment=_environment(place), secrets=secrets, tags={})
    )
    end = time.monotonic() + 60
    while (group := containers.find_group("if-a")) is None or group.state in (
        GroupState.STARTING,
        GroupState.RUNNING,
    ):
        assert time.monotonic() < end
        time.sleep(0.1)
    log = place.azure.containers.containers.list_logs("rg-build", "if-a", CONTAINER).content or ""
    assert group.state is GroupState.SUCCEEDED, log
    shown = place.azure.containers.container_groups.get("rg-build", "if-a").serialize(keep_readonly=True)
    return dict(json.loads(line) for line in log.splitlines()), json.dumps(shown)


def test_a_container_with_its_whole_environment_gets_nothing_of_another_build(place: Place) -> None:
    folder = attempts.folder(B, "build", 1)
    for name in FILES:
        place.blobs.create("builds", f"{folder}/{name}", b"of B", media_type="text/plain")

    got, shown = _run(place)

    own = {"own report": 201, "own report again": 403, "own report deleted": 403}
    # The one right that it shares with every other container: to send a hint, which nobody believes.
    assert {what: status for what, status in got.items() if status < 400} == {"own report": 201, "hint": 201}
    assert {what: got.pop(what) for what in own} == own
    assert got.pop("hint") == 201
    assert len(got) == 12 + 4 + 1 + 2 + 1 + 6 * 6
    assert set(got.values()) == {403}, {what: status for what, status in got.items() if status != 403}
    assert {facts.name: facts.size for facts in place.blobs.list("builds", folder)} == {
        f"{folder}/{name}": 4 for name in FILES
    }
    # Neither a reader of the group nor its log sees a part of the token.
    assert blob_token.VARIABLE in shown
    assert "sig=" not in shown
    assert "secureValue" not in shown


def test_a_builder_with_a_token_uses_its_identity_for_no_blob(place: Place, tmp_path: Path) -> None:
    before = place.arm.ask("GET", "storage-refusals")
    job = samples.root_job(build="rhel9-base.3fa9c1d20b77.78")
    digest = samples.digest_of(job.to_wire())
    token = place.token(job.build, digest, (job.bundle, job.platform))
    ended = _build(place, job.build, tmp_path, {blob_token.VARIABLE: token})
    assert ended.returncode == 0, ended.stdout
    report = BuildReport.from_wire(
        place.blobs.read("builds", f"{job.build}/build-1/result.json", limit=100_000)
    )
    assert (report.succeeded, report.artifact) == (True, samples.ARTIFACT)
    assert place.arm.ask("GET", "storage-refusals") == before
    secrets = blob_token.secrets_in(blob_token.from_wire(token))
    log = place.blobs.read("builds", f"{job.build}/build-1/log.txt", limit=100_000).decode()
    assert not [each for each in secrets if each in ended.stdout + log + report.model_dump_json()]


def test_a_container_of_the_older_release_ends_its_build_while_the_upgrade_keeps_its_roles(
    place: Place, tmp_path: Path
) -> None:
    for name, scope in roles.OLD_BUILDER_ROLES:
        place.arm.ask("POST", "storage-roles", {"client_id": emulator.BUILDER, "role": name, "scope": scope})
    job = samples.root_job(build="rhel9-base.3fa9c1d20b77.77")
    ended = _build(place, job.build, tmp_path, {})
    assert ended.returncode == 0, ended.stdout
    report = place.blobs.read("builds", f"{job.build}/build-1/result.json", limit=100_000)
    assert BuildReport.from_wire(report).artifact == samples.ARTIFACT


def _build(
    place: Place, build: str, folder: Path, more: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run the real builder once, as a container of this build, with the addresses that a container has."""
    job = samples.root_job(build=build)
    samples.store(folder / "stored", job)
    for container in ("jobs", "bundles"):
        for path in (folder / "stored" / container).iterdir():
            place.service.get_blob_client(container, path.name).upload_blob(path.read_bytes(), overwrite=True)
    environ = {
        **samples.environment_for(job, samples.write_packer(folder, samples.GOOD_BUILD)),
        **more,
        "IF_BLOB_ENDPOINT": place.ours["blob"],
        "IF_QUEUE_ENDPOINT": place.ours["queue"],
        "IF_CLIENT_ID": emulator.BUILDER,
        "IDENTITY_ENDPOINT": place.arm.identity_endpoint,
        "IDENTITY_HEADER": place.arm.identity_header,
        "REQUESTS_CA_BUNDLE": str(place.arm.ca_file),
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "TMPDIR": str(folder),
    }
    return subprocess.run(
        [sys.executable, "-m", "builder"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
