"""Compute Galleries and their image definitions. Their versions are in `versions`.

Source of texts and rules, if no other is named: *Troubleshoot shared image galleries in Azure*
(troubleshooting-shared-images.md of MicrosoftDocs/azure-docs). It shows texts and no codes: where a code comes from
elsewhere, its source is named; the others are those that Microsoft.Compute sends for the same kind of refusal.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from local.arm.galleries import features, limits
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
_OF_SUBSCRIPTION: Final = "/subscriptions/{subscription}/providers/Microsoft.Compute/galleries"
DEFINITIONS_PATH: Final = GALLERIES_PATH + "/{gallery}/images"
# GalleryImageProperties of the schema Microsoft.Compute 2025-12-03 (Azure/azure-resource-manager-schemas).
_VALUES: Final = {
    "osType": ("Linux", "Windows"),
    "osState": ("Generalized", "Specialized"),
    "hyperVGeneration": ("V1", "V2"),
    "architecture": ("x64", "Arm64"),
}
_IDENTIFIER: Final = {"publisher": 128, "offer": 64, "sku": 64}  # with the most characters of each
_ASSET: Final = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_FIXED: Final = ("osType", "osState", "hyperVGeneration", "architecture", "identifier", "features")
_PLAN: Final = ("name", "publisher", "product")
_FREED: Final = "allowUpdateImage"  # frees the features alone, and is not shown again


class GalleryService:
    """Galleries and image definitions. A definition is `Creating` for `definition_seconds`, a deletion takes
    `deletion_seconds`."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        *,
        definition_seconds: float = 0.0,
        deletion_seconds: float = 0.0,
    ) -> None:
        self._store = store
        self._operations = operations
        self._definition_seconds = definition_seconds
        self._deletion_seconds = deletion_seconds

    def seed(self, resource_id: str, location: str) -> None:
        """Create a gallery at the start."""
        body: Json = {"location": location, "tags": {}, "properties": {"provisioningState": "Succeeded"}}
        self._store.put(resource_id, GALLERY, body)

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        gallery, definition = GALLERIES_PATH + "/{gallery}", DEFINITIONS_PATH + "/{image}"
        return [
            ArmRoute("GET", GALLERIES_PATH, lambda call: self._list(call, GALLERY)),
            ArmRoute("GET", _OF_SUBSCRIPTION, lambda call: self._list(call, GALLERY)),
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
        _demand_properties(wanted)
        before = self._store.find(call.path)
        if before is None:
            limits.demand_room(self._store, call, DEFINITION, limits.DEFINITIONS)
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
            _demand_same_plan(before.properties, wanted)
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
                    f"Gallery image: {other.name} identified by (publisher:{identifier['publisher']}, "
                    f"offer:{identifier['offer']}, sku:{identifier['sku']}) already exists. Choose a different "
                    "publisher, offer, sku combination.",
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
        seconds = self._definition_seconds if self._store.get(resource_id).type == DEFINITION else 0.0
        await asyncio.sleep(seconds + outcome.seconds)
        found = self._store.find(resource_id)
        if found is None or found.state == "Deleting":
            raise ArmError(409, "OperationPreempted", "Operation is preempted by a deletion.")
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
        await asyncio.sleep(self._deletion_seconds)
        self._store.remove(resource_id)


def parent_of(store: Store, resource_id: str) -> Resource:
    """What a new child belongs to. A parent that does not exist, or is still being made, is not found.

    Source: the text is that of troubleshooting-shared-images.md, code and status of azurerm#18311. Azure has answered
    it about a gallery right after its creation (azurerm#18287, openshift/installer#6304). That it holds while the
    parent is being made is the harder reading of both.
    """
    found = store.find(resource_id)
    if found is None or found.state == "Creating":
        name = "/".join(resource_id.rstrip("/").split("/providers/")[1].split("/")[2::2])
        text = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
        raise ArmError(404, "ParentResourceNotFound", text)
    return found


def _demand_same_plan(before: Mapping[str, Any], wanted: Json) -> None:
    """A definition keeps its plan, or keeps having none (hashicorp/terraform-provider-azurerm#8124)."""
    kept, asked = before.get("purchasePlan") or {}, wanted.get("purchasePlan") or {}
    for name in _PLAN:
        if kept.get(name) != asked.get(name):
            target = f"galleryImage.properties.purchasePlan.{name}"
            text = f"Changing property '{target}' is not allowed."
            raise ArmError(409, "PropertyChangeNotAllowed", text, target=target)


def _demand_properties(wanted: Json) -> None:
    """Raise for a property that is missing, or that has a value or characters that Azure refuses."""
    for required in ("osType", "osState", "identifier"):
        if not wanted.get(required):
            raise _missing(required)
    for name, values in _VALUES.items():
        if wanted.get(name) and wanted[name] not in values:
            text = f"The value of parameter galleryImage.properties.{name} is invalid: one of {', '.join(values)}."
            raise _invalid(text, name)
    for name, most in _IDENTIFIER.items():
        value = str(wanted["identifier"].get(name) or "")
        if not value:
            raise _missing(f"identifier.{name}")
        if len(value) > most or not _ASSET.fullmatch(value):
            raise _invalid(
                f"Asset name galleryImage.properties.identifier.{name} is not valid. It cannot be empty. Allowed "
                "characters are uppercase or lowercase letters, digits, hyphen(-), period (.), underscore (_). Names "
                f"are not allowed to end with period(.). The length of the name cannot exceed {most} characters.",
                f"identifier.{name}",
            )


def _missing(name: str) -> ArmError:
    return _invalid(f"Required parameter 'galleryImage.properties.{name}' is missing (null).", name)


def _invalid(message: str, name: str) -> ArmError:
    return ArmError(400, "InvalidParameter", message, target=f"galleryImage.properties.{name}")
