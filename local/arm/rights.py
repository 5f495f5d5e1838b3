"""Who may do what on ARM: a small table of grants, by client id.

A client without any grant may do everything (the function's own identities are checked by Azure's roles in
`infra/`, not here); one with grants may do only those. The builder's grant mirrors its role in `infra/`.
"""

import fnmatch
from dataclasses import dataclass
from typing import Final

from local.arm.tokens import Caller
from local.arm.wire import ArmError

BUILDER_ACTIONS: Final = (
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Compute/virtualMachines/*",
    "Microsoft.Compute/disks/*",
    "Microsoft.Network/networkInterfaces/*",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/*",
    "Microsoft.Compute/galleries/read",
    "Microsoft.Compute/galleries/images/read",
    "Microsoft.Compute/galleries/images/versions/read",
    "Microsoft.Compute/galleries/images/versions/write",
    "Microsoft.Compute/locations/*/read",
    "Microsoft.Network/locations/*/read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`client_id` may do `actions`; what matches `only_read` (scopes) it may only read. All are globs."""

    client_id: str
    actions: tuple[str, ...]
    only_read: tuple[str, ...] = ()


class Rights:
    """The table."""

    def __init__(self) -> None:
        self._grants: list[Grant] = []

    def add(self, grant: Grant) -> None:
        """Add a grant; the client is limited to its grants from now on."""
        self._grants.append(grant)

    def check(self, caller: Caller, method: str, path: str) -> None:
        """Raise AuthorizationFailed where the caller has grants and none covers the request."""
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
    else:
        kind = "Microsoft.Resources/subscriptions" + (
            "/resourceGroups" if "resourcegroups" in lowered else ""
        )
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete", "POST": "action"}.get(method, "write")
    return f"{kind}/{verb}"


def _covers(grant: Grant, action: str, path: str) -> bool:
    if not any(_matches(action, pattern) for pattern in grant.actions):
        return False
    return action.endswith("/read") or not any(_matches(path + "/", scope) for scope in grant.only_read)


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())
