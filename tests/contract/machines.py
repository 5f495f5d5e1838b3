"""Virtual machines as Packer makes them, by the SDK: the source of a first gallery version."""

import uuid
from typing import Any, cast

from tests.contract.conftest import BUILD_GROUP, GALLERY_GROUP, Azure

GROUP = BUILD_GROUP


def create(azure: Azure, **tags: str) -> str:
    """A machine; its resource id."""
    name = f"vm-{uuid.uuid4().hex[:10]}"
    body: dict[str, Any] = {
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
    compute = azure.clients.compute(azure.arm.subscription_id)
    made: Any = compute.virtual_machines.begin_create_or_update(
        GROUP,
        name,
        cast(Any, body),  # the SDK takes a dictionary; its overloads want a type of their own
        polling_interval=0.02,
    ).result()
    return str(made.id)


def capture(azure: Azure, image: str, version: str, *, wait: bool) -> None:
    """A version in quarantine, made from a machine that is gone afterwards; without `wait` it is being made."""
    compute = azure.clients.compute(azure.arm.subscription_id)
    machine = create(azure)
    name = machine.rsplit("/", 1)[1]
    compute.virtual_machines.begin_deallocate(GROUP, name, polling_interval=0.02).result()
    compute.virtual_machines.generalize(GROUP, name)
    body: dict[str, Any] = {
        "location": azure.arm.location,
        "properties": {
            "publishingProfile": {"targetRegions": [{"name": azure.arm.location}], "excludeFromLatest": True},
            "storageProfile": {"source": {"virtualMachineId": machine}},
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
