"""Virtual machines and disks: records with provisioning and power states. If the request for a
machine holds a key for SSH, the machine gets an emulated guest. The guest answers while the machine runs.
"""

import asyncio
import re
import uuid
from typing import Any, Final

from local.arm.compute.networks import INTERFACE, MACHINE
from local.arm.galleries import features, security
from local.arm.galleries.galleries import PROVIDER, VERSION
from local.arm.galleries.marketplace import MarketplaceService
from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group, not_found
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json
from local.guest.guests import Guests

DISK: Final = "Microsoft.Compute/disks"
_GROUP: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
_MACHINES: Final = _GROUP + "/providers/Microsoft.Compute/virtualMachines"
_SIZE: Final = re.compile(r"(?:Standard|Basic)_[A-Z]{1,3}\d+[A-Za-z0-9_-]*", re.ASCII)
_POWER: Final = {"start": "running", "powerOff": "stopped", "deallocate": "deallocated", "restart": "running"}


class Machines:
    """Virtual machines, their disks and interfaces. The creation of a machine takes `seconds`."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        marketplace: MarketplaceService,
        guests: Guests,
        *,
        seconds: float,
    ) -> None:
        self._store = store
        self._operations = operations
        self._marketplace = marketplace
        self._guests = guests
        self._seconds = seconds

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        machine, disks = _MACHINES + "/{machine}", f"{_GROUP}/providers/{DISK}"
        actions = [
            ArmRoute("POST", f"{machine}/{verb}", self._power(state)) for verb, state in _POWER.items()
        ]
        return [
            *actions,
            ArmRoute("POST", f"{machine}/generalize", self._generalize),
            ArmRoute(
                "GET", f"{machine}/instanceView", lambda call: ArmAnswer(body=self._view(self._parent(call)))
            ),
            ArmRoute("GET", machine, self._get),
            ArmRoute("PUT", machine, self._put),
            ArmRoute("DELETE", machine, self._delete),
            ArmRoute("GET", _MACHINES, lambda call: self._list(call, MACHINE)),
            ArmRoute(
                "GET", f"{disks}/{{name}}", lambda call: ArmAnswer(body=self._store.get(call.path).shown())
            ),
            ArmRoute("PUT", f"{disks}/{{name}}", self._put_disk),
            ArmRoute("DELETE", f"{disks}/{{name}}", self._delete_disk),
            ArmRoute("GET", disks, lambda call: self._list(call, DISK)),
        ]

    def check(self, body: Json) -> None:
        """Raise Azure's refusal before any creation: an image or a size that does not exist."""
        properties: Json = body.get("properties") or {}
        size = str((properties.get("hardwareProfile") or {}).get("vmSize") or "")
        if size and _SIZE.fullmatch(size) is None:
            text = f"The value {size} provided for the VM size is not valid."
            raise ArmError(400, "InvalidParameter", text, target="vmSize")
        reference: Json = (properties.get("storageProfile") or {}).get("imageReference") or {}
        self._demand_image(str(body.get("location") or ""), reference, security.machine_type(properties))

    async def create(self, machine_id: str, body: Json) -> None:
        """Create a machine and wait for its end. Raises Azure's errors."""
        self.check(body)
        await self._create(self._record(machine_id, body).id)

    def _list(self, call: Call, kind: str) -> ArmAnswer:
        found = self._store.children(call.path.split("/providers/")[0], kind)
        return ArmAnswer(body={"value": [resource.shown() for resource in found]})

    def _get(self, call: Call) -> ArmAnswer:
        machine = self._store.get(call.path)
        shown = machine.shown()
        if call.query.get("$expand", "").lower() == "instanceview":
            shown["properties"] = {**machine.properties, "instanceView": self._view(machine)}
        return ArmAnswer(body=shown)

    def _put(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        body = call.json()
        existed = self._store.find(call.path) is not None
        if not existed:
            self.check(body)
        machine = self._record(call.path, body)
        headers = self._operations.begin(call, PROVIDER, machine.location, self._create(machine.id))
        return ArmAnswer(status=200 if existed else 201, body=machine.shown(), headers=headers)

    def _record(self, machine_id: str, body: Json) -> Resource:
        existed = self._store.find(machine_id) is not None
        shown = _without_secrets(body.get("properties") or {})
        machine = self._store.put(
            machine_id,
            MACHINE,
            {
                **{key: body[key] for key in ("identity", "plan", "zones") if key in body},
                "location": str(body.get("location") or ""),
                "tags": body.get("tags") or {},
                "properties": {
                    "vmId": str(uuid.uuid4()),
                    **shown,
                    "provisioningState": "Updating" if existed else "Creating",
                },
            },
            delete=lambda: self._remove_now(machine_id),
        )
        if not existed:
            reference = (shown.get("storageProfile") or {}).get("imageReference") or {}
            self._store.note(
                machine.id, power="starting", generalized=False, generation=self._generation(reference)
            )
        return machine

    async def _create(self, machine_id: str) -> None:
        await asyncio.sleep(self._seconds)
        machine = self._store.find(machine_id)
        if machine is None:
            raise ArmError(409, "OperationPreempted", "Operation is preempted by a deletion.")
        folder = machine.id.rsplit("/providers/", 1)[0]
        disk = machine.properties.get("storageProfile", {}).get("osDisk") or {}
        disk_id = f"{folder}/providers/{DISK}/{disk.get('name') or f'{machine.name}_OsDisk_1'}"
        made: Json = {"location": machine.location, "tags": dict(machine.tags)}
        if self._store.find(disk_id) is None:
            self._store.put(disk_id, DISK, {**made, "properties": _disk_properties(machine)})
        attached = {"disk": disk_id, "disk_goes": disk.get("deleteOption") == "Delete", "interfaces": ()}
        network = machine.properties.get("networkProfile") or {}
        interfaces = []
        for wanted in network.get("networkInterfaceConfigurations") or ():
            interface_id = f"{folder}/providers/{INTERFACE}/{wanted['name']}"
            own = {**(wanted.get("properties") or {}), "provisioningState": "Succeeded"}
            self._store.put(interface_id, INTERFACE, {**made, "properties": own})
            if own.get("deleteOption") == "Delete":
                interfaces.append(interface_id)
        self._store.note(machine.id, power="running", **{**attached, "interfaces": tuple(interfaces)})
        profile = {**(machine.properties.get("storageProfile") or {})}
        profile["osDisk"] = {**disk, "name": disk_id.rsplit("/", 1)[1], "managedDisk": {"id": disk_id}}
        self._store.change(machine.id, provisioningState="Succeeded", storageProfile=profile)
        self._boot(self._store.get(machine.id))

    def _boot(self, machine: Resource) -> None:
        profile = machine.properties.get("osProfile") or {}
        ssh = (profile.get("linuxConfiguration") or {}).get("ssh") or {}
        keys = [str(each.get("keyData") or "") for each in ssh.get("publicKeys") or ()]
        if keys:
            user = str(profile.get("adminUsername") or "")
            self._guests.boot(machine.id, user=user, keys=keys, tags=machine.tags)

    def _demand_image(self, location: str, reference: Json, wanted: str) -> None:
        image = reference.get("id")
        if image is None:
            self._marketplace.demand(location, reference)
            if wanted == features.TRUSTED and self._generation(reference) == "V1":
                raise security.refused_image()
            return
        version = self._store.find(str(image))
        if version is None:
            raise not_found(str(image))
        if version.type != VERSION or version.state != "Succeeded":
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"The image '{image}' is not a version that is ready to boot from.",
            )
        security.demand_boot(self._store, version, wanted)

    def _generation(self, reference: Json) -> str:
        """The Hypervisor generation of an image reference, which its machine and all that is made of it have."""
        version = self._store.find(str(reference.get("id") or ""))
        if version is not None:
            return security.generation_of(version, self._store)
        return self._marketplace.generation_of(reference)

    def _power(self, state: str) -> Any:
        def endpoint(call: Call) -> ArmAnswer:
            machine = self._parent(call)
            if machine.hidden.get("generalized") and state == "running":
                raise ArmError(
                    409, "OperationNotAllowed", f"VM '{machine.name}' is generalized and cannot be started."
                )
            return self._accept(call, machine, power=state)

        return endpoint

    def _generalize(self, call: Call) -> ArmAnswer:
        machine = self._parent(call)
        if machine.hidden.get("power") not in ("deallocated", "stopped"):
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"Operation 'generalize' is not allowed on VM '{machine.name}' since the VM is running or starting.",
            )
        self._store.note(machine.id, generalized=True)
        return ArmAnswer(status=200)

    def _accept(self, call: Call, machine: Resource, **hidden: Any) -> ArmAnswer:
        async def work() -> None:
            if self._store.find(machine.id) is None:
                raise ArmError(409, "OperationPreempted", "Operation is preempted by a deletion.")
            self._store.note(machine.id, **hidden)
            if hidden.get("power") == "running":
                self._boot(machine)

        if hidden.get("power") != "running":
            self._guests.stop(machine.id)
        return ArmAnswer(status=202, headers=self._operations.begin(call, PROVIDER, machine.location, work()))

    def _delete(self, call: Call) -> ArmAnswer:
        machine = self._store.find(call.path)
        if machine is None:
            return ArmAnswer(status=204)
        self._store.change(machine.id, provisioningState="Deleting")
        self._guests.stop(machine.id)

        async def work() -> None:
            self._remove_now(machine.id)

        return ArmAnswer(status=202, headers=self._operations.begin(call, PROVIDER, machine.location, work()))

    def _remove_now(self, machine_id: str) -> None:
        machine = self._store.find(machine_id)
        if machine is None:
            return
        self._guests.stop(machine.id)
        self._store.remove(machine.id)
        for interface in machine.hidden.get("interfaces", ()):
            self._store.remove(interface)
        if machine.hidden.get("disk_goes"):
            self._store.remove(machine.hidden["disk"])

    def _put_disk(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        body = call.json()
        existed = self._store.find(call.path) is not None
        properties = {**(body.get("properties") or {}), "provisioningState": "Succeeded"}
        made: Json = {
            "location": body.get("location"),
            "tags": body.get("tags") or {},
            "properties": properties,
        }
        resource = self._store.put(call.path, DISK, made)
        return ArmAnswer(status=200 if existed else 201, body=resource.shown())

    def _delete_disk(self, call: Call) -> ArmAnswer:
        resource = self._store.find(call.path)
        if resource is None:
            return ArmAnswer(status=204)
        user = next(
            (each for each in self._store.all() if each.type == MACHINE and _uses(each, resource.id)), None
        )
        if user is not None:
            text = f"Disk {resource.name} is attached to VM {user.id}."
            raise ArmError(409, "OperationNotAllowed", text)
        self._store.remove(resource.id)
        return ArmAnswer(status=200)

    def _parent(self, call: Call) -> Resource:
        return self._store.get(call.path.rstrip("/").rsplit("/", 1)[0])

    def _view(self, machine: Resource) -> Json:
        power = machine.hidden.get("power", "unknown")
        statuses = [
            {"code": f"ProvisioningState/{machine.state.lower()}", "level": "Info"},
            {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"},
        ]
        if machine.hidden.get("generalized"):
            statuses.append(
                {"code": "OSState/generalized", "level": "Info", "displayStatus": "VM generalized"}
            )
        return {"statuses": statuses}


def _uses(machine: Resource, disk_id: str) -> bool:
    return str(machine.hidden.get("disk", "")).lower() == disk_id.lower()


def _disk_properties(machine: Resource) -> Json:
    return {
        "provisioningState": "Succeeded",
        "creationData": {"createOption": "FromImage"},
        "managedBy": machine.id,
    }


def _without_secrets(properties: Json) -> Json:
    profile = properties.get("osProfile")
    if not isinstance(profile, dict):
        return dict(properties)
    shown = {key: value for key, value in profile.items() if key not in ("adminPassword", "customData")}
    return {**properties, "osProfile": shown}
