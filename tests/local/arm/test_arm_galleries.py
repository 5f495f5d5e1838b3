"""Galleries of the emulator, by the real Compute SDK."""

import time
import uuid

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.local.arm.conftest import Azure, Body

GROUP = "rg-gallery"


def definition(name: str) -> Body:
    return {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "features": [{"name": "SecurityType", "value": "Standard"}],
            "identifier": {"publisher": "factory", "offer": "rhel", "sku": name},
        },
    }


def version_of(source: str, *regions: str, excluded: bool = False, **tags: str) -> Body:
    names = regions or ("westeurope",)
    return {
        "location": "westeurope",
        "tags": tags,
        "properties": {
            "publishingProfile": {
                "targetRegions": [{"name": name, "regionalReplicaCount": 1} for name in names],
                "excludeFromLatest": excluded,
            },
            "storageProfile": {"source": {"id": source}},
        },
    }


def machine(azure: Azure, *, generalized: bool) -> str:
    name = f"vm{uuid.uuid4().hex[:8]}"
    body: Body = {
        "location": "westeurope",
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "imageReference": {
                    "publisher": "RedHat",
                    "offer": "RHEL",
                    "sku": "9-lvm-gen2",
                    "version": "9.6.2025112113",
                },
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            },
        },
    }
    machines = azure.compute.virtual_machines
    made = machines.begin_create_or_update("rg-build", name, body).result()
    assert made.provisioning_state == "Succeeded"
    if generalized:
        machines.begin_deallocate("rg-build", name).result()
        machines.generalize("rg-build", name)
    return str(made.id)


@pytest.fixture
def image(azure: Azure) -> str:
    """An image with the same definition in both galleries, and version 1.0.1 in quarantine."""
    name = f"image-{uuid.uuid4().hex[:8]}"
    for gallery in ("quarantine", "live"):
        azure.compute.gallery_images.begin_create_or_update(GROUP, gallery, name, definition(name)).result()
    body = version_of("")
    body["properties"]["storageProfile"]["source"] = {"virtualMachineId": machine(azure, generalized=True)}
    versions = azure.compute.gallery_image_versions
    versions.begin_create_or_update(GROUP, "quarantine", name, "1.0.1", body).result()
    return name


def source_id(azure: Azure, image: str, version: str = "1.0.1") -> str:
    return str(azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, version).id)


def test_a_copy_replicates_region_by_region_and_only_then_succeeds(azure: Azure, image: str) -> None:
    versions = azure.compute.gallery_image_versions
    body = version_of(source_id(azure, image), "westeurope", "northeurope", excluded=True, build="b.1")
    poller = versions.begin_create_or_update(GROUP, "live", image, "9.20261121.1", body)
    early = versions.get(GROUP, "live", image, "9.20261121.1", expand="ReplicationStatus")
    assert early.provisioning_state == "Creating"
    assert early.replication_status.aggregated_state == "InProgress"
    assert early.replication_status.summary[1].state == "Replicating"
    made = poller.result()
    assert made.provisioning_state == "Succeeded"
    late = versions.get(GROUP, "live", image, "9.20261121.1", expand="ReplicationStatus")
    assert late.replication_status.aggregated_state == "Completed"
    assert [each.progress for each in late.replication_status.summary] == [100, 100]
    assert late.publishing_profile.exclude_from_latest is True
    assert late.tags == {"build": "b.1"}


def test_including_a_version_keeps_its_regions_and_tags(azure: Azure, image: str) -> None:
    versions = azure.compute.gallery_image_versions
    body = version_of(source_id(azure, image), excluded=True, build="b.2")
    versions.begin_create_or_update(GROUP, "live", image, "9.20261121.2", body).result()
    change: Body = {"properties": {"publishingProfile": {"excludeFromLatest": False}, "storageProfile": {}}}
    versions.begin_update(GROUP, "live", image, "9.20261121.2", change).result()
    found = versions.get(GROUP, "live", image, "9.20261121.2")
    assert found.publishing_profile.exclude_from_latest is False
    assert [region.name for region in found.publishing_profile.target_regions] == ["westeurope"]
    assert found.tags == {"build": "b.2"}


def test_a_change_without_a_storage_profile_is_refused(azure: Azure, image: str) -> None:
    versions = azure.compute.gallery_image_versions
    versions.begin_create_or_update(
        GROUP, "live", image, "5.0.0", version_of(source_id(azure, image))
    ).result()
    change: Body = {"properties": {"publishingProfile": {"excludeFromLatest": True}}}
    with pytest.raises(HttpResponseError, match=r"storageProfile' is missing") as refused:
        versions.begin_update(GROUP, "live", image, "5.0.0", change)
    assert (refused.value.status_code, refused.value.error and refused.value.error.code) == (
        400,
        "InvalidParameter",
    )
    assert versions.get(GROUP, "live", image, "5.0.0").publishing_profile.exclude_from_latest is False


@pytest.mark.parametrize(
    ("version", "regions", "source", "code"),
    [
        ("1.0", (), "", "InvalidParameter"),
        ("7.9.20230301107", (), "", "InvalidParameter"),
        ("1.0.2", ("northeurope",), "", "InvalidParameter"),
        ("1.0.3", ("westeurope", "West Europe"), "", "InvalidParameter"),
        ("1.0.4", (), "/versions/9.9.9", "ResourceNotFound"),
    ],
    ids=["two parts", "above int32", "location not among regions", "a region twice", "no such source"],
)
def test_a_wrong_version_is_refused(
    azure: Azure, image: str, version: str, regions: tuple[str, ...], source: str, code: str
) -> None:
    good = source_id(azure, image)
    body = version_of(good.replace("/versions/1.0.1", source) if source else good, *regions)
    with pytest.raises(HttpResponseError) as refused:
        azure.compute.gallery_image_versions.begin_create_or_update(GROUP, "live", image, version, body)
    assert refused.value.error is not None
    assert refused.value.error.code == code


