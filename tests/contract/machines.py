"""Virtual machines as Packer makes them, by the SDK, and the managed image that is the source of a first version."""

import uuid
from collections.abc import Mapping
from typing import Any, cast

from pipeline_core.domain.definitions import OsTraits, SecurityType
from tests.contract.conftest import BUILD_GROUP, GALLERY_GROUP, Azure

GROUP = BUILD_GROUP
TRAITS = OsTraits(security_type=SecurityType.TRUSTED_LAUNCH_SUPPORTED)  # what `capture` makes versions for


def create(azure: Azure, **tags: str) -> str:
    """A machine; its resource id."""
    return _create(azure, f"vm-{uuid.uuid4().hex[:10]}", _body(azure, tags))


def create_pair(azure: Azure, **tags: str) -> tuple[str, str]:
    """A machine and the interface that it uses and leaves behind, like its disk; their resource ids."""
    name = f"pair-{uuid.uuid4().hex[:10]}"
    group = f"/subscriptions/{azure.arm.subscription_id}/resourceGroups/{GROUP}"
    interface = f"{group}/providers/Microsoft.Network/networkInterfaces/{name}"
    made: dict[str, Any] = {"location": azure.arm.location, "tags": tags, "properties": {}}
    azure.clients.resources.resources.begin_create_or_update_by_id(
        interface,
        cast(Any, made),  # as below
        api_version="2024-05-01",
        polling_interval=0.02,
    ).result()
    body = _body(azure, tags)
    body["properties"]["networkProfile"] = {"networkInterfaces": [{"id": interface}]}
    body["properties"]["storageProfile"]["osDisk"] = {"createOption": "FromImage", "name": f"{name}-disk"}
    return _create(azure, name, body), interface


def generalized(azure: Azure) -> str:
    """A machine that can be captured; its resource id."""
    compute = azure.clients.compute(azure.arm.subscription_id)
    machine = create(azure)
    name = machine.rsplit("/", 1)[1]
    compute.virtual_machines.begin_deallocate(GROUP, name, polling_interval=0.02).result()
    compute.virtual_machines.generalize(GROUP, name)
    return machine


def managed_image(azure: Azure, machine: str, tags: Mapping[str, str]) -> str:
    """A managed image of a generalized machine, with its name; its resource id."""
    compute = azure.clients.compute(azure.arm.subscription_id)
    name = machine.rsplit("/", 1)[1]
    body = {
        "location": azure.arm.location,
        "tags": dict(tags),
        "properties": {"sourceVirtualMachine": {"id": machine}},
    }
    made: Any = compute.images.begin_create_or_update(
        GROUP, name, cast(Any, body), polling_interval=0.02
    ).result()
    return str(made.id)


def leave_managed_image(azure: Azure, **tags: str) -> str:
    """A managed image with tags, as Packer leaves it; its resource id. Its machine is gone."""
    machine = generalized(azure)
    made = managed_image(azure, machine, tags)
    compute = azure.clients.compute(azure.arm.subscription_id)
    name = machine.rsplit("/", 1)[1]
    compute.virtual_machines.begin_delete(GROUP, name, polling_interval=0.02).result()
    return made


def capture(azure: Azure, image: str, version: str, *, wait: bool, **tags: str) -> None:
    """A version in quarantine, made from a machine that is gone afterwards; without `wait` it is being made."""
    compute = azure.clients.compute(azure.arm.subscription_id)
    machine = generalized(azure)
    name = machine.rsplit("/", 1)[1]
    source = managed_image(azure, machine, {})
    body: dict[str, Any] = {
        "location": azure.arm.location,
        "tags": tags,
        "properties": {
            "publishingProfile": {"targetRegions": [{"name": azure.arm.location}], "excludeFromLatest": True},
            "storageProfile": {"source": {"id": source}},
        },
    }
    poller = compute.gallery_image_versions.begin_create_or_update(
        GALLERY_GROUP,
        "quarantine",
        image,
        version,
        cast(Any, body),
        polling_interval=0.02,
    )
    if wait:
        poller.result()
        compute.virtual_machines.begin_delete(GROUP, name, polling_interval=0.02).result()
        compute.images.begin_delete(GROUP, name, polling_interval=0.02).result()


def _body(azure: Azure, tags: dict[str, str]) -> dict[str, Any]:
    return {
        "location": azure.arm.location,
        "tags": tags,
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


def _create(azure: Azure, name: str, body: dict[str, Any]) -> str:
    compute = azure.clients.compute(azure.arm.subscription_id)
    made: Any = compute.virtual_machines.begin_create_or_update(
        GROUP,
        name,
        cast(Any, body),  # the SDK takes a dictionary; its overloads want a type of their own
        polling_interval=0.02,
    ).result()
    return str(made.id)
