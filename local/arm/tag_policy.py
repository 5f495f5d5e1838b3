"""An Azure Policy that denies resources without a tag, as the built-in "Require a tag on resources" does.

Off until control switches it on. Its mode is Indexed: it looks at types that have tags (Azure/azure-policy#518), at
creations, and at updates that replace the tags. The text is Azure's (microsoft/AzureTRE#2890).
"""

import json
from typing import Any, Final

from local.arm.wire import ArmError, Call, Json

_TAGGED: Final = frozenset(
    {
        "microsoft.compute/disks",
        "microsoft.compute/galleries",
        "microsoft.compute/galleries/images",
        "microsoft.compute/galleries/images/versions",
        "microsoft.compute/images",
        "microsoft.compute/virtualmachines",
        "microsoft.containerinstance/containergroups",
        "microsoft.network/networkinterfaces",
        "microsoft.network/networksecuritygroups",
        "microsoft.network/publicipaddresses",
        "microsoft.network/virtualnetworks",
    }
)


class TagPolicy:
    """At most one tag is demanded."""

    def __init__(self) -> None:
        self._tag = ""

    def demand(self, tag: str) -> None:
        """Deny resources without this tag from now on. An empty one ends the policy."""
        self._tag = tag

    def check(self, call: Call) -> None:
        """Raise RequestDisallowedByPolicy for a write that leaves its resource without the tag."""
        if not self._tag or call.method not in ("PUT", "PATCH"):
            return
        tags = call.json().get("tags")
        if call.method == "PATCH" and tags is None:
            return
        self.check_resource(_type_of(call.path), call.path.rstrip("/").rsplit("/", 1)[1], tags)

    def check_resource(self, resource_type: str, name: str, tags: Any) -> None:
        """The same for a resource of a deployment."""
        if not self._tag or resource_type.lower() not in _TAGGED:
            return
        given: Json = tags if isinstance(tags, dict) else {}
        if self._tag.lower() in {each.lower() for each in given}:
            return
        definitions = "/providers/Microsoft.Authorization/policyDefinitions"
        identifiers = [
            {
                "policyAssignment": {"name": f"Require {self._tag}", "id": "/policyAssignments/require-tag"},
                "policyDefinition": {
                    "name": "Require a tag on resources",
                    "id": f"{definitions}/require-tag",
                },
            }
        ]
        raise ArmError(
            403,
            "RequestDisallowedByPolicy",
            f"Resource '{name}' was disallowed by policy. Policy identifiers: '{json.dumps(identifiers)}'.",
            target=name,
        )


def _type_of(path: str) -> str:
    """`Microsoft.Compute/galleries/images` of the path of an image definition; empty for a path without provider."""
    _, _, below = path.rpartition("/providers/")
    parts = below.strip("/").split("/")
    return "/".join([parts[0], *parts[1::2]]) if below else ""