def test_a_version_needs_its_image_definition(azure: Azure, image: str) -> None:
    body = version_of(source_id(azure, image))
    with pytest.raises(ResourceNotFoundError, match=r"ParentResourceNotFound.*'live/nowhere' not found"):
        azure.compute.gallery_image_versions.begin_create_or_update(GROUP, "live", "nowhere", "1.0.0", body)


def test_a_change_during_replication_conflicts(azure: Azure, image: str) -> None:
    versions = azure.compute.gallery_image_versions
    body = version_of(source_id(azure, image))
    poller = versions.begin_create_or_update(GROUP, "live", image, "2.0.0", body)
    with pytest.raises(ResourceExistsError, match="concurrent request"):
        versions.begin_create_or_update(GROUP, "live", image, "2.0.0", body)
    poller.result()
    versions.begin_create_or_update(GROUP, "live", image, "2.0.0", body).result()  # the same again is fine


def test_the_source_of_a_version_cannot_change(azure: Azure, image: str) -> None:
    other = version_of(source_id(azure, image))
    versions = azure.compute.gallery_image_versions
    versions.begin_create_or_update(GROUP, "quarantine", image, "1.0.2", other).result()
    versions.begin_create_or_update(GROUP, "live", image, "3.0.0", other).result()
    body = version_of(source_id(azure, image, "1.0.2"))
    with pytest.raises(ResourceExistsError, match="PropertyChangeNotAllowed"):
        versions.begin_create_or_update(GROUP, "live", image, "3.0.0", body)


def test_a_machine_that_is_not_generalized_is_not_a_source(azure: Azure, image: str) -> None:
    body = version_of("")
    body["properties"]["storageProfile"]["source"] = {"virtualMachineId": machine(azure, generalized=False)}
    with pytest.raises(HttpResponseError, match="different OS state"):
        azure.compute.gallery_image_versions.begin_create_or_update(GROUP, "quarantine", image, "1.5.0", body)


def test_a_version_is_listed_until_it_is_deleted(azure: Azure, image: str) -> None:
    versions = azure.compute.gallery_image_versions
    assert [each.name for each in versions.list_by_gallery_image(GROUP, "quarantine", image)] == ["1.0.1"]
    versions.begin_delete(GROUP, "quarantine", image, "1.0.1").result()
    assert list(versions.list_by_gallery_image(GROUP, "quarantine", image)) == []
    with pytest.raises(ResourceNotFoundError):
        versions.get(GROUP, "quarantine", image, "1.0.1")
    versions.begin_delete(GROUP, "quarantine", image, "1.0.1").result()  # it is deleted already


def test_a_definition_with_versions_cannot_be_deleted(azure: Azure, image: str) -> None:
    with pytest.raises(ResourceExistsError, match="nested resources"):
        azure.compute.gallery_images.begin_delete(GROUP, "quarantine", image)
    azure.compute.gallery_images.begin_delete(GROUP, "live", image).result()
    with pytest.raises(ResourceNotFoundError):
        azure.compute.gallery_images.get(GROUP, "live", image)


def test_traits_of_a_definition_cannot_change(azure: Azure, image: str) -> None:
    changed = definition(image)
    changed["properties"]["hyperVGeneration"] = "V1"
    with pytest.raises(ResourceExistsError, match="PropertyChangeNotAllowed"):
        azure.compute.gallery_images.begin_create_or_update(GROUP, "live", image, changed)


def test_the_builder_writes_quarantine_but_never_the_live_gallery(
    azure: Azure, as_builder: Azure, image: str
) -> None:
    body = version_of(source_id(azure, image))
    versions = as_builder.compute.gallery_image_versions
    with pytest.raises(HttpResponseError) as refused:
        versions.begin_create_or_update(GROUP, "live", image, "6.6.6", body)
    assert refused.value.status_code == 403
    assert refused.value.error is not None
    assert refused.value.error.code == "AuthorizationFailed"
    assert "Microsoft.Compute/galleries/images/versions/write" in str(refused.value)
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        versions.begin_create_or_update(GROUP, "LIVE", image, "6.6.6", body)  # ARM ignores letter case
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        versions.begin_delete(GROUP, "quarantine", image, "1.0.1")
    versions.begin_create_or_update(GROUP, "quarantine", image, "6.6.6", body).result()
    assert azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "6.6.6").name == "6.6.6"
    assert list(versions.list_by_gallery_image(GROUP, "live", image)) == []


def test_replication_takes_its_time(azure: Azure, image: str) -> None:
    began = time.monotonic()
    body = version_of(source_id(azure, image))
    azure.compute.gallery_image_versions.begin_create_or_update(GROUP, "live", image, "4.0.0", body)
    while (
        azure.compute.gallery_image_versions.get(GROUP, "live", image, "4.0.0").provisioning_state
        == "Creating"
    ):
        time.sleep(0.02)
    assert time.monotonic() - began >= 0.3
