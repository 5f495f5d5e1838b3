"""Deployments of ARM templates, as Packer's azure-arm makes them: validated first, then created one resource at a time.

It refuses what Azure refuses: an unknown image, subnet or size, a missing right, a template that cannot be read. The
service of each type creates the resources.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from local.arm.compute import template_language
from local.arm.compute.machines import Machines
from local.arm.compute.networks import ADDRESS, INTERFACE, MACHINE, NETWORK, SECURITY_GROUP, Networks
from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group, group_id
from local.arm.tag_policy import TagPolicy
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json
from local.scenario import PackerScenario

DEPLOYMENT: Final = "Microsoft.Resources/deployments"
_PATH: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + DEPLOYMENT + "/{deployment}"
)
# Only this path has no provider in it. Azure's path is the same.
_OPERATIONS: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}/deployments/{deployment}/operations"
)
_ORDER: Final = (
    SECURITY_GROUP,
    ADDRESS,
    NETWORK,
    INTERFACE,
    MACHINE,
)  # each type needs only types before it
# A deployment answers with this refusal itself, and not around it (hashicorp/packer#6009).
_UNWRAPPED: Final = frozenset({"MarketplacePurchaseEligibilityFailed"})
_FAILED: Final = (
    "At least one resource deployment operation failed. Please list deployment operations for details. Please see "
    "https://aka.ms/arm-deployment-operations for usage details."
)


class Deployments:
    """Deployments. `scenario_for` gives a build's scenario by its tags: Azure may lack capacity for its machine."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        machines: Machines,
        networks: Networks,
        *,
        scenario_for: Callable[[Any], PackerScenario],
        policy: TagPolicy,
    ) -> None:
        self._store = store
        self._operations = operations
        self._machines = machines
        self._networks = networks
        self._scenario_for = scenario_for
        self._policy = policy

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        return [
            ArmRoute("POST", f"{_PATH}/validate", self._validate),
            ArmRoute("POST", f"{_PATH}/cancel", self._cancel),
            ArmRoute("GET", f"{_PATH}/operations", self._list_operations),
            ArmRoute("GET", _OPERATIONS, self._list_operations),
            ArmRoute("GET", _PATH, lambda call: ArmAnswer(body=self._store.get(call.path).shown())),
            ArmRoute("GET", _PATH.removesuffix("/{deployment}"), self._list),
            ArmRoute("PUT", _PATH, self._put),
            ArmRoute("DELETE", _PATH, self._delete),
        ]

    def _validate(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        place = call.path.rsplit("/", 1)[0]
        planned = self._plan(call, place.rsplit("/", 1)[1])
        shown = {
            "provisioningState": "Succeeded",
            "mode": "Incremental",
            "timestamp": datetime.now(UTC).isoformat(),
            "validatedResources": [{"id": _id_of(call, each)} for each in planned],
        }
        return ArmAnswer(
            body={"id": place, "name": place.rsplit("/", 1)[1], "type": DEPLOYMENT, "properties": shown}
        )

    def _put(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        existed = self._store.find(call.path)
        if existed is not None and existed.state in ("Accepted", "Running"):
            text = (
                f"Unable to edit or replace deployment '{existed.name}': previous deployment is still active."
            )
            raise ArmError(409, "DeploymentActive", text)
        planned = self._plan(call, call.names["deployment"])
        body = call.json()
        properties: Json = {"provisioningState": "Accepted", "mode": "Incremental", **_times()}
        # The template and its parameters are not kept, because they hold a password.
        made = self._store.put(
            call.path, DEPLOYMENT, {"tags": body.get("tags") or {}, "properties": properties}
        )
        self._store.note(made.id, operations=())
        work = self._deploy(made.id, [(_id_of(call, each), each) for each in planned])
        headers = self._operations.begin(call, "Microsoft.Resources", "", work, below=made.id)
        return ArmAnswer(status=200 if existed else 201, body=made.shown(), headers=headers)

    async def _deploy(self, deployment: str, planned: list[tuple[str, Json]]) -> None:
        self._store.change(deployment, provisioningState="Running")
        for resource_id, wanted in planned:
            if self._state(deployment) != "Running":
                raise ArmError(409, "DeploymentCanceled", "The deployment was canceled.")
            try:
                await self._make(resource_id, wanted)
            except ArmError as error:
                self._note(deployment, resource_id, wanted["type"], error)
                failed = ArmError(409, "DeploymentFailed", _FAILED, target=deployment, details=[error])
                if self._state(deployment):
                    self._store.change(deployment, provisioningState="Failed", error=failed.body())
                raise failed from error
            self._note(deployment, resource_id, wanted["type"], None)
        if self._state(deployment) == "Running":
            made = [{"id": resource_id} for resource_id, _ in planned]
            self._store.change(deployment, provisioningState="Succeeded", outputResources=made)

    async def _make(self, resource_id: str, wanted: Json) -> None:
        if wanted["type"] != MACHINE:
            self._networks.create(wanted["type"], resource_id, wanted)
            return
        if self._scenario_for(wanted.get("tags") or {}).name == "fail-capacity":
            raise ArmError(
                409,
                "AllocationFailed",
                "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. "
                "Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
            )
        await self._machines.create(resource_id, wanted)

    def _plan(self, call: Call, name: str) -> list[Json]:
        """The resources in the order of their creation. Raises with all problems at once."""
        group = self._store.get(group_id(call))
        properties: Json = call.json().get("properties") or {}
        try:
            wanted = template_language.read(
                properties,
                subscription=call.names["subscription"],
                group=call.names["group"],
                location=group.location,
            )
        except (AttributeError, KeyError, TypeError) as error:
            text = f"Deployment template validation failed: '{error!r}'."
            raise ArmError(400, "InvalidTemplate", text) from error
        ids = frozenset(_id_of(call, each).lower() for each in wanted)
        subnets = frozenset(
            f"{_id_of(call, each)}/subnets/{subnet['name']}".lower()
            for each in wanted
            for subnet in (each.get("properties") or {}).get("subnets") or ()
        )
        problems = [problem for each in wanted for problem in self._problems(call, each, ids | subnets)]
        unwrapped = next((each for each in problems if each.code in _UNWRAPPED), None)
        if unwrapped is not None:
            raise unwrapped
        if problems:
            raise ArmError(
                400,
                "InvalidTemplateDeployment",
                f"The template deployment '{name}' is not valid according to the validation procedure. "
                f"See inner errors for details. {problems[0].message}",
                details=problems,
            )
        return sorted(wanted, key=lambda each: _ORDER.index(each["type"]))

    def _problems(self, call: Call, wanted: Json, planned: frozenset[str]) -> list[ArmError]:
        kind = wanted.get("type")
        if kind not in _ORDER:
            text = f"the resource type '{kind}' is not emulated in a deployment; add it to local/arm"
            return [ArmError(400, "NotEmulated", text)]
        found = []
        for ask in (self._demand_right, self._demand_join, self._demand_tags, self._demand_sense):
            try:
                ask(call, wanted, planned)
            except ArmError as error:
                found.append(error)
        return found

    def _demand_right(self, call: Call, wanted: Json, _planned: frozenset[str]) -> None:
        call.allows("PUT", _id_of(call, wanted))

    def _demand_tags(self, _call: Call, wanted: Json, _planned: frozenset[str]) -> None:
        self._policy.check_resource(wanted["type"], str(wanted.get("name")), wanted.get("tags"))

    def _demand_sense(self, _call: Call, wanted: Json, planned: frozenset[str]) -> None:
        if wanted["type"] == MACHINE:
            self._machines.check(wanted)
        else:
            self._networks.check(wanted["type"], wanted, planned)

    def _demand_join(self, call: Call, wanted: Json, planned: frozenset[str]) -> None:
        """A caller that puts an interface into an existing subnet needs a right on that subnet."""
        for each in (wanted.get("properties") or {}).get("ipConfigurations") or ():
            subnet = str(((each.get("properties") or {}).get("subnet") or {}).get("id") or "")
            if subnet and subnet.lower() not in planned:
                call.allows("POST", f"{subnet}/join")

    def _delete(self, call: Call) -> ArmAnswer:
        found = self._store.find(call.path)
        if found is None:
            return ArmAnswer(status=204)

        async def work() -> None:
            self._store.remove(found.id)

        return ArmAnswer(status=202, headers=self._operations.begin_deletion(call, work()))

    def _cancel(self, call: Call) -> ArmAnswer:
        deployment = self._store.get(call.path.rsplit("/", 1)[0])
        if deployment.state not in ("Accepted", "Running"):
            text = (
                f"The deployment '{deployment.name}' cannot be cancelled because it is in a terminal state."
            )
            raise ArmError(409, "DeploymentCannotBeCancelled", text)
        self._store.change(deployment.id, provisioningState="Canceled")
        return ArmAnswer(status=204)

    def _list(self, call: Call) -> ArmAnswer:
        found = self._store.children(group_id(call), DEPLOYMENT)
        return ArmAnswer(body={"value": [each.shown() for each in found]})

    def _list_operations(self, call: Call) -> ArmAnswer:
        name = call.names["deployment"]
        deployment = self._store.get(f"{group_id(call)}/providers/{DEPLOYMENT}/{name}")
        shown = [*deployment.hidden.get("operations", ())]
        if deployment.state == "Succeeded":  # Azure adds an operation without a target
            shown.append(
                _operation(deployment, len(shown), {"provisioningOperation": "EvaluateDeploymentOutput"})
            )
        return ArmAnswer(body={"value": shown})

    def _note(self, deployment: str, resource_id: str, kind: str, error: ArmError | None) -> None:
        found = self._store.find(deployment)
        if found is None:
            return
        before = found.hidden.get("operations", ())
        facts: Json = {
            "provisioningOperation": "Create",
            "provisioningState": "Failed" if error else "Succeeded",
            "targetResource": {
                "id": resource_id,
                "resourceType": kind,
                "resourceName": resource_id.rsplit("/", 1)[1],
            },
        }
        if error is not None:
            facts |= {"statusCode": "Conflict", "statusMessage": {"status": "Failed", "error": error.body()}}
        self._store.note(deployment, operations=(*before, _operation(found, len(before), facts)))

    def _state(self, deployment: str) -> str:
        found = self._store.find(deployment)
        return found.state if found else ""


def _id_of(call: Call, wanted: Json) -> str:
    return f"{group_id(call)}/providers/{wanted.get('type')}/{wanted.get('name')}"


def _operation(deployment: Resource, number: int, facts: Json) -> Json:
    name = f"{number + 1:016X}"
    properties = {"provisioningState": "Succeeded", "statusCode": "OK", **_times(), **facts}
    return {"id": f"{deployment.id}/operations/{name}", "operationId": name, "properties": properties}


def _times() -> Json:
    return {"timestamp": datetime.now(UTC).isoformat(), "duration": "PT0.1S"}
