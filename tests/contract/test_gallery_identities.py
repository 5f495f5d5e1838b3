"""Who writes versions and who deletes them, and the fact of a version that changes when it is made anew."""

from dataclasses import replace

import pytest
from azure.identity import ManagedIdentityCredential

from imagefactory.gallery import VersionId, read_version
from local.arm.identity import rights
from pipeline_core.adapters.azure.clients import Clients
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.proofs import VersionFacts
from tests.contract import gallery_world, machines
from tests.contract.conftest import Azure
from tests.contract.gallery_world import LIVE, QUARANTINE, TRAITS, V1, SimulatedWorld

READER = "d0d0d0d0-0000-4000-8000-000000000004"
PUBLISHING_ONLY = "d0d0d0d0-0000-4000-8000-000000000005"
DELETING_ONLY = "d0d0d0d0-0000-4000-8000-000000000006"


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    return gallery_world.make(request.param, request, image)


def test_only_the_publishers_identity_writes_versions(azure: Azure, image: ImageName) -> None:
    """The application's own identity may only read versions here, and publishing goes through all the same."""
    azure.arm.ask("POST", "rights", {"client_id": READER, "actions": ["*/read", "*/galleries/images/write"]})
    configuration = replace(azure.configuration, client_id=READER)
    clients = Clients(configuration)
    galleries = AzureGalleries(clients.compute, clients.publisher, clients.cleaner, configuration)
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **gallery_world.ALONE)
    world.copy(V1)
    assert world.settle(V1) is not None
    alone = AzureGalleries(clients.compute, clients.compute, clients.compute, configuration)
    with pytest.raises(PermanentError) as refused:
        alone.begin_delete(LIVE, image, V1)
    assert refused.value.error_class is ErrorClass.PERMISSION
    clients.close()


def test_the_publisher_deletes_nothing_and_the_cleaner_publishes_nothing(
    azure: Azure, image: ImageName
) -> None:
    """With the rights of infra/roles.tf: the factory does both, and neither identity replaces a version alone."""
    configuration = replace(
        azure.configuration, publisher_client_id=PUBLISHING_ONLY, cleaner_client_id=DELETING_ONLY
    )
    for client, actions in (
        (PUBLISHING_ONLY, rights.PUBLISHER_ACTIONS),
        (DELETING_ONLY, rights.CLEANER_ACTIONS),
    ):
        azure.arm.ask("POST", "rights", {"client_id": client, "actions": list(actions)})
    clients = Clients(configuration)
    galleries = AzureGalleries(clients.compute, clients.publisher, clients.cleaner, configuration)
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **gallery_world.ALONE)
    publisher = AzureGalleries(clients.compute, clients.publisher, clients.publisher, configuration)
    cleaner = replace(
        world, galleries=AzureGalleries(clients.compute, clients.cleaner, clients.cleaner, configuration)
    )
    with pytest.raises(PermanentError, match="versions/write"):
        cleaner.copy(V1)
    world.copy(V1)
    assert world.settle(V1) is not None
    for gallery in (QUARANTINE, LIVE):
        with pytest.raises(PermanentError, match="versions/delete"):
            publisher.begin_delete(gallery, image, V1)
    galleries.begin_delete(LIVE, image, V1)
    assert world.settle(V1) is None
    clients.close()


def test_a_version_keeps_the_time_of_its_publication_until_it_is_made_anew(world: SimulatedWorld) -> None:
    """Azure's own recordings show it so (Azure/azure-cli, test_image_version_end_of_life_date.yaml)."""
    world.publish(V1)
    first = world.get(V1).published_at
    assert first is not None
    world.include(V1)
    world.settle(V1)
    world.galleries.set_regions(LIVE, world.image, V1, [])
    world.settle(V1)
    (listed,) = world.galleries.list_versions(LIVE, world.image)
    assert (world.get(V1).published_at, listed.published_at) == (first, first)
    world.galleries.begin_delete(LIVE, world.image, V1)
    assert world.settle(V1) is None
    world.copy(V1)
    world.settle(V1)
    second = world.get(V1).published_at
    assert second is not None
    assert second > first


def test_a_consumer_reads_from_azure_what_the_factory_reads(azure: Azure, image: ImageName) -> None:
    """`imagefactory verify --gallery-version-id` compares these facts with the signed record."""
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **gallery_world.ALONE)
    world.copy(V1)
    live = world.settle(V1)
    assert live is not None
    place = azure.configuration.place(LIVE)
    start = (
        f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}"
        f"/providers/Microsoft.Compute/galleries"
    )
    read = read_version(
        VersionId.parse(f"{start}/{LIVE}/images/{image}/versions/{V1}"),
        ManagedIdentityCredential(client_id=READER).get_token("https://management.azure.com/.default").token,
        arm=azure.configuration.arm_endpoint,
        ca_file=azure.configuration.ca_file,
    )
    assert (read.image, read.version, read.tags) == (str(image), str(V1), live.tags)
    assert read.facts == VersionFacts(
        source=f"{start}/{QUARANTINE}/images/{image}/versions/{V1}",
        published_at=live.published_at,
        disk_gb=live.disk_gb,
    )
    assert read.facts.published_at is not None
