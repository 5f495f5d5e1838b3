"""Security types on the emulator: which source a version may have, which machine boots from what. By the real SDK.

Each test breaks one rule of `local.arm.galleries.security`, `features` or `local.arm.compute.images`, which name the
document that says how Azure behaves.
"""

import uuid
from collections.abc import Mapping

import pytest
from azure.core.exceptions import HttpResponseError

from tests.local.arm.conftest import Azure, Body, sign_in

GROUP = "rg-gallery"
STANDARD, TRUSTED, SUPPORTED = "Standard", "TrustedLaunch", "TrustedLaunchSupported"
GEN2 = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.6.2025112113"}
GEN1 = {**GEN2, "sku": "9-lvm"}


def define(
    azure: Azure,
    security: str,
    *,
    gallery: str = "quarantine",
    name: str = "",
    generation: str = "V2",
    **more: object,
) -> str:
    """An image definition; its name."""
    name = name or f"image-{uuid.uuid4().hex[:8]}"
    body: Body = {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": generation,
            "features": [{"name": "SecurityType", "value": security}] if security else [],
            "identifier": {"publisher": "factory", "offer": gallery, "sku": name},
            **more,
        },
    }
    azure.compute.gallery_images.begin_create_or_update(GROUP, gallery, name, body).result()
    return name


def machine(
    azure: Azure, security: str = STANDARD, *, generalized: bool = True, of: Mapping[str, str] = GEN2
) -> str:
    """A machine of an image reference; its resource id."""
    name = f"vm{uuid.uuid4().hex[:8]}"
    properties: Body = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": dict(of),
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
        },
    }
    if security != STANDARD:
        properties["securityProfile"] = {"securityType": security}
    machines = azure.compute.virtual_machines
    body: Body = {"location": "westeurope", "properties": properties}
    made = machines.begin_create_or_update("rg-build", name, body).result()
    if generalized:
        machines.begin_deallocate("rg-build", name).result()
        machines.generalize("rg-build", name)
    return str(made.id)


def managed_image(azure: Azure, source: str) -> str:
    """A managed image of a machine; its resource id."""
    body: Body = {"location": "westeurope", "properties": {"sourceVirtualMachine": {"id": source}}}
    name = f"image-{uuid.uuid4().hex[:8]}"
    return str(azure.compute.images.begin_create_or_update("rg-build", name, body).result().id)


def publish(
    azure: Azure, image: str, source: str, *, gallery: str = "quarantine", version: str = "1.0.1"
) -> str:
    """A version made from a machine, a managed image or a version; its resource id."""
    field = "virtualMachineId" if "/virtualMachines/" in source else "id"
    body: Body = {"location": "westeurope", "properties": {"storageProfile": {"source": {field: source}}}}
    versions = azure.compute.gallery_image_versions
    return str(versions.begin_create_or_update(GROUP, gallery, image, version, body).result().id)


def version_in(azure: Azure, security: str) -> tuple[str, str]:
    """Name of an image with a version, made in the documented way, and the version's id."""
    image = define(azure, security)
    source = machine(azure, TRUSTED if security == TRUSTED else STANDARD)
    return image, publish(azure, image, managed_image(azure, source) if security == SUPPORTED else source)


def code_of(error: HttpResponseError) -> str:
    return str(error.error.code if error.error else "")


@pytest.mark.parametrize("security", [STANDARD, TRUSTED])
def test_no_machine_is_a_source_for_trusted_launch_supported(azure: Azure, security: str) -> None:
    """hashicorp/packer-plugin-azure#304, #528; microsoft/STL#4682."""
    image, source = define(azure, SUPPORTED), machine(azure, security)
    with pytest.raises(HttpResponseError, match="Currently only Vhd Blob, User Image") as refusal:
        publish(azure, image, source)
    assert code_of(refusal.value) == "InvalidParameter"


def test_a_managed_image_is_a_source_for_trusted_launch_supported(azure: Azure) -> None:
    image, version = version_in(azure, SUPPORTED)
    assert version.lower().endswith(f"/images/{image}/versions/1.0.1")


