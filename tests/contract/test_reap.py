"""The reaper on the resource manager's own wire: of two builds, both old, all of the dead one's goes."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.ports import twins
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.deployment import Deployment
from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.names import GalleryName, ImageName, Region, TeamName, build_id
from pipeline_core.ports import NewContainerGroup, TableWrite
from pipeline_core.services.upkeep.reap import Reaper
from pipeline_core.settings import Limits
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.wiring.foundation import foundation_of
from tests.contract import machines
from tests.contract.conftest import BUILD_GROUP, GALLERY_GROUP, Azure
from tests.unit.domain import factories

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
NOW = factories.NOW
LEASE = NOW - timedelta(days=2)


def tags(build: Build, until: datetime = LEASE) -> dict[str, str]:
    """What the launcher writes on everything of an attempt."""
    return {
        "imagefactory-attempt": str(build.attempt),
        "imagefactory-build": str(build.id),
        "imagefactory-image": str(build.image),
        "imagefactory-lease": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        "imagefactory-stage": "build",
    }


def reaper_of(azure: Azure, images: ImageStore) -> Reaper:
    deployment = Deployment(
        subscription_id=azure.arm.subscription_id,
        location=Region(azure.arm.location),
        build_resource_group=BUILD_GROUP,
        gallery_resource_group=GALLERY_GROUP,
        quarantine=QUARANTINE,
        live=(LIVE,),
        builder_client_id="builder",
        builder_image="builder@sha256:none",
        vm_subnet_id="",
        blob_endpoint="",
        queue_endpoint="",
        secops=TeamName("secops"),
    )
    limits = Limits(slots=1, creates_per_hour=1, team_slots=1, wait=timedelta(seconds=30))
    ports = replace(twins([]), clock=ManualClock(NOW))
    base = foundation_of(ports, deployment, limits)
    return Reaper(
        effects=base.effects,
        images=images,
        index=base.records.index,
        capacity=base.records.capacity,
        resources=AzureResources(azure.clients.resources, azure.configuration),
        galleries=AzureGalleries(
            azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
        ),
        deployment=deployment,
    )


def make_all(azure: Azure, build: Build, version: str) -> set[str]:
    """A machine with its interface and disk, a container group and a version, as a killed builder leaves them."""
    given = tags(build)
    machine, interface = machines.create_pair(azure, **given)
    machines.capture(azure, str(build.image), version, wait=True, **given)
    containers = AzureContainers(azure.clients.containers, azure.configuration)
    group = f"if-build-{build.image}-{build.generation}"
    containers.create_group(NewContainerGroup(name=group, environment={"IF_JOB": "sleep"}, tags=given))
    disk = machine.replace("virtualMachines", "disks") + "-disk"
    group_id = (
        f"{machine.split('/providers/')[0]}/providers/Microsoft.ContainerInstance/containerGroups/{group}"
    )
    return {machine, interface, disk, group_id}


@pytest.fixture
def pair(image: ImageName) -> tuple[Build, Build]:
    """A build of one image that has failed, and one that goes on."""
    running = replace(factories.build(Phase.BUILDING), image=image)
    dead = replace(running, id=build_id(image, running.fingerprint, 1))
    live = replace(running, id=build_id(image, running.fingerprint, 2), generation=2)
    return builds.finish(dead, Result.FAILED, NOW - timedelta(days=3)), live


def test_all_of_the_dead_build_goes_and_nothing_of_the_live_one(
    azure: Azure, pair: tuple[Build, Build]
) -> None:
    dead, live = pair
    images = ImageStore(MemoryTables())
    images.commit([records.put_build(each, etag=None) for each in pair])
    reaper = reaper_of(azure, images)
    reaper.galleries.ensure_image(QUARANTINE, dead.image, machines.TRAITS)
    gone, stay = make_all(azure, dead, "9.20261121.1"), make_all(azure, live, "9.20261121.2")

    def left() -> set[str]:
        found = {each.id for each in reaper.resources.list_build_resources()} & (gone | stay)
        versions = reaper.galleries.list_versions(QUARANTINE, dead.image)
        return found | {str(each.version) for each in versions}

    assert left() == gone | stay | {"9.20261121.1", "9.20261121.2"}
    deadline = time.monotonic() + 30
    while left() != stay | {"9.20261121.2"}:
        assert time.monotonic() < deadline, left() - stay
        reaper.reap()
    told = [entry.detail for entry in images.list_journal(dead.image, limit=100)]
    assert len(told) == len(gone) + 1
    assert all(detail.endswith("its build has ended") for detail in told)
    images.commit([_ended(images, live)])
    while left():
        assert time.monotonic() < deadline, left()
        reaper.reap()


def _ended(images: ImageStore, build: Build) -> TableWrite:
    stored = images.find_build(build.id)
    assert stored is not None
    return records.put_build(builds.finish(build, Result.CANCELLED, NOW), etag=stored.etag)
