"""What the adapters begin on ARM they do not wait for: a function that waited would block for minutes."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import NewContainerGroup, NewGalleryVersion, VersionState
from tests.contract import machines
from tests.contract.conftest import Azure

QUARANTINE, LIVE, VERSION = GalleryName("quarantine"), GalleryName("live"), GalleryVersion(9, 20261121, 1)
_LATE = 0.5  # seconds: an SDK's poller asks from a thread of its own, after the call has returned


def requests_of(azure: Azure, act: Callable[[], Any]) -> list[str]:
    """The methods of the ARM requests that `act` made; a look at an operation shows as POLL."""
    azure.arm.ask("POST", "reset-counts")
    act()
    time.sleep(_LATE)
    routes = azure.arm.ask("GET", "requests")["routes"]
    names = {route: "POLL" if "operation" in route else route.split()[0] for route in routes}
    return sorted(names[route] for route, count in routes.items() for _ in range(count))


def test_galleries_begin_and_return(azure: Azure, image: ImageName) -> None:
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    made = requests_of(azure, lambda: galleries.ensure_image(QUARANTINE, image, machines.TRAITS))
    assert made == ["GET", "GET", "PUT"]  # the second look sees a definition that is ready at once
    assert requests_of(azure, lambda: galleries.ensure_image(QUARANTINE, image, machines.TRAITS)) == ["GET"]
    galleries.ensure_image(LIVE, image, machines.TRAITS)
    machines.capture(azure, str(image), str(VERSION), wait=True)
    new = NewGalleryVersion(
        gallery=LIVE,
        source_gallery=QUARANTINE,
        image=image,
        version=VERSION,
        regions=(TargetRegion(name=Region("westeurope")),),
        tags={},
    )
    assert requests_of(azure, lambda: galleries.begin_copy(new)) == ["GET", "PUT"]
    assert requests_of(azure, lambda: galleries.begin_copy(new)) == ["GET"]
    while (found := galleries.find_version(LIVE, image, VERSION)) and found.state is VersionState.CREATING:
        pass
    include = requests_of(azure, lambda: galleries.set_excluded(LIVE, image, VERSION, excluded=False))
    assert include == ["GET", "PATCH"]
    assert requests_of(azure, lambda: galleries.begin_delete(LIVE, image, VERSION)) == ["DELETE"]


def test_container_groups_begin_and_return(azure: Azure) -> None:
    containers = AzureContainers(azure.clients.containers, azure.configuration)
    name = f"if-build-{uuid.uuid4().hex[:12]}"
    new = NewContainerGroup(name=name, environment={"IF_JOB": "sleep"}, tags={})
    assert requests_of(azure, lambda: containers.create_group(new)) == ["PUT"]
    assert requests_of(azure, lambda: containers.find_group(name)) == ["GET"]
    assert requests_of(azure, lambda: containers.delete_group(name)) == ["DELETE"]
    while containers.find_group(name) is not None:
        pass


def test_deletions_of_resources_begin_and_return(azure: Azure) -> None:
    resources = AzureResources(azure.clients.resources, azure.configuration)
    machine = machines.create(azure, **{"imagefactory-build": "b.3"})
    (resource,) = [each for each in resources.list_build_resources() if each.id == machine]
    assert requests_of(azure, lambda: resources.begin_delete(resource)) == ["DELETE"]
