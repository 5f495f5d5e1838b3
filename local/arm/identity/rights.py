"""The rights of callers on ARM: a small table of grants, by client id.

A client without any grant may do everything. A client with grants may do only those. The actions of the factory's
four identities are the actions of their roles in `infra/`, and a test holds both equal. So a call that works here has
its rights on Azure too. Scopes are not mirrored, except for the live galleries, which the builder only reads.
"""

import fnmatch
from dataclasses import dataclass
from typing import Final

from local.arm.identity.tokens import Caller
from local.arm.wire import ArmError

_MARKETPLACE: Final = (
    "Microsoft.Compute/locations/publishers/read",
    "Microsoft.Compute/locations/publishers/artifacttypes/offers/read",
    "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/read",
    "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
)
_VERSIONS: Final = (
    "Microsoft.Compute/galleries/read",
    "Microsoft.Compute/galleries/images/read",
    "Microsoft.Compute/galleries/images/versions/read",
)
_SUBNET: Final = (
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
)
FUNCTION_ACTIONS: Final = (
    *_MARKETPLACE,
    *_VERSIONS,
    *_SUBNET,
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.ContainerInstance/containerGroups/delete",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/images/read",
    "Microsoft.Compute/images/delete",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Compute/galleries/images/write",
)
PUBLISHER_ACTIONS: Final = (*_VERSIONS, "Microsoft.Compute/galleries/images/versions/write")
CLEANER_ACTIONS: Final = (*_VERSIONS, "Microsoft.Compute/galleries/images/versions/delete")
BUILDER_ACTIONS: Final = (
    *_MARKETPLACE,
    *_VERSIONS,
    *_SUBNET,
    "Microsoft.Compute/galleries/images/versions/write",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Resources/deployments/read",
    "Microsoft.Resources/deployments/write",
    "Microsoft.Resources/deployments/delete",
    "Microsoft.Resources/deployments/validate/action",
    "Microsoft.Resources/deployments/cancel/action",
    "Microsoft.Resources/deployments/operations/read",
    "Microsoft.Resources/deployments/operationstatuses/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/deallocate/action",
    "Microsoft.Compute/virtualMachines/generalize/action",
    "Microsoft.Compute/virtualMachines/instanceView/read",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/images/read",
    "Microsoft.Compute/images/write",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Compute/locations/operations/read",
    "Microsoft.Compute/locations/DiskOperations/read",
    "Microsoft.Compute/locations/capsOperations/read",
    "Microsoft.Network/locations/operations/read",
    "Microsoft.Resources/subscriptions/operationresults/read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`client_id` may do `actions`. Scopes that match `only_read` it may only read. All are globs."""

    client_id: str
    actions: tuple[str, ...]
    only_read: tuple[str, ...] = ()


class Rights:
    """The table."""

    def __init__(self) -> None:
        self._grants: list[Grant] = []

    def add(self, grant: Grant) -> None:
        """Add a grant. From now on the client is limited to its grants."""
        self._grants.append(grant)

    def check(self, caller: Caller, method: str, path: str) -> None:
        """Raise AuthorizationFailed if the caller has grants and none covers the request."""
        grants = [grant for grant in self._grants if grant.client_id.lower() == caller.client_id.lower()]
        if not grants:
            return
        action = action_of(method, path)
        if any(_covers(grant, action, path) for grant in grants):
            return
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{caller.client_id}' with object id '{caller.object_id}' does not have authorization "
            f"to perform action '{action}' over scope '{path}' or the scope is invalid. "
            "If access was recently granted, please refresh your credentials.",
        )


def builder_grant(client_id: str, live_galleries: tuple[str, ...]) -> Grant:
    """What the builder's identity may do: build anywhere, but only read the live galleries."""
    return Grant(
        client_id=client_id,
        actions=BUILDER_ACTIONS,
        only_read=tuple(f"*/galleries/{gallery}/*" for gallery in live_galleries),
    )


def action_of(method: str, path: str) -> str:
    """The RBAC action of a request, such as `Microsoft.Compute/galleries/images/versions/write`."""
    parts = path.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    if "providers" in lowered:
        start = lowered.index("providers")
        kind = "/".join([parts[start + 1], *parts[start + 2 :: 2]])
        has_verb = method == "POST" and len(parts[start + 2 :]) % 2 == 1
        if has_verb:  # POST .../virtualMachines/x/start
            return f"{kind}/action"
    elif "deployments" in lowered:  # .../resourceGroups/x/deployments/y/operations
        kind = "Microsoft.Resources/deployments/operations"
    else:  # subscriptions/x, subscriptions/x/resourceGroups/y, subscriptions/x/operationresults/y
        kind = "/".join(["Microsoft.Resources", *parts[::2]])
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete", "POST": "action"}.get(method, "write")
    return f"{kind}/{verb}"


def _covers(grant: Grant, action: str, path: str) -> bool:
    if not any(_matches(action, pattern) for pattern in grant.actions):
        return False
    return action.endswith("/read") or not any(_matches(path + "/", scope) for scope in grant.only_read)


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())