def test_no_managed_image_is_made_of_a_trusted_launch_machine(azure: Azure) -> None:
    """hashicorp/packer#13189; azure-compute-docs, trusted-launch.md, unsupported features."""
    source = machine(azure, TRUSTED)
    with pytest.raises(HttpResponseError, match="Creation of managed images are not supported") as refusal:
        managed_image(azure, source)
    assert code_of(refusal.value) == "OperationNotAllowed"


def test_a_managed_image_needs_a_generalized_machine(azure: Azure) -> None:
    """ansible/ansible#37158."""
    source = machine(azure, generalized=False)
    with pytest.raises(
        HttpResponseError, match=r"requires the Virtual Machine .* to be Generalized"
    ) as refusal:
        managed_image(azure, source)
    assert code_of(refusal.value) == "OperationNotAllowed"


def test_a_managed_image_needs_a_machine_that_exists(azure: Azure) -> None:
    with pytest.raises(HttpResponseError) as refusal:
        managed_image(azure, machine(azure) + "x")
    assert code_of(refusal.value) == "ResourceNotFound"
    with pytest.raises(HttpResponseError) as refusal:
        managed_image(azure, "")
    assert code_of(refusal.value) == "InvalidParameter"


def test_a_managed_image_is_listed_read_and_deleted_and_outlives_its_machine(azure: Azure) -> None:
    source = machine(azure)
    name = managed_image(azure, source).rsplit("/", 1)[1]
    azure.compute.virtual_machines.begin_delete("rg-build", source.rsplit("/", 1)[1]).result()
    found = azure.compute.images.get("rg-build", name)
    assert found.as_dict()["properties"]["hyperVGeneration"] == "V2"
    assert name in [each.name for each in azure.compute.images.list_by_resource_group("rg-build")]
    azure.compute.images.begin_delete("rg-build", name).result()
    azure.compute.images.begin_delete("rg-build", name).result()
    assert name not in [each.name for each in azure.compute.images.list_by_resource_group("rg-build")]


def test_guest_state_goes_into_no_other_definition(azure: Azure) -> None:
    """azure-compute-docs, trusted-launch-portal.md; the text is in a public log of a capture."""
    _, with_state = version_in(azure, TRUSTED)
    for security, source in (
        (SUPPORTED, with_state),
        (STANDARD, with_state),
        (STANDARD, machine(azure, TRUSTED)),
    ):
        image = define(azure, security, gallery="live")
        with pytest.raises(
            HttpResponseError, match="contains TrustedLaunch or ConfidentialVM security"
        ) as refusal:
            publish(azure, image, source, gallery="live")
        assert code_of(refusal.value) == "Conflict"


def test_a_source_without_guest_state_is_not_for_a_trusted_launch_definition(azure: Azure) -> None:
    """azure-compute-docs, trusted-launch-portal.md lists the sources of such a definition."""
    _, without_state = version_in(azure, SUPPORTED)
    for source in (machine(azure), managed_image(azure, machine(azure)), without_state):
        image = define(azure, TRUSTED)
        with pytest.raises(HttpResponseError, match="no VM guest state") as refusal:
            publish(azure, image, source)
        assert code_of(refusal.value) == "InvalidParameter"


@pytest.mark.parametrize("security", [STANDARD, TRUSTED, SUPPORTED])
def test_a_version_is_copied_into_a_definition_of_its_own_type(azure: Azure, security: str) -> None:
    image, version = version_in(azure, security)
    define(azure, security, gallery="live", name=image)
    assert "/galleries/live/" in publish(azure, image, version, gallery="live")


def test_a_trusted_launch_version_boots_as_trusted_launch_only(azure: Azure) -> None:
    """hashicorp/terraform-provider-azurerm#23148."""
    _, version = version_in(azure, TRUSTED)
    with pytest.raises(
        HttpResponseError, match=r"only supports creation of VMs .* 'TrustedLaunch'"
    ) as refusal:
        machine(azure, of={"id": version})
    assert code_of(refusal.value) == "BadRequest"
    assert machine(azure, TRUSTED, of={"id": version})


def test_a_supported_version_boots_either_way(azure: Azure) -> None:
    _, version = version_in(azure, SUPPORTED)
    assert machine(azure, of={"id": version})
    assert machine(azure, TRUSTED, of={"id": version})


