"""Network interfaces, public addresses, networks with their subnets, and security groups, as far as Packer's
azure-arm uses them. Every address leads to the listener of the emulated guests.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

PROVIDER: Final = "Microsoft.Network"
INTERFACE: Final = "Microsoft.Network/networkInterfaces"
ADDRESS: Final = "Microsoft.Network/publicIPAddresses"
NETWORK: Final = "Microsoft.Network/virtualNetworks"
SECURITY_GROUP: Final = "Microsoft.Network/networkSecurityGroups"
MACHINE: Final = "Microsoft.Compute/virtualMachines"
_KINDS: Final = (INTERFACE, ADDRESS, NETWORK, SECURITY_GROUP)
_GROUP: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
# The network's word for "in use", by the type of the resource to delete.
_IN_USE: Final = {
    INTERFACE: "NicInUse",
    ADDRESS: "PublicIPAddressCannotBeDeleted",
    NETWORK: "InUseSubnetCannotBeDeleted",
    SECURITY_GROUP: "InUseNetworkSecurityGroupCannotBeDeleted",
}
_PAUSE: Final = 0.02


class Networks:
    """The network's resources. `patience` is how long a deletion waits for a user that is being deleted too."""

    def __init__(self, store: Store, operations: Operations, *, address: str, patience: float) -> None:
        self._store = store
        self._operations = operations
        self._address = address
        self._patience = patience

    def seed_subnet(self, network_id: str, subnet: str, location: str) -> None:
        """Create a subnet and its network at the start."""
        found = self._store.find(network_id)
        subnets = [*(found.properties.get("subnets") or ())] if found else []
        subnets.append({"name": subnet, "properties": {"addressPrefix": f"10.0.{len(subnets)}.0/24"}})
        space = {"addressPrefixes": ["10.0.0.0/16"]}
        self.create(
            NETWORK,
            network_id,
            {"location": location, "properties": {"addressSpace": space, "subnets": subnets}},
        )

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        subnet = f"{_GROUP}/providers/{NETWORK}/{{network}}/subnets/{{name}}"
        found = [ArmRoute("GET", subnet, lambda call: ArmAnswer(body=self._subnet(call.path)))]
        for kind in _KINDS:
            found += self._routes_of(kind)
        return found

    def _routes_of(self, kind: str) -> list[ArmRoute]:
        folder = f"{_GROUP}/providers/{kind}"
        return [
            ArmRoute(
                "GET", f"{folder}/{{name}}", lambda call: ArmAnswer(body=self._store.get(call.path).shown())
            ),
            ArmRoute("PUT", f"{folder}/{{name}}", lambda call: self._put(call, kind)),
            ArmRoute("DELETE", f"{folder}/{{name}}", self._delete),
            ArmRoute("GET", folder, lambda call: self._list(call, kind)),
        ]

    def check(self, kind: str, body: Json, planned: frozenset[str]) -> None:
        """Raise if `body` names a subnet or address that does not exist and is not `planned` (ids in lower case)."""
        for wanted in _references(body) if kind == INTERFACE else ():
            if wanted.lower() in planned or self._exists(wanted):
                continue
            raise ArmError(
                400,
                "InvalidResourceReference",
                f"Resource {wanted} referenced by resource was not found. Please make sure that the referenced "
                "resource exists, and that both resources are in the same region.",
            )

    def create(self, kind: str, resource_id: str, body: Json) -> Resource:
        """Create or replace a resource. Raises if it refers to a resource that does not exist."""
        self.check(kind, body, frozenset())
        properties: Json = {**(body.get("properties") or {}), "provisioningState": "Succeeded"}
        if kind == INTERFACE:
            given = properties.get("ipConfigurations") or ()
            properties["ipConfigurations"] = [self._configured(resource_id, each) for each in given]
        if kind == ADDRESS:
            properties["ipAddress"] = self._address
        if kind == NETWORK:
            properties["subnets"] = [
                {**each, "id": f"{resource_id}/subnets/{each['name']}"}
                for each in properties.get("subnets") or ()
            ]
        made = {"location": body.get("location"), "tags": body.get("tags") or {}, "properties": properties}
        return self._store.put(resource_id, kind, made)

    def _configured(self, interface: str, given: Json) -> Json:
        own = given.get("properties") or {}
        name = given.get("name") or "ipconfig"
        shown = {**own, "privateIPAddress": self._address, "provisioningState": "Succeeded", "primary": True}
        return {"name": name, "id": f"{interface}/ipConfigurations/{name}", "properties": shown}

    def _put(self, call: Call, kind: str) -> ArmAnswer:
        demand_group(self._store, call)
        existed = self._store.find(call.path) is not None
        resource = self.create(kind, call.path, call.json())
        return ArmAnswer(status=200 if existed else 201, body=resource.shown())

    def _list(self, call: Call, kind: str) -> ArmAnswer:
        found = self._store.children(call.path.split("/providers/")[0], kind)
        return ArmAnswer(body={"value": [resource.shown() for resource in found]})

    def _delete(self, call: Call) -> ArmAnswer:
        resource = self._store.find(call.path)
        if resource is None:
            return ArmAnswer(status=204)
        if self._user(resource) is None:
            self._store.remove(resource.id)
            return ArmAnswer(status=200)
        if self._patience == 0:
            raise self._refusal(resource)
        work = self._remove_unused(resource)
        return ArmAnswer(status=202, headers=self._operations.begin(call, PROVIDER, resource.location, work))

    async def _remove_unused(self, resource: Resource) -> None:
        end = time.monotonic() + self._patience
        while self._user(resource) is not None:
            if time.monotonic() > end:
                raise self._refusal(resource)
            await asyncio.sleep(_PAUSE)
        self._store.remove(resource.id)

    def _refusal(self, resource: Resource) -> ArmError:
        user = self._user(resource) or "another resource"
        # Microsoft.Network answers 400. The other providers answer 409.
        return ArmError(400, _IN_USE[resource.type], f"'{resource.id}' is in use by '{user}'.")

    def _user(self, resource: Resource) -> str | None:
        wanted = resource.id.lower()
        for other in self._store.all():
            if other.type == MACHINE:
                used = resource.type == INTERFACE and wanted in _attached(other)
            elif other.type == INTERFACE:
                used = any(
                    each.lower() == wanted or each.lower().startswith(f"{wanted}/")
                    for each in _references(other.body)
                )
            else:
                used = False
            if used:
                return other.id
        return None

    def _exists(self, resource_id: str) -> bool:
        if self._store.find(resource_id) is not None:
            return True
        network, separator, name = resource_id.rpartition("/subnets/")
        found = self._store.find(network) if separator else None
        names = [str(each["name"]).lower() for each in found.properties.get("subnets") or ()] if found else []
        return name.lower() in names

    def _subnet(self, path: str) -> Json:
        network, _, name = path.rstrip("/").rpartition("/subnets/")
        found = self._store.get(network)
        for each in found.properties.get("subnets") or ():
            if str(each["name"]).lower() == name.lower():
                return {**each, "type": f"{NETWORK}/subnets"}
        raise ArmError(404, "NotFound", f"Resource {path} not found.")


def _references(body: Any) -> Iterator[str]:
    """Ids that an interface's body refers to: subnets, public addresses, a security group."""
    properties = body.get("properties") or {}
    for each in properties.get("ipConfigurations") or ():
        inner = each.get("properties") or {}
        for name in ("subnet", "publicIPAddress"):
            if (inner.get(name) or {}).get("id"):
                yield str(inner[name]["id"])
    if (properties.get("networkSecurityGroup") or {}).get("id"):
        yield str(properties["networkSecurityGroup"]["id"])


def _attached(machine: Resource) -> set[str]:
    network = machine.properties.get("networkProfile") or {}
    listed = [str(each.get("id", "")) for each in network.get("networkInterfaces") or ()]
    return {each.lower() for each in (*listed, *machine.hidden.get("interfaces", ()))}
