"""Versions of gallery images: created from a machine or another version, replicated over time.

A PUT is accepted at once and ends when every region has its copy. Rules and error bodies are Azure's. If Azure's text
is not known, its code is, and the text says what is wrong.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from local.arm.galleries import limits, security
from local.arm.galleries.galleries import DEFINITIONS_PATH, PROVIDER, VERSION, parent_of
from local.arm.operations import Operations
from local.arm.store import Resource, Store, not_found, short_region
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json, OperationOutcome

INT32_MAX: Final = 2_147_483_647
_NAME: Final = re.compile(r"(\d{1,10})\.(\d{1,10})\.(\d{1,10})", re.ASCII)
_VERSIONS_PATH: Final = DEFINITIONS_PATH + "/{image}/versions"

Announce = Callable[[str, str], None]


class GalleryVersions:
    """Versions. `replication_seconds` is the time of the first region. Each further region takes a quarter more."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        *,
        announce: Announce,
        replication_seconds: float,
        deletion_seconds: float = 0.0,
    ) -> None:
        self._store = store
        self._operations = operations
        self._announce = announce
        self._seconds = replication_seconds
        self._deletion_seconds = deletion_seconds
        self._replicas: dict[
            str, dict[str, datetime]
        ] = {}  # version id -> region -> the time when its copy is complete

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        version = _VERSIONS_PATH + "/{version}"
        return [
            ArmRoute("GET", _VERSIONS_PATH, self._list),
            ArmRoute("GET", version, self._get),
            ArmRoute("PUT", version, self._put),
            ArmRoute("PATCH", version, self._patch),
            ArmRoute("DELETE", version, self._delete),
        ]

    def _list(self, call: Call) -> ArmAnswer:
        definition = self._store.get(call.path.rstrip("/").rsplit("/", 1)[0])
        return ArmAnswer(
            body={"value": [each.shown() for each in self._store.children(definition.id, VERSION)]}
        )

    def _get(self, call: Call) -> ArmAnswer:
        version = self._store.get(call.path)
        shown = version.shown()
        if call.query.get("$expand", "").lower() == "replicationstatus":
            shown["properties"] = {**version.properties, "replicationStatus": self._replication(version)}
        return ArmAnswer(body=shown)

    def _put(self, call: Call) -> ArmAnswer:
        definition = parent_of(self._store, call.path.split("/versions/")[0])
        _demand_name(call.names["version"])
        body = call.json()
        before = self._store.find(call.path)
        if before is not None:
            return self._update(call, before, body)
        limits.demand_room(self._store, call, VERSION, limits.VERSIONS)
        properties: Json = body.get("properties") or {}
        location = short_region(str(body.get("location") or ""))
        if not location:
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        demand_future(properties)
        regions = _regions(properties, location)
        source, made_from = self._source(call, properties, definition)
        plan = _demand_plan(definition, made_from)
        publishing = {
            "replicaCount": 1,
            "excludeFromLatest": False,
            "replicationMode": "Full",
            "storageAccountType": "Standard_LRS",
            **(properties.get("publishingProfile") or {}),
            "targetRegions": regions,
            "publishedDate": _published(),
        }
        storage = {
            "source": source,
            "osDiskImage": {"hostCaching": "ReadWrite", "sizeInGB": _disk_gb(made_from), "source": {}},
        }
        resource = self._store.put(
            call.path,
            VERSION,
            {
                "location": location,
                "tags": body.get("tags") or {},
                "properties": {
                    "publishingProfile": publishing,
                    "storageProfile": storage,
                    "safetyProfile": properties.get("safetyProfile") or {},
                    "provisioningState": "Creating",
                },
            },
        )
        self._store.note(resource.id, plan=plan)
        self._plan_copies(resource.id, regions)
        work = self._finish(resource.id, call.outcome)
        headers = self._operations.begin(call, PROVIDER, location, work)
        return ArmAnswer(status=201, body=resource.shown(), headers=headers)

    def _patch(self, call: Call) -> ArmAnswer:
        return self._update(call, self._store.get(call.path), call.json())

    def _update(self, call: Call, before: Resource, body: Json) -> ArmAnswer:
        if before.state not in ("Succeeded", "Failed"):
            raise ArmError(
                409,
                "Conflict",
                "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
                "https://aka.ms/activitylog to get more details on the conflicting requests.",
            )
        wanted: Json = body.get("properties") or {}
        _demand_storage_profile(wanted)
        _demand_same_source(before, wanted)
        demand_future(wanted)
        kept = before.properties["publishingProfile"]
        publishing = {
            **kept,
            **(wanted.get("publishingProfile") or {}),
            "publishedDate": kept["publishedDate"],
        }
        publishing["targetRegions"] = _regions({"publishingProfile": publishing}, before.location)
        properties = {**before.properties, "publishingProfile": publishing, "provisioningState": "Updating"}
        tags = before.tags if body.get("tags") is None else body["tags"]
        resource = self._store.put(
            before.id, VERSION, {**before.body, "tags": tags, "properties": properties}
        )
        self._plan_copies(resource.id, publishing["targetRegions"])
        work = self._finish(resource.id, call.outcome)
        headers = self._operations.begin(call, PROVIDER, resource.location, work)
        return ArmAnswer(status=200, body=resource.shown(), headers=headers)

    def _delete(self, call: Call) -> ArmAnswer:
        version = self._store.find(call.path)
        if version is None:
            return ArmAnswer(status=204)
        self._store.change(version.id, provisioningState="Deleting")
        headers = self._operations.begin(call, PROVIDER, version.location, self._remove(version.id))
        return ArmAnswer(status=202, headers=headers)

    async def _finish(self, version_id: str, outcome: OperationOutcome) -> None:
        ready = max(self._replicas[version_id.lower()].values())
        await asyncio.sleep(max(0.0, (ready - datetime.now(UTC)).total_seconds()) + outcome.seconds)
        found = self._store.find(version_id)
        if found is None or found.state == "Deleting":
            raise ArmError(409, "OperationPreempted", "Operation is preempted by a deletion.")
        if outcome.error is not None:
            # What a version shows after a failed change is not documented. The harder case: it shows the change.
            self._store.change(version_id, provisioningState="Failed")
            raise outcome.error
        self._store.change(version_id, provisioningState="Succeeded")
        self._announce("Write", found.id)

    async def _remove(self, version_id: str) -> None:
        await asyncio.sleep(self._deletion_seconds)
        self._store.remove(version_id)
        self._replicas.pop(version_id.lower(), None)
        self._announce("Delete", version_id)

    def _plan_copies(self, version_id: str, regions: list[Json]) -> None:
        now, before = datetime.now(UTC), self._replicas.get(version_id.lower(), {})
        plan: dict[str, datetime] = {}
        for index, region in enumerate(regions):
            name = short_region(region["name"])
            late = self._seconds * (1 + index / 4)
            plan[name] = before.get(name) or datetime.fromtimestamp(now.timestamp() + late, UTC)
        self._replicas[version_id.lower()] = plan

    def _replication(self, version: Resource) -> Json:
        now, summary = datetime.now(UTC), []
        for region in version.properties["publishingProfile"]["targetRegions"]:
            ready = self._replicas[version.id.lower()][short_region(region["name"])]
            left = max(0.0, (ready - now).total_seconds())
            done = 100 if left == 0 else max(0, min(99, int(100 * (1 - left / (self._seconds * 2)))))
            state = "Completed" if done == 100 else "Replicating"
            summary.append({"region": region["name"], "state": state, "progress": done, "details": ""})
        whole = "Completed" if all(each["progress"] == 100 for each in summary) else "InProgress"
        return {"aggregatedState": whole, "summary": summary}

    def _source(self, call: Call, properties: Json, definition: Resource) -> tuple[Json, Resource]:
        source: Json = (properties.get("storageProfile") or {}).get("source") or {}
        source_id = source.get("virtualMachineId") or source.get("id")
        if not source_id:
            name = "galleryImageVersion.properties.storageProfile.source"
            raise ArmError(
                400, "InvalidParameter", f"Required parameter '{name}' is missing (null).", target=name
            )
        found = self._store.find(str(source_id))
        if found is None:
            raise not_found(str(source_id))
        kinds = {VERSION.lower(), security.MACHINE.lower(), security.MANAGED_IMAGE.lower()}
        if found.type.lower() not in kinds:
            text = f"The source '{source_id}' is neither a version nor a machine nor a managed image."
            raise ArmError(400, "InvalidParameter", text)
        # azure-compute-docs, shared-image-galleries.md: the caller may write a machine, or read another source.
        call.allows("PUT" if found.type.lower() == security.MACHINE.lower() else "GET", found.id)
        wanted = str(definition.properties.get("osState"))
        actual = _os_state(found)
        if actual != wanted:
            raise ArmError(
                400,
                "BadRequest",
                f"The resource with id '{found.id}' has a different OS state ['{actual}'] than the parent gallery "
                f"image OS state ['{wanted}'].",
            )
        security.demand_same_generation(definition, found, self._store)
        security.demand_source(self._store, definition, call.names["version"], found)
        if found.state != "Succeeded":
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"The source '{found.id}' is in provisioning state '{found.state}'; it must be 'Succeeded'.",
            )
        return dict(source), found