def test_what_is_not_for_trusted_launch_does_not_boot_as_such(azure: Azure) -> None:
    """Azure/azure-cli#27975, #28005."""
    _, version = version_in(azure, STANDARD)
    for reference in ({"id": version}, GEN1):
        with pytest.raises(
            HttpResponseError, match="Use of TrustedLaunch setting is not supported"
        ) as refusal:
            machine(azure, TRUSTED, of=reference)
        assert code_of(refusal.value) == "BadRequest"


def test_a_source_has_the_generation_of_its_definition(azure: Azure) -> None:
    """MicrosoftDocs/azure-docs#118774; hashicorp/packer-plugin-azure#42."""
    source = machine(azure, of=GEN1)
    for found in (source, managed_image(azure, source)):
        with pytest.raises(HttpResponseError, match="different Hypervisor generation \\['V1'\\]") as refusal:
            publish(azure, define(azure, STANDARD), found)
        assert code_of(refusal.value) == "Conflict"
    image = define(azure, STANDARD, generation="V1")
    assert publish(azure, image, source)


def test_a_new_definition_is_for_trusted_launch_unless_it_says_otherwise(azure: Azure) -> None:
    """azure-compute-docs, compute-gallery-whats-new.md, July 2025."""
    found = azure.compute.gallery_images.get(GROUP, "quarantine", define(azure, "")).as_dict()["properties"]
    assert found["features"] == [{"name": "SecurityType", "value": SUPPORTED}]


def test_a_definition_of_generation_1_is_for_no_trusted_launch(azure: Azure) -> None:
    """azure-compute-docs, trusted-launch.md."""
    with pytest.raises(HttpResponseError, match="Hypervisor generation 'V1'"):
        define(azure, SUPPORTED, generation="V1")


def test_features_change_only_for_a_caller_who_says_so(azure: Azure) -> None:
    """Azure/azure-cli#33172. Older versions keep their type, newer ones have the new one."""
    image, version = version_in(azure, STANDARD)
    body: Body = {
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "factory", "offer": "quarantine", "sku": image},
            "features": [{"name": "SecurityType", "value": SUPPORTED, "startsAtVersion": "2.0.0"}],
        }
    }
    images = azure.compute.gallery_images
    with pytest.raises(HttpResponseError, match=r"galleryImage\.properties\.features") as refusal:
        images.begin_update(GROUP, "quarantine", image, body).result()
    assert code_of(refusal.value) == "PropertyChangeNotAllowed"
    body["properties"]["allowUpdateImage"] = True
    body["properties"]["hyperVGeneration"] = "V1"
    with pytest.raises(HttpResponseError, match="hyperVGeneration"):
        images.begin_update(GROUP, "quarantine", image, body).result()
    del body["properties"]["hyperVGeneration"]
    images.begin_update(GROUP, "quarantine", image, body).result()
    assert publish(azure, image, machine(azure), version="1.0.2"), "before the new type begins"
    with pytest.raises(HttpResponseError, match="Currently only Vhd Blob, User Image"):
        publish(azure, image, machine(azure), version="2.0.0")
    newer = publish(azure, image, managed_image(azure, machine(azure)), version="2.0.0")
    assert machine(azure, TRUSTED, of={"id": newer})
    with pytest.raises(HttpResponseError, match="Use of TrustedLaunch setting"):
        machine(azure, TRUSTED, of={"id": version})


def test_the_source_must_be_in_reach_of_the_caller(azure: Azure) -> None:
    """azure-compute-docs, shared-image-galleries.md: a managed image must be readable for the caller."""
    image, source = define(azure, SUPPORTED), managed_image(azure, machine(azure))
    client = "d1d1d1d1-0000-4000-8000-000000000005"
    azure.arm.ask(
        "POST", "rights", {"client_id": client, "actions": ["Microsoft.Compute/galleries/images/versions/*"]}
    )
    with sign_in(azure.arm, client) as clients, pytest.raises(HttpResponseError) as refusal:
        publish(clients.azure, image, source)
    assert code_of(refusal.value) == "AuthorizationFailed"
