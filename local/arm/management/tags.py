"""The tags of anything that has tags, as a resource of its own (`az tag list`, `az tag update`).

Source: *Tag resources, resource groups, and subscriptions* (tag-resources.md): PUT sets all tags, PATCH merges,
replaces or deletes, DELETE removes all. Tags of a subscription are not emulated.
"""

from dataclasses import replace
from typing import Final

from local.arm.rules import bodies
from local.arm.store import Resource, Store
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

TAGS: Final = "Microsoft.Resources/tags"
_SUFFIX: Final = f"/providers/{TAGS}/default"
_GROUP: Final = "/subscriptions/{subscription}/resourceGroups/{group}"
_RESOURCE: Final = _GROUP + "/providers/{provider}/{kind}/{name}"
_DEPTHS: Final = (
    _GROUP,
    _RESOURCE,
    _RESOURCE + "/{kind2}/{name2}",
    _RESOURCE + "/{kind2}/{name2}/{kind3}/{name3}",
)


class Tags:
    """Tags of resource groups and resources."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[ArmRoute]:
        """The service's routes, for each depth of a resource."""
        found = []
        for scope in _DEPTHS:
            path = scope + _SUFFIX
            found += [
                ArmRoute("GET", path, self._get),
                ArmRoute("PUT", path, self._put),
                ArmRoute("PATCH", path, self._patch),
                ArmRoute("DELETE", path, self._delete),
            ]
        return found

    def _get(self, call: Call) -> ArmAnswer:
        return _shown(self._owner(call))

    def _put(self, call: Call) -> ArmAnswer:
        return self._set(call, _given(call))

    def _patch(self, call: Call) -> ArmAnswer:
        before, given = dict(self._owner(call).tags), _given(call)
        lowered = {name.lower() for name in given}
        kept = {name: value for name, value in before.items() if name.lower() not in lowered}
        match str(call.json().get("operation", "")).lower():
            case "merge":
                return self._set(call, {**kept, **given})
            case "replace":
                return self._set(call, given)
            case "delete":
                return self._set(call, kept)
        raise ArmError(400, "InvalidRequestContent", "The operation must be Replace, Merge or Delete.")

    def _delete(self, call: Call) -> ArmAnswer:
        self._set(call, {})
        return ArmAnswer()

    def _set(self, call: Call, tags: dict[str, str]) -> ArmAnswer:
        bodies.demand_tags(tags)
        owner = self._owner(call)
        self._store.put(owner.id, owner.type, {**owner.body, "tags": tags})
        return _shown(replace(owner, body={**owner.body, "tags": tags}))

    def _owner(self, call: Call) -> Resource:
        return self._store.get(call.path.rstrip("/")[: -len(_SUFFIX)])


def _given(call: Call) -> dict[str, str]:
    properties: Json = call.json().get("properties") or {}
    tags = properties.get("tags")
    if not isinstance(tags, dict):
        raise ArmError(
            400, "InvalidRequestContent", "The request content was invalid: properties.tags is missing."
        )
    return tags


def _shown(owner: Resource) -> ArmAnswer:
    shown = {
        "id": owner.id + _SUFFIX,
        "name": "default",
        "type": TAGS,
        "properties": {"tags": dict(owner.tags)},
    }
    return ArmAnswer(body=shown)
