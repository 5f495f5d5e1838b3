"""The contract of Resources: what carries our tag is listed and can be deleted; the rest is not seen."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from azure.mgmt.resource.resources import ResourceManagementClient

from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.adapters.memory.ports import twins
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import (
    Containers,
    GalleryImageVersion,
    NewContainerGroup,
    Resources,
    TaggedResource,
    VersionState,
)
from tests.contract import machines
from tests.contract.conftest import Azure

MACHINE, INTERFACE = "Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces"
QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
TAGS = {"imagefactory-build": "b.1", "imagefactory-lease": "2026-11-21T10:00:00Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The port, and ways to leave a machine, a machine on an interface, or a version with tags."""

    resources: Resources
    containers: Containers
    leave: Callable[[dict[str, str]], str]
    leave_pair: Callable[[dict[str, str]], tuple[str, str]]
    capture: Callable[[str, str, dict[str, str]], None]

    def ids(self) -> set[str]:
        return {each.id for each in self.resources.list_build_resources()}

    def get(self, resource: str) -> TaggedResource:
        (found,) = [each for each in self.resources.list_build_resources() if each.id == resource]
        return found

    def wait_gone(self, resource: str) -> None:
        deadline = time.monotonic() + 15
        while resource in self.ids():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(params=["memory", "azure"])
def ground(request: pytest.FixtureRequest) -> Ground:
    return _memory() if request.param == "memory" else _azure(request.getfixturevalue("azure"))


def _memory() -> Ground:
    ports = twins([QUARANTINE, LIVE])

    def name(kind: str) -> str:
        return f"/subscriptions/s/resourceGroups/rg/providers/{kind}/{uuid.uuid4().hex}"

    def leave(tags: dict[str, str]) -> str:
        made = TaggedResource(id=name(MACHINE), type=MACHINE, tags=tags)
        ports.resources.add(made)
        return made.id

    def leave_pair(tags: dict[str, str]) -> tuple[str, str]:
        machine = leave(tags)
        interface = TaggedResource(id=name(INTERFACE), type=INTERFACE, tags=tags)
        ports.resources.add(interface, used_by=machine)
        return machine, interface.id

    def capture(image: str, version: str, tags: dict[str, str]) -> None:
        made = GalleryImageVersion(
            gallery=QUARANTINE,
            image=ImageName(image),
            version=GalleryVersion.parse(version),
            state=VersionState.READY,
            excluded_from_latest=True,
            tags=tags,
        )
        ports.galleries.add_version(made)

    return Ground(
        resources=ports.resources,
        containers=ports.containers,
        leave=leave,
        leave_pair=leave_pair,
        capture=capture,
    )


def _azure(azure: Azure) -> Ground:
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )

    def capture(image: str, version: str, tags: dict[str, str]) -> None:
        galleries.ensure_image(QUARANTINE, ImageName(image), machines.TRAITS)
        machines.capture(azure, image, version, wait=True, **tags)

    return Ground(
        resources=AzureResources(azure.clients.resources, azure.configuration),
        containers=AzureContainers(azure.clients.containers, azure.configuration),
        leave=lambda tags: machines.create(azure, **tags),
        leave_pair=lambda tags: machines.create_pair(azure, **tags),
        capture=capture,
    )


def test_only_what_carries_our_tag_is_listed_with_all_its_tags(ground: Ground) -> None:
    ours, theirs = ground.leave(TAGS), ground.leave({"owner": "somebody"})
    found = {each.id: each for each in ground.resources.list_build_resources()}
    assert ours in found
    assert theirs not in found
    assert (found[ours].type, dict(found[ours].tags)) == (MACHINE, TAGS)


def test_a_deleted_resource_goes_and_may_be_deleted_again(ground: Ground) -> None:
    name = ground.leave({"imagefactory-build": "b.2"})
    resource = ground.get(name)
    ground.resources.begin_delete(resource)
    ground.wait_gone(name)
    ground.resources.begin_delete(resource)


def test_what_is_in_use_is_refused_for_now(ground: Ground) -> None:
    machine, interface = (ground.get(each) for each in ground.leave_pair(TAGS))
    with pytest.raises(TransientError, match="in use") as refused:
        ground.resources.begin_delete(interface)
    assert refused.value.error_class is ErrorClass.CONFLICT
    ground.resources.begin_delete(machine)
    ground.wait_gone(machine.id)
    ground.resources.begin_delete(interface)
    ground.wait_gone(interface.id)