def _published() -> str:
    """The time of a publication as Azure shows it, with seven digits behind the second. Nobody else can set it.

    Source: the answers in Azure/azure-cli, recordings/test_image_version_end_of_life_date.yaml (23 April 2026, API
    2024-03-03), where two updates leave it as it was; Microsoft's models call the property read-only, "ignored when
    sending a request". The same answers show no `systemData` and no unique id of a version.
    """
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def _demand_plan(definition: Resource, source: Resource) -> Any:
    """The plan that the version's machines must name: its source's.

    A definition without a plan takes such a version, and machines then fail (hashicorp/packer#12616). No document
    says what Azure does with a definition of another plan: refused here, because no machine could name both.
    """
    sold, kept = source.hidden.get("plan"), definition.properties.get("purchasePlan")
    if kept and any((sold or {}).get(each) != value for each, value in kept.items()):
        text = f"The plan of the source '{source.id}' is not the purchase plan of the gallery image '{definition.id}'."
        raise ArmError(400, "InvalidParameter", text, target="galleryImage.properties.purchasePlan")
    return sold


def _disk_gb(source: Resource) -> int:
    """The size of the disk that was captured or copied."""
    if source.type.lower() == VERSION.lower():
        return int(source.properties["storageProfile"]["osDiskImage"]["sizeInGB"])
    return int(source.hidden.get("disk_gb") or 0)


