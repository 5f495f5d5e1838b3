"""Resource groups, and resources of any type: list by type, group, name or tag, delete by id."""

import re
from typing import Final

from local.arm.operations import Operations
from local.arm.store import Resource, Store
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

GROUP: Final = "Microsoft.Resources/resourceGroups"
_GROUP_PATH: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
_TERM: Final = re.compile(r"\s*(?P<name>\w+)\s+(?P<sign>eq|ne)\s+'(?P<value>(?:[^']|'')*)'\s*", re.IGNORECASE)
_AND: Final = re.compile(r"\s+and\s+(?=\w+\s+(?:eq|ne)\s+')", re.IGNORECASE)
_FILTERS: Final = ("resourceType", "resourceGroup", "name", "location", "tagName", "tagValue")
# A list of resources holds only types that ARM tracks. Versions and definitions of a gallery are among them.
_UNTRACKED: Final = frozenset({GROUP.lower(), "microsoft.resources/deployments"})


class ResourceService:
    """Resource groups and generic resources."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def seed_group(self, resource_id: str, location: str) -> None:
        """Create a resource group at the start."""
        body: Json = {"location": location, "tags": {}, "properties": {"provisioningState": "Succeeded"}}
        self._store.put(resource_id, GROUP, body)

    def routes(self) -> list[ArmRoute]:
        """The service's routes. They come last, because the deletion by id matches the path of any resource."""
        one = f"{_GROUP_PATH}/providers/{{provider}}/{{kind}}/{{name}}"
        nested = f"{one}/{{kind2}}/{{name2}}"
        return [
            # *Resources - Check Existence By Id*: 204 or 404, without a body.
            *(
                ArmRoute("HEAD", path, self._exists)
                for path in (one, nested, f"{nested}/{{kind3}}/{{name3}}")
            ),
            ArmRoute("GET", "/subscriptions/{subscription}/resourceGroups", self._list_groups),
            ArmRoute("GET", "/subscriptions/{subscription}/resources", self._list),
            ArmRoute("GET", _GROUP_PATH, self._get_group),
            ArmRoute("HEAD", _GROUP_PATH, self._exists),
            ArmRoute("PUT", _GROUP_PATH, self._put_group),
            ArmRoute("PATCH", _GROUP_PATH, self._patch_group),
            ArmRoute("DELETE", _GROUP_PATH, self._delete_group),
            ArmRoute("GET", f"{_GROUP_PATH}/resources", self._list),
        ]

    def _list_groups(self, call: Call) -> ArmAnswer:
        prefix = f"/subscriptions/{call.names['subscription']}/"
        wanted = _terms(call.query.get("$filter", ""))
        if not set(wanted) <= {"tagname", "tagvalue"}:  # azure-mgmt-resource, ResourceGroups.list: filter
            raise ArmError(501, "NotEmulated", "resource groups are listed by tagName and tagValue alone")
        groups = [
            each
            for each in self._store.all()
            if each.type == GROUP and each.id.startswith(prefix) and _has_tag(each, wanted)
        ]
        return ArmAnswer(body={"value": [group.shown() for group in groups]})

    def _get_group(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._store.get(call.path).shown())

    def _exists(self, call: Call) -> ArmAnswer:
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

    def _patch_group(self, call: Call) -> ArmAnswer:
        group = self._store.get(call.path)
        tags = call.json().get("tags")
        kept = group if tags is None else self._store.put(group.id, GROUP, {**group.body, "tags": tags})
        return ArmAnswer(body=kept.shown())

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
        wanted = _terms(call.query.get("$filter", ""))
        found = [
            each
            for each in self._store.all()
            if each.id.lower().startswith(scope)
            and each.type.lower() not in _UNTRACKED
            and _fits(each, wanted)
        ]
        shown = [_summary(resource, with_tags="tagname" not in wanted) for resource in found]
        return ArmAnswer(body={"value": shown})


def _terms(text: str) -> dict[str, tuple[bool, str]]:
    """A `$filter`: property in lower case -> (whether it must be equal, value). Raises NotEmulated, which names it."""
    found: dict[str, tuple[bool, str]] = {}
    for each in _AND.split(text) if text.strip() else ():
        term = _TERM.fullmatch(each)
        if term is None or term["name"].lower() not in {name.lower() for name in _FILTERS}:
            raise ArmError(
                501,
                "NotEmulated",
                f"the filter {text!r} is not emulated; eq and ne of {', '.join(_FILTERS)} are",
            )
        found[term["name"].lower()] = (term["sign"].lower() == "eq", term["value"].replace("''", "'"))
    return found


def _fits(resource: Resource, wanted: dict[str, tuple[bool, str]]) -> bool:
    plain = {
        "resourcetype": resource.type,
        "resourcegroup": resource.id.split("/")[4],
        "name": full_name(resource.id),
        "location": resource.location,
    }
    for name, (is_equal, value) in wanted.items():
        if name in plain and (plain[name].lower() == value.lower()) != is_equal:
            return False
    return _has_tag(resource, wanted)


def _has_tag(resource: Resource, wanted: dict[str, tuple[bool, str]]) -> bool:
    if "tagname" not in wanted:
        return True
    tags = {key.lower(): str(value) for key, value in resource.tags.items()}  # tag names have no case
    name = wanted["tagname"][1].lower()
    return name in tags and ("tagvalue" not in wanted or tags[name] == wanted["tagvalue"][1])


def full_name(resource_id: str) -> str:
    """The name in a list of resources: with the names of the parents, as in a template (`live/rhel9-base/9.1.0`).

    rpc, Addendum.md, nested resources; *Set name and type for child resources* (child-resource-name-type.md).
    """
    parts = resource_id.strip("/").split("/")
    start = [part.lower() for part in parts].index("providers")
    return "/".join(parts[start + 3 :: 2])


def _summary(resource: Resource, *, with_tags: bool) -> Json:
    """One row. A list that is filtered by tag has no tags (azure-mgmt-resource, Resources.list: `filter`)."""
    shown: Json = {
        "id": resource.id,
        "name": full_name(resource.id),
        "type": resource.type,
        "location": resource.location,
    }
    return {**shown, "tags": dict(resource.tags)} if with_tags else shown
