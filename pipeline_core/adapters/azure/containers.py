"""Azure Container Instances: the builder's container groups in the build resource group."""

from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models as shapes

from pipeline_core.adapters.azure import errors
from pipeline_core.adapters.azure.configuration import Configuration
from pipeline_core.ports import ContainerGroup, GroupState, NewContainerGroup

CONTAINER = "builder"
_COMMAND = ["imagefactory-builder"]
_AZURE_DNS = "168.63.129.16"  # a group in a network does not inherit the network's DNS
_EVENTS = 3  # the newest ones of a container, which explain a failure


class AzureContainers:
    """Sees one resource group and nothing else."""

    def __init__(self, client: ContainerInstanceManagementClient, configuration: Configuration) -> None:
        self._groups = client.container_groups
        self._configuration = configuration
        self._resource_group = configuration.build_resource_group

    def find_group(self, name: str) -> ContainerGroup | None:
        """The group, or None."""
        try:
            found = self._groups.get(self._resource_group, name)
        except AzureError as error:
            if errors.is_absent(error):
                return None
            raise errors.translate(error, f"look at container group {name}") from error
        return _shown(name, found)

    def create_group(self, new: NewContainerGroup) -> None:
        """Create a group after a look has not found it. A second create would restart the group."""
        body = shapes.ContainerGroup.deserialize(render_group(new, self._configuration))
        with errors.translated(f"create container group {new.name}"):
            self._groups.begin_create_or_update(self._resource_group, new.name, body, polling=False)

    def delete_group(self, name: str) -> None:
        """Start the deletion and return. A group that is gone is not an error."""
        try:
            self._groups.begin_delete(self._resource_group, name, polling=False)
        except AzureError as error:
            if not errors.is_absent(error):
                raise errors.translate(error, f"delete container group {name}") from error


def render_group(new: NewContainerGroup, configuration: Configuration) -> dict[str, Any]:
    """The body of the PUT."""
    identity, image = configuration.builder_identity_id, configuration.builder_image
    properties: dict[str, Any] = {
        "osType": "Linux",
        "restartPolicy": "Never",
        "containers": [
            {
                "name": CONTAINER,
                "properties": {
                    "image": image,
                    "command": _COMMAND,
                    "resources": {"requests": {"cpu": new.cpu, "memoryInGB": new.memory_gib}},
                    "environmentVariables": [
                        {"name": name, "value": value} for name, value in sorted(new.environment.items())
                    ],
                },
            }
        ],
    }
    server = image.split("/", 1)[0]
    if "/" in image and "." in server:
        properties["imageRegistryCredentials"] = [{"server": server, "identity": identity}]
    if configuration.build_subnet_id:
        properties["subnetIds"] = [{"id": configuration.build_subnet_id}]
        properties["dnsConfig"] = {"nameServers": [_AZURE_DNS]}
    return {
        "location": str(configuration.location),
        "tags": dict(sorted(new.tags.items())),
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": properties,
    }


def _shown(name: str, group: shapes.ContainerGroup) -> ContainerGroup:
    # Read as ARM's own document: the SDK's types mark fields of every running group as optional, and the reverse.
    body: Mapping[str, Any] = group.serialize(keep_readonly=True)
    properties = body.get("properties") or {}
    containers = properties.get("containers") or [{}]
    view = (containers[0].get("properties") or {}).get("instanceView") or {}
    current = view.get("currentState") or {}
    exit_code = current.get("exitCode") if current.get("state") == "Terminated" else None
    state = group_state(
        provisioning=str(properties.get("provisioningState") or ""),
        group=str((properties.get("instanceView") or {}).get("state") or ""),
        container=str(current.get("state") or ""),
        exit_code=exit_code,
    )
    return ContainerGroup(
        name=name,
        state=state,
        tags=dict(body.get("tags") or {}),
        exit_code=exit_code,
        detail=_detail(view) if state is GroupState.FAILED else "",
    )


def group_state(*, provisioning: str, group: str, container: str, exit_code: int | None) -> GroupState:
    """The state, from ARM's facts about the provisioning, the group and its one container."""
    if container == "Terminated":
        return GroupState.SUCCEEDED if exit_code == 0 else GroupState.FAILED
    if provisioning == "Failed" or group in ("Failed", "Stopped", "Succeeded"):
        # Ended without an exit code of our container: it was stopped from outside, or never started.
        return GroupState.FAILED
    return GroupState.RUNNING if container == "Running" else GroupState.STARTING


def _detail(view: Mapping[str, Any]) -> str:
    if not view:
        return "the group ended before its container was started"
    status = str((view.get("currentState") or {}).get("detailStatus") or "")
    events = [
        f"{event.get('name')}: {event.get('message')}" for event in (view.get("events") or [])[-_EVENTS:]
    ]
    return " | ".join(part for part in (status, *events) if part)[:1000]
