"""The emulator as a process, and the real SDKs as its clients, as in the factory's own adapters."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import pytest
from azure.identity import ManagedIdentityCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from local.arm import launch

BUILDER = "b0b0b0b0-0000-4000-8000-000000000001"
FACTORY = "f0f0f0f0-0000-4000-8000-000000000002"
BUILDER_IDENTITY = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-build/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/builder"
)
# A resource as the REST documentation writes it. The SDK accepts this dictionary, but its types name only models.
Body: TypeAlias = Any
SAMPLE = Path(__file__).with_name("sample_container.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """The SDK clients, signed in as the factory, and the emulator behind them."""

    arm: launch.RunningArm
    compute: ComputeManagementClient
    containers: ContainerInstanceManagementClient
    resources: ResourceManagementClient


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.RunningArm]:
    """An emulator with a build group, a quarantine gallery and a live gallery."""
    folder = tmp_path_factory.mktemp("arm")
    with launch.start(
        folder,
        resource_groups=["rg-build"],
        galleries=["rg-gallery/quarantine", "rg-gallery/live"],
        live_galleries=["live"],
        builder_client_id=BUILDER,
        replication_seconds=0.3,
        options=[
            f"--program=sample={sys.executable} {SAMPLE}",
            "--grace-seconds=2",
            "--restarts=0",
            "--retry-after=0",
            "--group-limit=6",
        ],
    ) as running:
        yield running
    assert not is_alive(running.pid)


@pytest.fixture(scope="module")
def identity(arm: launch.RunningArm) -> Iterator[None]:
    """The environment in which App Service runs code with a managed identity."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDENTITY_ENDPOINT", arm.identity_endpoint)
        patch.setenv("IDENTITY_HEADER", arm.identity_header)
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def azure(arm: launch.RunningArm, identity: None) -> Iterator[Azure]:
    """SDK clients as the factory's function has them."""
    with sign_in(arm, FACTORY) as clients:
        yield clients.azure


@pytest.fixture(scope="module")
def as_builder(arm: launch.RunningArm, identity: None) -> Iterator[Azure]:
    """SDK clients with the builder's identity."""
    with sign_in(arm, BUILDER) as clients:
        yield clients.azure


class sign_in:  # noqa: N801 - used as a context manager
    """Clients with a managed identity's credential, closed at the end."""

    def __init__(self, arm: launch.RunningArm, client_id: str) -> None:
        self.credential = ManagedIdentityCredential(client_id=client_id)
        # A test does not wait as long as Azure's answers say. There is one try, so that a fault is visible.
        common: dict[str, Any] = {
            "base_url": arm.arm,
            "connection_verify": str(arm.ca_file),
            "retry_total": 0,
            "polling_interval": 0.02,
        }
        self.azure = Azure(
            arm=arm,
            compute=ComputeManagementClient(self.credential, arm.subscription_id, **common),
            containers=ContainerInstanceManagementClient(self.credential, arm.subscription_id, **common),
            resources=ResourceManagementClient(self.credential, arm.subscription_id, **common),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self.azure.compute, self.azure.containers, self.azure.resources, self.credential):
            client.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs. A process that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_gone(pid: int) -> None:
    """Return when the process has ended. Fail after ten seconds."""
    end = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.02)
