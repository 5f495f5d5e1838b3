"""Images that are sold with a plan, and disks below their image: the emulator refuses what Azure refuses."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.local.arm.conftest import Azure, Body
from tests.local.arm.test_arm_galleries import GROUP, definition, version_of

BYOS = {"publisher": "RedHat", "offer": "rhel-byos", "sku": "rhel-lvm9-gen2", "version": "9.6.2025112113"}
PLAN = {"publisher": "redhat", "name": "rhel-lvm9-gen2", "product": "rhel-byos"}


def _body(reference: dict[str, str], plan: dict[str, str] | None = None, **disk: Any) -> Body:
    body: dict[str, Any] = {
        "location": "westeurope",
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "imageReference": reference,
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", **disk},
            },
        },
    }
    return body | ({"plan": plan} if plan else {})


def _machine(azure: Azure, body: Body) -> str:
    name = f"vm{uuid.uuid4().hex[:8]}"
    return str(azure.compute.virtual_machines.begin_create_or_update("rg-build", name, body).result().id)


def _refused(azure: Azure, body: Body) -> HttpResponseError:
    with pytest.raises(HttpResponseError) as refused:
        _machine(azure, body)
    return refused.value


def _code(error: HttpResponseError) -> str:
    assert error.error is not None
    return str(error.error.code)


@pytest.fixture
def refused_terms(azure: Azure) -> Iterator[None]:
    """The terms of the plan are not accepted in this subscription."""
    azure.arm.ask("POST", "marketplace-terms", {**PLAN, "accepted": False})
    yield
    azure.arm.ask("POST", "marketplace-terms", {**PLAN, "accepted": True})


def test_a_machine_of_a_planned_image_names_the_plan(azure: Azure) -> None:
    error = _refused(azure, _body(BYOS))
    assert error.status_code == 400
    assert _code(error) == "VMMarketplaceInvalidInput"
    assert "requires Plan information in the request" in str(error)
    assert _machine(azure, _body(BYOS, PLAN))


@pytest.mark.parametrize("part", sorted(PLAN))
def test_a_plan_is_spelled_as_the_marketplace_spells_it(azure: Azure, part: str) -> None:
    error = _refused(azure, _body(BYOS, {**PLAN, part: PLAN[part].upper()}))
    assert _code(error) == "VMMarketplaceInvalidInput"
    assert "case-sensitive" in str(error)


@pytest.mark.usefixtures("refused_terms")
def test_the_terms_of_a_plan_must_be_accepted(azure: Azure) -> None:
    error = _refused(azure, _body(BYOS, PLAN))
    assert _code(error) == "MarketplacePurchaseEligibilityFailed"
    assert "Legal terms have not been accepted" in str(error)


def _version(azure: Azure, plan: dict[str, str] | None, *, size: int | None = None) -> tuple[str, str]:
    """A version of a planned machine in an image definition with this plan: the definition's name and its id."""
    machine = _machine(azure, _body(BYOS, PLAN, **({"diskSizeGB": size} if size else {})))
    machines = azure.compute.virtual_machines
    name = machine.rsplit("/", 1)[1]
    machines.begin_deallocate("rg-build", name).result()
    machines.generalize("rg-build", name)
    image = f"image-{uuid.uuid4().hex[:8]}"
    _define(azure, "quarantine", image, plan)
    body = version_of("")
    body["properties"]["storageProfile"]["source"] = {"virtualMachineId": machine}
    versions = azure.compute.gallery_image_versions
    made = versions.begin_create_or_update(GROUP, "quarantine", image, "1.0.1", body).result()
    return image, str(made.id)


def _define(azure: Azure, gallery: str, image: str, plan: dict[str, str] | None) -> None:
    body = definition(image)
    if plan is not None:
        body["properties"]["purchasePlan"] = plan
    azure.compute.gallery_images.begin_create_or_update(GROUP, gallery, image, body).result()


@pytest.mark.parametrize("kept", [None, PLAN], ids=["definition-without", "definition-with"])
def test_an_image_made_from_a_planned_one_needs_the_plan_too(
    azure: Azure, kept: dict[str, str] | None
) -> None:
    """Also where its definition does not know the plan: Azure remembers (hashicorp/packer#12616)."""
    _, version = _version(azure, kept)
    assert _code(_refused(azure, _body({"id": version}))) == "VMMarketplaceInvalidInput"
    assert _machine(azure, _body({"id": version}, PLAN))


def test_a_copy_in_another_gallery_needs_it_as_well(azure: Azure) -> None:
    image, version = _version(azure, PLAN)
    _define(azure, "live", image, PLAN)
    versions = azure.compute.gallery_image_versions
    copy = versions.begin_create_or_update(GROUP, "live", image, "1.0.1", version_of(version)).result()
    assert _code(_refused(azure, _body({"id": str(copy.id)}))) == "VMMarketplaceInvalidInput"


def test_a_version_goes_into_no_definition_of_another_plan(azure: Azure) -> None:
    image, version = _version(azure, PLAN)
    _define(azure, "live", image, {**PLAN, "name": "rhel-lvm9"})
    with pytest.raises(HttpResponseError) as refused:
        azure.compute.gallery_image_versions.begin_create_or_update(
            GROUP, "live", image, "1.0.1", version_of(version)
        ).result()
    assert _code(refused.value) == "InvalidParameter"


@pytest.mark.parametrize(("kept", "asked"), [(None, PLAN), (PLAN, None), (PLAN, {**PLAN, "name": "other"})])
def test_a_definition_never_changes_its_plan(
    azure: Azure, kept: dict[str, str] | None, asked: dict[str, str] | None
) -> None:
    image = f"image-{uuid.uuid4().hex[:8]}"
    _define(azure, "live", image, kept)
    _define(azure, "live", image, kept)
    with pytest.raises(HttpResponseError) as refused:
        _define(azure, "live", image, asked)
    assert refused.value.status_code == 409
    assert _code(refused.value) == "PropertyChangeNotAllowed"
    assert "purchasePlan" in str(refused.value)


@pytest.mark.parametrize(("size", "code"), [(63, "OperationNotAllowed"), (4096, "InvalidParameter")])
def test_a_disk_is_not_below_its_image_and_not_above_the_largest(azure: Azure, size: int, code: str) -> None:
    error = _refused(azure, _body(BYOS, PLAN, diskSizeGB=size))
    assert _code(error) == code
    if size == 63:
        assert "63 GB is smaller than the size of the corresponding disk in the VM image: 64 GB" in str(error)


def test_a_version_has_the_size_of_the_disk_it_was_made_from(azure: Azure) -> None:
    image, version = _version(azure, PLAN, size=128)
    made = azure.compute.gallery_image_versions.get(GROUP, "quarantine", image, "1.0.1")
    assert made.storage_profile.os_disk_image.size_in_gb == 128
    assert _code(_refused(azure, _body({"id": version}, PLAN, diskSizeGB=64))) == "OperationNotAllowed"
    assert _machine(azure, _body({"id": version}, PLAN, diskSizeGB=128))
