"""Managed images: made from a generalized machine, read, listed, deleted. A version may be made from them.

Azure makes one from a machine's disks, so it outlives the machine.
"""

import asyncio
from typing import Final

from local.arm.compute.networks import MACHINE
from local.arm.galleries import features, security
from local.arm.galleries.galleries import PROVIDER
from local.arm.galleries.security import MANAGED_IMAGE
from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group, not_found
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

_IMAGES: Final = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/images"


class ManagedImages:
    """Managed images. The capture of one takes `seconds`."""

    def __init__(self, store: Store, operations: Operations, *, seconds: float) -> None:
        self._store = store
        self._operations = operations
        self._seconds = seconds

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        image = _IMAGES + "/{image}"
        return [
            ArmRoute("GET", _IMAGES, self._list),
            ArmRoute("GET", image, lambda call: ArmAnswer(body=self._store.get(call.path).shown())),
            ArmRoute("PUT", image, self._put),
            ArmRoute("DELETE", image, self._delete),
        ]

    def _list(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        found = self._store.children(call.path.split("/providers/")[0], MANAGED_IMAGE)
        return ArmAnswer(body={"value": [each.shown() for each in found]})

    def _put(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        body = call.json()
        properties: Json = body.get("properties") or {}
        machine = self._machine(str((properties.get("sourceVirtualMachine") or {}).get("id") or ""))
        if not body.get("location"):
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        existed = self._store.find(call.path) is not None
        profile = {"osDisk": _os_disk(machine), "zoneResilient": False}
        made = {
            "sourceVirtualMachine": {"id": machine.id},
            "storageProfile": {**profile, **(properties.get("storageProfile") or {})},
            "hyperVGeneration": machine.hidden.get("generation") or "V1",
            "provisioningState": "Creating",
        }
        image = self._store.put(
            call.path,
            MANAGED_IMAGE,
            {"location": body["location"], "tags": body.get("tags") or {}, "properties": made},
        )
        # Every machine that is made from it must name the same plan (hashicorp/packer#12616).
        kept = {name: machine.hidden.get(name) for name in ("plan", "disk_gb")}
        self._store.note(image.id, **kept)
        headers = self._operations.begin(call, PROVIDER, image.location, self._finish(image.id))
        return ArmAnswer(status=200 if existed else 201, body=image.shown(), headers=headers)

    def _machine(self, machine_id: str) -> Resource:
        if not machine_id:
            name = (
                "image.properties.sourceVirtualMachine"  # Azure takes disks too, which this emulator does not
            )
            raise ArmError(400, "InvalidParameter", f"Required parameter '{name}' is missing.", target=name)
        machine = self._store.find(machine_id)
        if machine is None or machine.type != MACHINE:
            raise not_found(machine_id)
        if security.machine_type(machine.properties) != features.STANDARD:
            # hashicorp/packer#13189; azure-compute-docs, trusted-launch.md, unsupported features
            raise ArmError(
                409,
                "OperationNotAllowed",
                "Creation of managed images are not supported for virtual machine with "
                f"{security.machine_type(machine.properties)} security type.",
            )
        if not machine.hidden.get("generalized"):
            raise ArmError(
                409,
                "OperationNotAllowed",
                # ansible/ansible#37158
                f"The operation 'Create Image' requires the Virtual Machine '{machine.name}' to be Generalized.",
            )
        return machine

    async def _finish(self, image_id: str) -> None:
        await asyncio.sleep(self._seconds)
        self._store.change(image_id, provisioningState="Succeeded")

    def _delete(self, call: Call) -> ArmAnswer:
        image = self._store.find(call.path)
        if image is None:
            return ArmAnswer(status=204)
        self._store.change(image.id, provisioningState="Deleting")

        async def work() -> None:
            self._store.remove(image.id)

        return ArmAnswer(status=202, headers=self._operations.begin(call, PROVIDER, image.location, work()))


def _os_disk(machine: Resource) -> Json:
    disk = (machine.properties.get("storageProfile") or {}).get("osDisk") or {}
    return {"osType": "Linux", "osState": "Generalized", "managedDisk": disk.get("managedDisk") or {}}
