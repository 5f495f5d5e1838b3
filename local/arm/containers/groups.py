"""Container groups (Microsoft.ContainerInstance): which calls may create, restart, stop and delete a group.

A repeated PUT restarts the containers, as on Azure. A group answers 404 only after its processes ended. A
list shows no instance view, as on Azure.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from local.arm.containers import rules
from local.arm.containers.environment import ContainerPlatform, new_identity_header
from local.arm.containers.quota import Quota, RegionLimits
from local.arm.containers.run import Container, ContainerRun, group_state, parse_containers
from local.arm.operations import Operations
from local.arm.store import Resource, Store, demand_group, short_region
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

PROVIDER: Final = "Microsoft.ContainerInstance"
GROUP: Final = "Microsoft.ContainerInstance/containerGroups"
_CLOSE_SECONDS: Final = 5.0  # for the containers when the emulator ends: their results are not used
_GROUPS: Final = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + GROUP
_SUBSCRIPTION: Final = "/subscriptions/{subscription}/providers/Microsoft.ContainerInstance"


@dataclass(slots=True, kw_only=True)
class _Group:
    """The live side of a group."""

    containers: tuple[Container, ...]
    identity_header: str
    restart_policy: str
    runs: list[ContainerRun] = field(default_factory=list)
    stopped: bool = False
    life: int = 0  # counts starts, so that a run of an earlier start cannot start again


class ContainerGroupService:
    """Container groups. `attach(header, identity ids)` gives these identities to an identity secret."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        platform: ContainerPlatform,
        *,
        limits: RegionLimits,
        attach: Callable[[str, tuple[str, ...]], None],
    ) -> None:
        self._store = store
        self._operations = operations
        self._platform = platform
        self._limits = limits
        self._attach = attach
        self._groups: dict[str, _Group] = {}
        self._quota = Quota(limits)
        self._count = 0

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        group = _GROUPS + "/{name}"
        return [
            ArmRoute("GET", _GROUPS, lambda call: self._list(call.path.split("/providers/")[0])),
            ArmRoute("GET", f"{_SUBSCRIPTION}/containerGroups", lambda call: self._list(_scope(call))),
            ArmRoute("GET", f"{_SUBSCRIPTION}/locations/{{location}}/usages", self._usages),
            ArmRoute("GET", group, self._get),
            ArmRoute("PUT", group, self._put),
            ArmRoute("DELETE", group, self._delete),
            ArmRoute("POST", f"{group}/start", self._start),
            # 204, not 202 as a start: the SDKs take no other (azure-mgmt-containerinstance 10.1.0, begin_restart).
            ArmRoute("POST", f"{group}/restart", lambda call: replace(self._start(call), status=204)),
            ArmRoute("POST", f"{group}/stop", self._stop),
            ArmRoute("GET", f"{group}/containers/{{container}}/logs", self._logs),
        ]

    def live(self) -> list[Json]:
        """Each group with its state and process ids, for control."""
        return [
            {
                "id": self._store.get(key).id,
                "state": self._state(group),
                "pids": [run.pid for run in group.runs if run.pid],
            }
            for key, group in self._groups.items()
        ]

    async def close(self) -> None:
        """End every process, before the emulator ends itself."""
        for group in self._groups.values():
            group.life += 1
            group.stopped = True
        grace = min(_CLOSE_SECONDS, self._limits.grace_seconds)
        runs = [run for group in self._groups.values() for run in group.runs]
        await asyncio.gather(*(run.stop(grace) for run in runs))

    def _list(self, scope: str) -> ArmAnswer:
        return ArmAnswer(body={"value": [_listed(each) for each in self._store.children(scope, GROUP)]})

    def _get(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._shown(self._store.get(call.path)))

    def _put(self, call: Call) -> ArmAnswer:
        demand_group(self._store, call)
        body = call.json()
        properties: Json = body.get("properties") or {}
        try:
            wanted = parse_containers(properties)
        except (KeyError, TypeError, ValueError) as error:
            raise ArmError(
                400, "InvalidRequestContent", f"The container group's properties lack {error}."
            ) from error
        if not wanted or not body.get("location"):
            raise ArmError(
                400, "InvalidRequestContent", "The location and at least one container are needed."
            )
        rules.demand_group(call.names["name"], body)
        header = new_identity_header()
        self._attach(header, tuple((body.get("identity") or {}).get("userAssignedIdentities") or ()))
        before = self._store.find(call.path)
        if before is None:
            location = short_region(body["location"])
            self._quota.take(location, *self._used(location), sum(container.cpu for container in wanted))
        else:
            self._demand_update(before, body, wanted)
        resource = self._store.put(
            call.path,
            GROUP,
            {
                **{key: body[key] for key in ("identity", "zones") if key in body},
                "location": body["location"],
                "tags": body.get("tags") or {},
                "properties": {**rules.without_secrets(properties), "provisioningState": "Pending"},
            },
            delete=lambda: self._end(call.path),
        )
        group = self._groups.get(resource.id.lower())
        if group is None:
            policy = str(properties.get("restartPolicy") or "Always")
            group = _Group(containers=wanted, identity_header=header, restart_policy=policy)
            self._groups[resource.id.lower()] = group
        group.containers, group.identity_header = wanted, header
        headers = self._operations.begin(call, PROVIDER, resource.location, self._launch(resource.id, group))
        return ArmAnswer(status=200 if before else 201, body=self._shown(resource), headers=headers)

    async def _launch(self, group_id: str, group: _Group) -> None:
        group.life += 1
        life = group.life
        await self._halt(group)
        if life != group.life or self._store.find(group_id) is None:
            return
        group.stopped = False
        old = {run.container.name: run for run in group.runs}
        group.runs = [self._new_run(container, old.get(container.name)) for container in group.containers]
        await asyncio.sleep(self._limits.start_seconds)
        if life != group.life or self._store.find(group_id) is None:
            return
        for run in list(group.runs):
            self._operations.run(self._follow(group, run, life))
        # Azure tries to pull an image for a while, and gives up after 30 minutes (learn, container-state).
        is_stuck = any(self._is_missing(container) for container in group.containers)
        self._store.change(group_id, provisioningState="Creating" if is_stuck else "Succeeded")

    def _is_missing(self, container: Container) -> bool:
        return any(text in container.image for text in self._limits.missing_images)

    async def _follow(self, group: _Group, run: ContainerRun, life: int) -> None:
        if life != group.life:
            return
        if self._is_missing(run.container):
            run.wait_for_image()
            return
        await run.start(self._platform, group.identity_header)
        if not self._starts_again(group, run) or group.stopped or life != group.life:
            return
        following = self._new_run(run.container, run)  # it waits, and shows how the run before it ended
        group.runs[group.runs.index(run)] = following
        await asyncio.sleep(self._limits.restart_seconds)
        if group.stopped or life != group.life:
            return
        await self._follow(group, following, life)

    def _starts_again(self, group: _Group, run: ContainerRun) -> bool:
        """The policy `Never` holds only for exit code 0.

        Source: learn container-instances-restart-policy, Restart behavior with nonzero exit codes.
        """
        if group.restart_policy == "Always" or run.exit_code == 0:
            return group.restart_policy == "Always"
        return group.restart_policy == "OnFailure" or run.restarts < self._limits.restarts

    def _new_run(self, container: Container, previous: ContainerRun | None) -> ContainerRun:
        self._count += 1
        folder: Path = self._platform.folder / "containers" / f"{self._count}-{container.name}"
        restarts = previous.restarts + 1 if previous else 0
        return ContainerRun(
            container, folder, restarts=restarts, previous=previous.state if previous else None
        )

    async def _halt(self, group: _Group) -> None:
        await asyncio.gather(*(run.stop(self._limits.grace_seconds) for run in group.runs))

    def _start(self, call: Call) -> ArmAnswer:
        resource = self._store.get(call.path.rstrip("/").rsplit("/", 1)[0])
        self._store.change(resource.id, provisioningState="Pending")
        group = self._groups[resource.id.lower()]
        headers = self._operations.begin(call, PROVIDER, resource.location, self._launch(resource.id, group))
        return ArmAnswer(status=202, headers=headers)

    def _stop(self, call: Call) -> ArmAnswer:
        resource = self._store.get(call.path.rstrip("/").rsplit("/", 1)[0])
        group = self._groups[resource.id.lower()]
        group.stopped = True
        group.life += 1
        self._store.change(resource.id, provisioningState="Succeeded")
        self._operations.run(self._halt(group))
        return ArmAnswer(status=204)

    def _delete(self, call: Call) -> ArmAnswer:
        resource = self._store.find(call.path)
        if resource is None:
            return ArmAnswer(status=204)
        self._quota.take_deletion(resource.location)
        resource = self._store.change(resource.id, provisioningState="Deleting")
        headers = self._operations.begin(call, PROVIDER, resource.location, self._remove(resource.id))
        return ArmAnswer(status=202, body=self._shown(resource), headers=headers)

    def _end(self, group_id: str) -> None:
        self._store.change(group_id, provisioningState="Deleting")
        self._operations.run(self._remove(group_id))

    async def _remove(self, group_id: str) -> None:
        group = self._groups.get(group_id.lower())
        if group is not None:
            group.life += 1
            group.stopped = True
            await self._halt(group)
            await asyncio.sleep(self._limits.delete_seconds)
        if (
            self._groups.get(group_id.lower()) is group
        ):  # a second deletion must not end the next group of this name
            self._store.remove(group_id)
            self._groups.pop(group_id.lower(), None)

    def _logs(self, call: Call) -> ArmAnswer:
        resource = self._store.get(call.path.split("/containers/")[0])
        name = call.names["container"]
        runs = self._groups[resource.id.lower()].runs
        run = next((each for each in runs if each.container.name == name), None)
        if run is None:
            raise ArmError(404, "ContainerNotFound", f"Container '{name}' is not found in '{resource.name}'.")
        text = run.log()
        if "tail" in call.query:
            text = "".join(text.splitlines(keepends=True)[-int(call.query["tail"]) :])
        return ArmAnswer(body={"content": text})

    def _shown(self, resource: Resource) -> Json:
        group = self._groups.get(resource.id.lower())
        shown = resource.shown()
        if group is None:
            return shown
        views = {run.container.name: run.shown() for run in group.runs}
        containers = [
            {**each, "properties": {**each["properties"], **_instance_view(views.get(each["name"]))}}
            for each in resource.properties["containers"]
        ]
        view = {"state": self._state(group), "events": []}
        shown["properties"] = {**resource.properties, "containers": containers, "instanceView": view}
        return shown

    def _state(self, group: _Group) -> str:
        state = group_state(group.runs)
        return "Stopped" if group.stopped and state in ("Succeeded", "Failed") else state

    def _demand_update(self, before: Resource, body: Json, wanted: tuple[Container, ...]) -> None:
        if before.state in ("Pending", "Deleting"):
            raise ArmError(
                409,
                "ContainerGroupTransitioning",
                f"The container group '{before.name}' is still transitioning, please retry later.",
            )
        group = self._groups[before.id.lower()]
        fixed = ("osType", "restartPolicy", "subnetIds")
        properties = body["properties"]
        moved = any(properties.get(name) != before.properties.get(name) for name in fixed)
        grown = [container.cpu for container in wanted] != [container.cpu for container in group.containers]
        is_over = self._state(group) in ("Succeeded", "Failed", "Stopped")
        if moved or grown or (is_over and wanted != group.containers):
            raise ArmError(
                400,
                "InvalidContainerGroupUpdate",
                f"The updates on container group '{before.name}' are invalid. If you are going to update the os type, "
                "restart policy, network profile, CPU, memory or GPU resources for a container group, or it has "
                "terminated, you must delete it first and then create a new one.",
            )

    def _usages(self, call: Call) -> ArmAnswer:
        location = short_region(call.names["location"])
        return ArmAnswer(body={"value": self._quota.shown(*self._used(location))})

    def _used(self, location: str) -> tuple[int, float]:
        here = [key for key in self._groups if self._store.get(key).location == location]
        cores = sum(container.cpu for key in here for container in self._groups[key].containers)
        return len(here), cores


def clear_folder(folder: Path) -> None:
    """Remove the containers' folders of an earlier run."""
    shutil.rmtree(folder / "containers", ignore_errors=True)


def _scope(call: Call) -> str:
    return f"/subscriptions/{call.names['subscription']}"


def _listed(resource: Resource) -> Json:
    return resource.shown()  # no instance view: a client must GET a group to learn its state


def _instance_view(view: Json | None) -> Json:
    return {} if view is None else {"instanceView": view}