def test_container_groups_are_among_the_resources(ground: Ground) -> None:
    name = f"if-build-{uuid.uuid4().hex[:12]}"
    ground.containers.create_group(NewContainerGroup(name=name, environment={"IF_JOB": "sleep"}, tags=TAGS))
    (group,) = [each for each in ground.resources.list_build_resources() if each.id.endswith(f"/{name}")]
    assert (group.type, dict(group.tags)) == ("Microsoft.ContainerInstance/containerGroups", TAGS)
    ground.resources.begin_delete(group)
    ground.wait_gone(group.id)
    assert ground.containers.find_group(name) is None


def test_versions_of_every_image_of_one_gallery_are_listed_with_their_tags(
    ground: Ground, unique_name: Callable[[str], str]
) -> None:
    first, second, theirs = (unique_name(name) for name in ("first", "second", "theirs"))
    ground.capture(first, "9.20261121.1", TAGS)
    ground.capture(second, "9.20261121.2", TAGS)
    ground.capture(theirs, "9.20261121.3", {"owner": "somebody"})
    found = {str(each.image): each for each in ground.resources.list_build_versions(QUARANTINE)}
    assert theirs not in found
    assert {str(found[name].version) for name in (first, second)} == {"9.20261121.1", "9.20261121.2"}
    assert (found[first].gallery, dict(found[first].tags)) == (QUARANTINE, TAGS)
    images = {str(each.image) for each in ground.resources.list_build_versions(LIVE)}
    assert not images & {first, second}
    with pytest.raises(NotFound):
        ground.resources.list_build_versions(GalleryName("elsewhere"))


def test_a_type_that_is_not_known_is_reported_and_not_guessed(azure: Azure) -> None:
    resource = TaggedResource(id="/subscriptions/s/x", type="Microsoft.Strange/things")
    with pytest.raises(PermanentError, match=r"Microsoft\.Strange/things"):
        AzureResources(azure.clients.resources, azure.configuration).begin_delete(resource)


def test_a_gallery_of_another_subscription_is_reported_and_not_taken_for_empty(azure: Azure) -> None:
    away = replace(azure.configuration.place(QUARANTINE), subscription_id="another")
    configuration = replace(azure.configuration, galleries={"quarantine": away})
    with pytest.raises(PermanentError, match="own subscription"):
        AzureResources(azure.clients.resources, configuration).list_build_versions(QUARANTINE)


def test_versions_of_a_gallery_in_another_subscription_are_listed_there(azure: Azure) -> None:
    away = replace(azure.configuration.place(QUARANTINE), subscription_id="another")
    configuration = replace(azure.configuration, galleries={"quarantine": away})
    asked: list[str] = []

    def elsewhere(subscription_id: str) -> ResourceManagementClient:
        asked.append(subscription_id)
        return azure.clients.resources

    there = AzureResources(azure.clients.resources, configuration, elsewhere)
    here = AzureResources(azure.clients.resources, azure.configuration)
    assert there.list_build_versions(QUARANTINE) == here.list_build_versions(QUARANTINE)
    assert asked == ["another"]
    assert azure.clients.resources_of("another") is azure.clients.resources_of("another")


def test_a_managed_image_that_packer_left_is_listed_and_deleted(azure: Azure) -> None:
    """With the rights of the factory's role, which `tests/unit/infra` holds against Terraform's."""
    resources = AzureResources(azure.clients.resources, azure.configuration)
    tags = {"imagefactory-build": f"managed-{uuid.uuid4().hex[:8]}"}
    left = machines.leave_managed_image(azure, **tags)
    (found,) = [each for each in resources.list_build_resources() if each.tags == tags]
    assert (found.id.lower(), found.type.lower()) == (left.lower(), "microsoft.compute/images")
    resources.begin_delete(found)
    resources.begin_delete(found)
    deadline = time.monotonic() + 10
    while any(each.tags == tags for each in resources.list_build_resources()):
        assert time.monotonic() < deadline, "the managed image stays"