def _os_state(source: Resource) -> str:
    if source.type.lower() in (VERSION.lower(), security.MANAGED_IMAGE.lower()):
        return "Generalized"  # the emulator makes them of generalized machines alone
    return "Generalized" if source.hidden.get("generalized") else "Specialized"


def _demand_name(name: str) -> None:
    found = _NAME.fullmatch(name)
    if found is None or any(int(part) > INT32_MAX for part in found.groups()):
        raise ArmError(
            400,
            "InvalidParameter",
            "The image version name is invalid. The image version name should follow Major(int).Minor(int).Patch(int) "
            "format, where int is between 0 and 2,147,483,647 (inclusive). For e.g: 1.0.0, 2018.12.1 etc.",
            target="galleryImageVersionName",
        )


def _regions(properties: Mapping[str, Any], location: str) -> list[Json]:
    regions = (properties.get("publishingProfile") or {}).get("targetRegions") or [{"name": location}]
    names = [short_region(str(region.get("name", ""))) for region in regions]
    if len(set(names)) != len(names):
        raise ArmError(
            400, "InvalidParameter", "Duplicate regions are not allowed in target publishing regions."
        )
    if location not in names:
        raise ArmError(
            400,
            "InvalidParameter",
            f"Gallery image version publishing profile regions '{', '.join(names)}' must contain the location of "
            f"image version '{location}'.",
            target="galleryImageVersion.properties.publishingProfile.targetRegions",
        )
    defaults = {"regionalReplicaCount": 1, "storageAccountType": "Standard_LRS", "excludeFromLatest": False}
    return [{**defaults, **region} for region in regions]


def demand_future(wanted: Json) -> None:
    """Refuse an end of life that has passed.

    Source: MicrosoftDocs/azure-docs#86025, where the creation of a version is refused in these words. That a change is
    treated alike, also one that repeats what the version has, is the harder reading.
    """
    text = str((wanted.get("publishingProfile") or {}).get("endOfLifeDate") or "")
    if text and datetime.fromisoformat(text.replace("Z", "+00:00")) <= datetime.now(UTC):
        raise ArmError(
            400,
            "InvalidParameter",
            "EndOfLifeDate must be set to a future date.",
            target="galleryImageVersion.properties.publishingProfile.endOfLifeDate",
        )


def _demand_storage_profile(wanted: Json) -> None:
    """Refuse a change without `storageProfile`. It is required in every change, and may be empty.

    Source: `GalleryImageVersionProperties` in the schema of Microsoft.Compute 2025-12-03
    (Azure/azure-resource-manager-schemas), the model of the SDK's PATCH (azure-mgmt-compute 39,
    `GalleryImageVersionUpdate`), and Microsoft's example GalleryImageVersion_Update_WithoutSourceId, which sends it
    empty. The words are those of Azure's refusal of another missing parameter.
    """
    if wanted.get("storageProfile") is None:
        name = "galleryImageVersion.properties.storageProfile"
        raise ArmError(
            400, "InvalidParameter", f"Required parameter '{name}' is missing (null).", target=name
        )


def _demand_same_source(before: Resource, wanted: Json) -> None:
    source: Json = (wanted.get("storageProfile") or {}).get("source") or {}
    for name, value in source.items():
        if (
            str(before.properties["storageProfile"]["source"].get(name, "")).lower()
            != str(value or "").lower()
        ):
            target = f"galleryImageVersion.properties.storageProfile.source.{name}"
            raise ArmError(
                409,
                "PropertyChangeNotAllowed",
                f"Changing property '{target}' is not allowed.",
                target=target,
            )
