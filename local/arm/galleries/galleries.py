"""Compute Galleries and their image definitions. Their versions are in `versions`."""

import asyncio
import json
from dataclasses import replace
from typing import Final

from local.arm.galleries import features
from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json, OperationOutcome

PROVIDER: Final = "Microsoft.Compute"
GALLERY: Final = "Microsoft.Compute/galleries"
DEFINITION: Final = "Microsoft.Compute/galleries/images"
VERSION: Final = "Microsoft.Compute/galleries/images/versions"

GALLERIES_PATH: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/galleries"
)
DEFINITIONS_PATH: Final = GALLERIES_PATH + "/{gallery}/images"
_FIXED: Final = ("osType", "osState", "hyperVGeneration", "architecture", "identifier", "features")
_FREED: Final = "allowUpdateImage"  # frees the features alone, and is not shown again


class GalleryService:
    """Galleries and image definitions."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def seed(self, resource_id: str, location: str) -> None:
        """Create a gallery at the start."""
        body: Json = {"location": location, "tags": {}, "properties": {"provisioningState": "Succeeded"}}
        self._store.put(resource_id, GALLERY, body)

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        gallery, definition = GALLERIES_PATH + "/{gallery}", DEFINITIONS_PATH + "/{image}"
        return [
            ArmRoute("GET", GALLERIES_PATH, lambda call: self._list(call, GALLERY)),
            ArmRoute("GET", gallery, self._get),
            ArmRoute("PUT", gallery, self._put_gallery),
            ArmRoute("DELETE", gallery, lambda call: self._delete(call, DEFINITION)),
            ArmRoute("GET", DEFINITIONS_PATH, self._list_definitions),
            ArmRoute("GET", definition, self._get),
            ArmRoute("PUT", definition, self._put_definition),
            ArmRoute("PATCH", definition, self._patch_definition),
            ArmRoute("DELETE", definition, lambda call: self._delete(call, VERSION)),
        ]

    def _get(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._store.get(call.path).shown())

    def _list(self, call: Call, resource_type: str) -> ArmAnswer:
        found = self._store.children(call.path.split("/providers/")[0], resource_type)
        return ArmAnswer(body={"value": [resource.shown() for resource in found]})

    def _list_definitions(self, call: Call) -> ArmAnswer:
        gallery = self._store.get(call.path.rstrip("/").rsplit("/", 1)[0])
        return ArmAnswer(
            body={"value": [each.shown() for each in self._store.children(gallery.id, DEFINITION)]}
        )

    def _put_gallery(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        return self._put(call, GALLERY, {"identifier": {"uniqueName": f"local-{call.names['gallery']}"}})

    def _put_definition(self, call: Call) -> ArmAnswer:
        gallery = parent_of(self._store, call.path.split("/images/")[0])
        wanted: Json = call.json().get("properties") or {}
        for required in ("osType", "osState", "identifier"):
            if not wanted.get(required):
                raise _invalid(
                    f"Required parameter 'galleryImage.properties.{required}' is missing (null).", required
                )
        before = self._store.find(call.path)
        if before is None:
            self._demand_unique(gallery.id, wanted["identifier"])
        else:
            # Azure/azure-cli#33172: features change only for a caller that says so, from api-version 2024-03-03 on.
            free = ("features",) if wanted.get(_FREED) is True and call.api_version >= "2024-03-03" else ()
            for name in _FIXED:
                if (
                    name not in free
                    and name in wanted
                    and name in before.properties
                    and wanted[name] != before.properties[name]
                ):
                    raise ArmError(
                        409,
                        "PropertyChangeNotAllowed",
                        f"Changing property 'galleryImage.properties.{name}' is not allowed.",
                        target=f"galleryImage.properties.{name}",
                    )
            wanted = {**{name: before.properties.get(name) for name in _FIXED}, **wanted}
        filled = features.with_default(wanted, call.api_version) if before is None else wanted
        features.demand_generation(filled)
        return self._put(call, DEFINITION, {"architecture": "x64"}, filled)

    def _demand_unique(self, gallery: str, identifier: Json) -> None:
        for other in self._store.children(gallery, DEFINITION):
            if other.properties.get("identifier") == identifier:
                raise ArmError(
                    409,
                    "Conflict",
                    f"The gallery image identifier is already used by '{other.id}'; publisher, offer and SKU "
                    "must be unique in a gallery.",
                    target="galleryImage.properties.identifier",
                )

    def _patch_definition(self, call: Call) -> ArmAnswer:
        """The same update as by PUT, with the properties that are not named as they were."""
        before, body = self._store.get(call.path), call.json()
        shown = {name: value for name, value in before.properties.items() if name != "provisioningState"}
        merged = {**before.body, **body, "properties": {**shown, **(body.get("properties") or {})}}
        return self._put_definition(replace(call, content=json.dumps(merged).encode()))

    def _put(self, call: Call, resource_type: str, defaults: Json, wanted: Json | None = None) -> ArmAnswer:
        body = call.json()
        location = body.get("location")
        if not location:
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        existed = self._store.find(call.path) is not None
        properties = {
            **defaults,
            **((body.get("properties") or {}) if wanted is None else wanted),
            "provisioningState": "Updating" if existed else "Creating",
        }
        properties.pop(_FREED, None)
        resource = self._store.put(
            call.path,
            resource_type,
            {"location": location, "tags": body.get("tags") or {}, "properties": properties},
        )
        work = self._finish(resource.id, call.outcome)
        headers = self._operations.begin(call, PROVIDER, resource.location, work)
        return ArmAnswer(status=200 if existed else 201, body=resource.shown(), headers=headers)

    async def _finish(self, resource_id: str, outcome: OperationOutcome) -> None:
        await asyncio.sleep(outcome.seconds)
        self._store.change(resource_id, provisioningState="Failed" if outcome.error else "Succeeded")
        if outcome.error:
            raise outcome.error

    def _delete(self, call: Call, child_type: str) -> ArmAnswer:
        resource = self._store.find(call.path)
        if resource is None:
            return ArmAnswer(status=204)
        children = self._store.children(resource.id, child_type)
        if children:
            names = ", ".join(child.id.split("/providers/")[1] for child in children[:5])
            raise ArmError(
                409,
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
                f"'{names}'. Please delete all nested resources before deleting this resource.",
            )
        self._store.change(resource.id, provisioningState="Deleting")
        headers = self._operations.begin(call, PROVIDER, resource.location, self._remove(resource.id))
        return ArmAnswer(status=202, headers=headers)

    async def _remove(self, resource_id: str) -> None:
        self._store.remove(resource_id)


def parent_of(store: Store, resource_id: str) -> Resource:
    """What a new child belongs to. A parent that does not exist, or is still being made, is not found.

    Source: "Resolve errors for parent resources" (learn.microsoft.com); Azure has answered it about a gallery right
    after its creation (openshift/installer pull request 6304). That it holds while the parent is being made is the
    harder reading of both.
    """
    found = store.find(resource_id)
    if found is None or found.state == "Creating":
        name = resource_id.rstrip("/").rsplit("/", 1)[-1]
        text = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
        raise ArmError(404, "ParentResourceNotFound", text)
    return found


def _invalid(message: str, name: str) -> ArmError:
    return ArmError(400, "InvalidParameter", message, target=f"galleryImage.properties.{name}")
