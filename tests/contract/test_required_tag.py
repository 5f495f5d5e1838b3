"""A subscription whose Azure Policy demands a tag: nothing is made without the setting, everything with it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError

from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import NewContainerGroup, NewGalleryVersion, VersionState
from tests.contract import machines
from tests.contract.conftest import Azure

TAG = "cost-centre"
LIVE, QUARANTINE = GalleryName("live"), GalleryName("quarantine")
VERSION = GalleryVersion(9, 20261121, 1)


@pytest.fixture
def policy(azure: Azure) -> Iterator[Callable[[], None]]:
    """Switches the policy on; it is off again at the end."""
    yield lambda: azure.arm.ask("POST", "tag-policy", {"tag": TAG})
    azure.arm.ask("POST", "tag-policy", {"tag": ""})


def _tagged(azure: Azure) -> Azure:
    return replace(azure, configuration=replace(azure.configuration, tags={TAG: "4711"}))


def _galleries(azure: Azure) -> AzureGalleries:
    return AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )


def _containers(azure: Azure) -> AzureContainers:
    return AzureContainers(azure.clients.containers, azure.configuration)


def _refused(action: Callable[[], None]) -> None:
    with pytest.raises(PermanentError, match="disallowed by policy") as refused:
        action()
    assert refused.value.error_class is ErrorClass.AZURE_POLICY


def test_an_image_definition_is_made_only_with_the_tag(
    azure: Azure, policy: Callable[[], None], image: ImageName
) -> None:
    policy()
    _refused(lambda: _galleries(azure).ensure_image(LIVE, image, OsTraits()))
    _galleries(_tagged(azure)).ensure_image(LIVE, image, OsTraits())
    assert _galleries(azure).find_image(LIVE, image) == OsTraits()


def test_a_container_group_is_made_only_with_the_tag(
    azure: Azure, policy: Callable[[], None], image: ImageName
) -> None:
    policy()
    new = NewContainerGroup(name=f"if-{image}", environment={}, tags={"imagefactory-build": "b.1"})
    _refused(lambda: _containers(azure).create_group(new))
    assert _containers(azure).find_group(new.name) is None
    _containers(_tagged(azure)).create_group(new)
    found = _containers(azure).find_group(new.name)
    assert found is not None
    assert found.tags == {"imagefactory-build": "b.1", TAG: "4711"}
    _containers(azure).delete_group(new.name)


def test_a_version_is_copied_only_with_the_tag_and_keeps_it_when_it_is_let_in(
    azure: Azure, policy: Callable[[], None], image: ImageName
) -> None:
    for gallery in (QUARANTINE, LIVE):
        _galleries(azure).ensure_image(gallery, image, machines.TRAITS)
    machines.capture(azure, str(image), str(VERSION), wait=True)
    policy()
    new = NewGalleryVersion(
        gallery=LIVE,
        source_gallery=QUARANTINE,
        image=image,
        version=VERSION,
        regions=(TargetRegion(name=Region("westeurope")),),
        tags={"imagefactory-build": "b.1"},
    )
    _refused(lambda: _galleries(azure).begin_copy(new))
    tagged = _galleries(_tagged(azure))
    tagged.begin_copy(new)
    end = time.monotonic() + 15
    while (
        found := tagged.find_version(LIVE, image, VERSION)
    ) is None or found.state is VersionState.CREATING:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    tagged.set_excluded(LIVE, image, VERSION, excluded=False)
    found = tagged.find_version(LIVE, image, VERSION)
    assert found is not None
    assert found.tags == {"imagefactory-build": "b.1", TAG: "4711"}


def test_the_managed_image_of_a_build_is_made_only_with_the_tag(
    azure: Azure, policy: Callable[[], None]
) -> None:
    machine = machines.generalized(azure)
    policy()
    with pytest.raises(HttpResponseError, match="disallowed by policy"):
        machines.managed_image(azure, machine, {"imagefactory-build": "b.1"})
    assert machines.managed_image(azure, machine, {"imagefactory-build": "b.1", TAG: "4711"})
