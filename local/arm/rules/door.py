"""All rules of Resource Manager in its own order: api-version, names, resource group, tags and location."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.arm.rules import bodies, names
from local.arm.rules.throttle import REST_HEADER, Throttle
from local.arm.rules.versions import ApiVersions
from local.arm.store import Resource, Store
from local.arm.wire import ArmError, Call

_GROUP = "Microsoft.Resources/resourceGroups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a path names: its resource group (or empty), the resource type, and the names, outermost first."""

    group: str
    resource_type: str
    names: tuple[str, ...]
    is_action: bool


def address_of(method: str, path: str) -> Address:
    """The address of a path below a subscription. Pure."""
    parts = path.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    group = parts[3] if len(parts) > 3 and lowered[2] == "resourcegroups" else ""
    if "providers" not in lowered or lowered[-1] == "providers":
        kind = _GROUP if len(parts) == 4 and group else ""
        return Address(group=group, resource_type=kind, names=(group,) if kind else (), is_action=False)
    # The last one: `.../virtualMachines/x/providers/Microsoft.Resources/tags/default` is of the type tags.
    start = len(lowered) - lowered[::-1].index("providers")
    rest = parts[start + 1 :]
    kinds, given = rest[::2], rest[1::2]
    is_action = method == "POST" and len(rest) % 2 == 1
    kept = kinds[:-1] if is_action else kinds
    # Without a type the path names a provider itself (`providers/X/register`), which Resource Manager answers.
    return Address(
        group=group,
        resource_type="/".join([parts[start], *kept]) if kept else "",
        names=tuple(given),
        is_action=is_action,
    )


class ResourceManagerRules:
    """The checks that a request passes before its service sees it."""

    def __init__(self, store: Store, versions: ApiVersions, throttle: Throttle) -> None:
        self._store = store
        self._versions = versions
        self._throttle = throttle

    def check_version(self, call: Call) -> None:
        """Raise Azure's refusal of a missing or an unknown api-version."""
        address = address_of(call.method, call.path)
        found = self._store.find(call.path)
        self._versions.demand(call.api_version, address.resource_type, found.location if found else "")

    def check(self, call: Call, principal: str) -> Mapping[str, str]:
        """Raise Azure's refusal of a request below a subscription; the headers of its answer."""
        address = address_of(call.method, call.path)
        if address.group:
            names.demand_group(address.group)
            if address.resource_type != _GROUP:
                self._demand_group(call, address.group)
        if call.method in ("PUT", "PATCH"):
            self._check_write(call, address)
        if call.method != "DELETE":
            return {}
        left = self._throttle.take(call.path.strip("/").split("/")[1], principal)
        return {REST_HEADER: str(left)}

    def _demand_group(self, call: Call, group: str) -> None:
        """rpc: the proxy answers 404 for a group that does not exist, whatever the request. A group that is being
        deleted takes nothing new: 409 ResourceGroupBeingDeleted (azure-cli#28679)."""
        path = "/".join(call.path.strip("/").split("/")[:4])
        found = self._store.find(f"/{path}")
        if found is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        if found.state == "Deleting" and call.method in ("PUT", "PATCH", "POST"):
            raise ArmError(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
            )

    def _check_write(self, call: Call, address: Address) -> None:
        body = call.json()
        bodies.demand_tags(body.get("tags"))
        before = self._store.find(call.path)
        if before is None and call.method == "PUT" and address.names and address.resource_type != _GROUP:
            names.demand(address.resource_type, address.names[-1])
        if before is not None and address.resource_type != _GROUP:
            _demand_place(before, call, address)


def _demand_place(before: Resource, call: Call, address: Address) -> None:
    bodies.demand_same_location(
        call.json(), name="/".join(address.names), group=address.group, before=before.location
    )
