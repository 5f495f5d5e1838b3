"""The two sides of every contract: the twin in memory, and the adapter on Azurite or the ARM emulator.

`arm` is one emulator per session and worker; its contents are shared, so tests take names of their own.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.arm import launch
from pipeline_core.adapters.azure.clients import Clients
from pipeline_core.adapters.azure.configuration import Configuration, GalleryPlace
from pipeline_core.domain.names import GalleryName, ImageName, Region

BUILD_GROUP, GALLERY_GROUP = "rg-build", "rg-galleries"
AUDIENCE = "api://imagefactory"
FACTORY = "f0f0f0f0-0000-4000-8000-000000000002"
PUBLISHER = "e0e0e0e0-0000-4000-8000-000000000003"
CLEANER = "e0e0e0e0-0000-4000-8000-000000000007"
BUILDER = "b0b0b0b0-0000-4000-8000-000000000001"
PROGRAM = Path(__file__).with_name("container_program.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """The SDK clients as the wiring makes them, and the emulator behind them."""

    arm: launch.RunningArm
    configuration: Configuration
    clients: Clients


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.RunningArm]:
    """An emulator whose `imagefactory-builder` is our small program."""
    with launch.start(
        tmp_path_factory.mktemp("arm"),
        resource_groups=[BUILD_GROUP],
        galleries=[f"{GALLERY_GROUP}/quarantine", f"{GALLERY_GROUP}/live"],
        live_galleries=["live"],
        builder_client_id=BUILDER,
        replication_seconds=0.4,
        options=[
            f"--program=imagefactory-builder={sys.executable} -S {PROGRAM}",
            "--grace-seconds=2",
            "--restart-seconds=0.5",
            "--retry-after=0",
            "--patience-seconds=0",
            "--group-limit=8",
        ],
    ) as running:
        yield running


@pytest.fixture(scope="session")
def azure(arm: launch.RunningArm) -> Iterator[Azure]:
    """Clients with the factory's own managed identity, made by the code under test."""
    places = {
        name: GalleryPlace(
            subscription_id=arm.subscription_id, resource_group=GALLERY_GROUP, name=GalleryName(name)
        )
        for name in ("quarantine", "live")
    }
    configuration = Configuration(
        subscription_id=arm.subscription_id,
        tenant_id=arm.tenant_id,
        location=Region(arm.location),
        client_id=FACTORY,
        publisher_client_id=PUBLISHER,
        cleaner_client_id=CLEANER,
        blob_endpoint="https://127.0.0.1:9/none",
        queue_endpoint="https://127.0.0.1:9/none",
        table_endpoint="https://127.0.0.1:9/none",
        receivers_vault_uri=arm.vault,
        arm_endpoint=arm.arm,
        authority=arm.authority,
        audience=AUDIENCE,
        build_resource_group=BUILD_GROUP,
        builder_image="example.azurecr.io/imagefactory-builder@sha256:" + "0" * 64,
        builder_identity_id=(
            f"/subscriptions/{arm.subscription_id}/resourceGroups/{BUILD_GROUP}/providers"
            "/Microsoft.ManagedIdentity/userAssignedIdentities/builder"
        ),
        build_subnet_id="",
        galleries=places,
        ca_file=str(arm.ca_file),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDENTITY_ENDPOINT", arm.identity_endpoint)
        patch.setenv("IDENTITY_HEADER", arm.identity_header)
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            patch.delenv(name, raising=False)
        clients = Clients(configuration)
        yield Azure(arm=arm, configuration=configuration, clients=clients)
        clients.close()


@pytest.fixture
def no_faults(arm: launch.RunningArm) -> Iterator[None]:
    """No fault of this test meets the next one."""
    yield
    arm.ask("DELETE", "faults")


@pytest.fixture
def image(unique_name: Callable[[str], str]) -> ImageName:
    """An image that no other test has."""
    return ImageName(unique_name("image"))
