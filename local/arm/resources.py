"""Subscriptions, resource groups, and resources of any type: list by type or tag, delete by id."""

import re
from typing import Final

from local.arm.operations import Operations
from local.arm.store import Resource, Store
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

GROUP: Final = "Microsoft.Resources/resourceGroups"
_GROUP_PATH: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
_FILTER: Final = re.compile(
    r"\s*tagName eq '(?P<name>(?:[^']|'')*)'(?:\s+and\s+tagValue eq '(?P<value>(?:[^']|'')*)')?\s*",
    re.IGNORECASE,
)
_TYPE_FILTER: Final = re.compile(r"\s*resourceType eq '(?P<type>[^']+)'\s*", re.IGNORECASE)
# A list of resources holds only types that ARM tracks. Versions and definitions of a gallery are among them.
_UNTRACKED: Final = frozenset({GROUP.lower(), "microsoft.resources/deployments"})


class ResourceService:
    """Resource groups and generic resources."""

    def __init__(self, store: Store, operations: Operations, *, tenant: str) -> None:
        self._store = store
        self._operations = operations
        self._tenant = tenant

    def seed_group(self, resource_id: str, location: str) -> None:
        """Create a resource group at the start."""
        body: Json = {"location": location, "tags": {}, "properties": {"provisioningState": "Succeeded"}}
        self._store.put(resource_id, GROUP, body)

    def routes(self) -> list[ArmRoute]:
        """The service's routes. They come last, because the deletion by id matches the path of any resource."""
        return [
            ArmRoute("GET", "/subscriptions/{subscription}", self._subscription),
            ArmRoute("GET", "/subscriptions/{subscription}/resourceGroups", self._list_groups),
            ArmRoute("GET", "/subscriptions/{subscription}/resources", self._list),
            ArmRoute("GET", _GROUP_PATH, self._get_group),
            ArmRoute("HEAD", _GROUP_PATH, self._has_group),
            ArmRoute("PUT", _GROUP_PATH, self._put_group),
            ArmRoute("DELETE", _GROUP_PATH, self._delete_group),
            ArmRoute("GET", f"{_GROUP_PATH}/resources", self._list),
        ]

    def _subscription(self, call: Call) -> ArmAnswer:
        name = call.names["subscription"]
        return ArmAnswer(
            body={
                "id": f"/subscriptions/{name}",
                "subscriptionId": name,
                "tenantId": self._tenant,
                "displayName": "Image Factory local",
                "state": "Enabled",
            }
        )

    def _list_groups(self, call: Call) -> ArmAnswer:
        prefix = f"/subscriptions/{call.names['subscription']}/"
        groups = [each for each in self._store.all() if each.type == GROUP and each.id.startswith(prefix)]
        return ArmAnswer(body={"value": [group.shown() for group in groups]})

    def _get_group(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._store.get(call.path).shown())

    def _has_group(self, call: Call) -> ArmAnswer:
        return ArmAnswer(status=404 if self._store.find(call.path) is None else 204)

    def _put_group(self, call: Call) -> ArmAnswer:
        body = call.json()
        if not body.get("location"):
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        before = self._store.find(call.path)
        if before is not None and before.location != str(body["location"]).replace(" ", "").lower():
            raise ArmError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{body['location']}'. The Resource group already exists in "
                f"location '{before.location}'.",
            )
        properties = {"provisioningState": "Succeeded"}
        group = self._store.put(
            call.path,
            GROUP,
            {"location": body["location"], "tags": body.get("tags") or {}, "properties": properties},
        )
        return ArmAnswer(status=200 if before else 201, body=group.shown())

    def _delete_group(self, call: Call) -> ArmAnswer:
        group = self._store.get(call.path)
        self._store.change(group.id, provisioningState="Deleting")
        headers = self._operations.begin(
            call, "Microsoft.Resources", group.location, self._remove_group(group.id)
        )
        return ArmAnswer(status=202, headers=headers)

    async def _remove_group(self, group: str) -> None:
        inside = [each for each in self._store.all() if each.id.lower().startswith(group.lower() + "/")]
        for resource in reversed(inside):  # the ids of children sort after those of their parents
            self.end(resource)
        self._store.remove(group)

    def end(self, resource: Resource) -> None:
        """Delete a resource as its own service deletes it."""
        if resource.delete is not None:
            resource.delete()
        else:
            self._store.remove(resource.id)

    def _list(self, call: Call) -> ArmAnswer:
        scope = call.path.rstrip("/")[: -len("/resources")].lower() + "/"
        if "group" in call.names:
            self._store.get(scope.rstrip("/"))
        found = [
            each
            for each in self._store.all()
            if each.id.lower().startswith(scope) and each.type.lower() not in _UNTRACKED and _fits(each, call)
        ]
        return ArmAnswer(body={"value": [_summary(resource) for resource in found]})


def _fits(resource: Resource, call: Call) -> bool:
    wanted = call.query.get("$filter", "")
    if not wanted:
        return True
    by_type = _TYPE_FILTER.fullmatch(wanted)
    if by_type is not None:
        return resource.type.lower() == by_type["type"].lower()
    found = _FILTER.fullmatch(wanted)
    if found is None:
        text = f"the filter {wanted!r} is not emulated; resourceType, tagName and tagValue are"
        raise ArmError(501, "NotEmulated", text)
    name = found["name"].replace("''", "'").lower()
    values = {key.lower(): str(value) for key, value in resource.tags.items()}  # tag names have no case
    if name not in values:
        return False
    return found["value"] is None or values[name] == found["value"].replace("''", "'")


def _summary(resource: Resource) -> Json:
    return {
        "id": resource.id,
        "name": resource.name,
        "type": resource.type,
        "location": resource.location,
        "tags": dict(resource.tags),
    }
