"""Every ARM resource that exists, by id without case. All services share this store.

It stores and finds resources. The service of a resource decides its changes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from local.arm.wire import ArmError, Call, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource. GET shows `body` beside id, name and type, and does not show `hidden`.

    `delete` deletes it as its service does.
    """

    id: str
    type: str
    body: Mapping[str, Any]
    created: datetime
    hidden: Mapping[str, Any] = field(default_factory=dict)
    delete: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def location(self) -> str:
        """The region in its short form."""
        return short_region(str(self.body.get("location", "")))

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags, possibly none."""
        return self.body.get("tags") or {}

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties, which belong to the service."""
        return self.body.get("properties") or {}

    @property
    def state(self) -> str:
        """The provisioning state."""
        return str(self.properties.get("provisioningState", ""))

    def shown(self) -> Json:
        """The resource as GET answers it."""
        return {"id": self.id, "name": self.name, "type": self.type, **self.body}


_GROUPS: Final = re.compile(
    "/resourcegroups/", re.IGNORECASE
)  # ids have its spelling, whatever the caller wrote


class Store:
    """Resources by id."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}

    def find(self, resource_id: str) -> Resource | None:
        """The resource, or None."""
        return self._resources.get(_key(resource_id))

    def get(self, resource_id: str) -> Resource:
        """The resource. Raises ARM's ResourceNotFound."""
        found = self.find(resource_id)
        if found is None:
            raise not_found(resource_id)
        return found

    def put(
        self,
        resource_id: str,
        resource_type: str,
        body: Mapping[str, Any],
        delete: Callable[[], None] | None = None,
    ) -> Resource:
        """Create or replace a resource. The id keeps the spelling and the time of its first write."""
        before = self.find(resource_id)
        resource = Resource(
            id=before.id if before else _GROUPS.sub("/resourceGroups/", resource_id, count=1),
            type=resource_type,
            body=dict(body),
            created=before.created if before else datetime.now(UTC),
            hidden=before.hidden if before else {},
            delete=delete if delete or not before else before.delete,
        )
        self._resources[_key(resource_id)] = resource
        return resource

    def change(self, resource_id: str, **properties: Any) -> Resource:
        """Set properties of a resource that exists."""
        before = self.get(resource_id)
        after = replace(before, body={**before.body, "properties": {**before.properties, **properties}})
        self._resources[_key(resource_id)] = after
        return after

    def note(self, resource_id: str, **hidden: Any) -> None:
        """Set facts that GET does not show."""
        before = self.get(resource_id)
        self._resources[_key(resource_id)] = replace(before, hidden={**before.hidden, **hidden})

    def remove(self, resource_id: str) -> None:
        """Remove a resource. It may be removed already."""
        self._resources.pop(_key(resource_id), None)

    def children(self, parent_id: str, resource_type: str) -> list[Resource]:
        """Resources of a type below `parent_id`, by id."""
        return sorted(self._below(parent_id, resource_type), key=lambda resource: resource.id.lower())

    def all(self) -> list[Resource]:
        """All resources, by id."""
        return [self._resources[key] for key in sorted(self._resources)]

    def _below(self, parent_id: str, resource_type: str) -> Iterator[Resource]:
        prefix, wanted = _key(parent_id) + "/", resource_type.lower()
        for key, resource in self._resources.items():
            if key.startswith(prefix) and resource.type.lower() == wanted:
                yield resource


def group_id(call: Call) -> str:
    """The id of the resource group that a call names as {subscription} and {group}."""
    return f"/subscriptions/{call.names['subscription']}/resourceGroups/{call.names['group']}"


def demand_group(store: Store, call: Call) -> None:
    """Raise ResourceGroupNotFound if the group of a write does not exist."""
    if store.find(group_id(call)) is None:
        raise ArmError(
            404, "ResourceGroupNotFound", f"Resource group '{call.names['group']}' could not be found."
        )


def not_found(resource_id: str) -> ArmError:
    """ARM's 404, with the type and the group in its text."""
    parts = resource_id.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    group = parts[lowered.index("resourcegroups") + 1] if "resourcegroups" in lowered else ""
    if "providers" not in lowered:
        return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    provider = lowered.index("providers")
    pairs = parts[provider + 2 :]
    what = "/".join(
        [
            parts[provider + 1],
            *(f"{kind}/{name}" for kind, name in zip(pairs[::2], pairs[1::2], strict=False)),
        ]
    )
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{what}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def short_region(name: str) -> str:
    """`West Europe` and `westeurope` are the same region to ARM."""
    return name.replace(" ", "").lower()


def _key(resource_id: str) -> str:
    return resource_id.rstrip("/").lower()
