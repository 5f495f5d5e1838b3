"""Azure Container Instances: the builder's container groups in the build resource group.

What a group's states and events mean is in these pages of learn: container-state (group, container, provisioning;
failures are explained in `events`), container-instances-troubleshooting (images that cannot be pulled, `previousState`)
and container-instances-restart-policy (restarts in spite of the policy `Never`).
"""

from collections.abc import Iterator, Mapping, Sequence
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
_LIMIT = 1000  # characters of the explanation of a state
_EVENTS = 3  # the newest ones that say something
_PLAIN = frozenset({"", "Completed", "Error"})  # a detailStatus that says no more than the exit code
_BAD = frozenset(
    {"Failed", "FailedMount", "BackOff", "Unhealthy"}
)  # events that are bad, whatever their type
_EXPLAINED = (GroupState.FAILED, GroupState.STARTING)
_UNEXPLAINED = "the group ended before its container was started"


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
                        *({"name": name, "value": value} for name, value in sorted(new.environment.items())),
                        # "Environment variables with secure values aren't visible in your container's properties"
                        # (learn, container-instances-environment-variables).
                        *(
                            {"name": name, "secureValue": value}
                            for name, value in sorted(new.secrets.items())
                        ),
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
        "tags": dict(sorted({**configuration.tags, **new.tags}.items())),
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": properties,
    }


def _shown(name: str, group: shapes.ContainerGroup) -> ContainerGroup:
    # Read as ARM's own document: the SDK's types mark fields of every running group as optional, and the reverse.
    body: Mapping[str, Any] = group.serialize(keep_readonly=True)
    properties = body.get("properties") or {}
    containers = properties.get("containers") or [{}]
    view = (containers[0].get("properties") or {}).get("instanceView") or {}
    whole = properties.get("instanceView") or {}
    exit_code, restarts = ended(view)
    state = group_state(
        provisioning=str(properties.get("provisioningState") or ""),
        group=str(whole.get("state") or ""),
        container=str((view.get("currentState") or {}).get("state") or ""),
        exit_code=exit_code,
        restarts=restarts,
    )
    detail = explain(view, whole) if state in _EXPLAINED else ""
    if state is GroupState.FAILED and not detail:
        detail = _UNEXPLAINED
    return ContainerGroup(
        name=name, state=state, tags=dict(body.get("tags") or {}), exit_code=exit_code, detail=detail
    )


def group_state(
    *, provisioning: str, group: str, container: str, exit_code: int | None, restarts: bool = False
) -> GroupState:
    """The state, from ARM's facts about the provisioning, the group and its one container.

    `restarts` is true where a container is waiting again after it has ended. Its first run is over, and an attempt has
    only one.
    """
    if container == "Terminated" or restarts:
        return GroupState.SUCCEEDED if exit_code == 0 else GroupState.FAILED
    if provisioning == "Failed" or group in ("Failed", "Stopped", "Succeeded"):
        # Ended without an exit code of our container: it was stopped from outside, or never started.
        return GroupState.FAILED
    return GroupState.RUNNING if container == "Running" else GroupState.STARTING


def ended(view: Mapping[str, Any]) -> tuple[int | None, bool]:
    """The exit code of a container's instance view, and whether Azure is about to start it again."""
    current, previous = view.get("currentState") or {}, view.get("previousState") or {}
    if current.get("state") == "Terminated":
        return current.get("exitCode"), False
    restarts = current.get("state") == "Waiting" and previous.get("state") == "Terminated"
    return (previous.get("exitCode"), True) if restarts else (None, False)


def explain(container: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """Why a group failed or does not start, from the two instance views; empty where Azure says nothing.

    First the exit code, or else the cause that the newest bad events name; then what a state says.
    """
    code, _ = ended(container)
    warnings = [*_bad_events(container.get("events") or ()), *_bad_events(group.get("events") or ())]
    statuses = [
        str((container.get(name) or {}).get("detailStatus") or "")
        for name in ("currentState", "previousState")
    ]
    parts = [] if code is None else [f"exit code {code}"]
    parts += [*warnings[:_EVENTS], *(status for status in statuses if status not in _PLAIN)]
    return " | ".join(dict.fromkeys(parts))[:_LIMIT]


def _bad_events(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The newest first. An event that Azure repeats is one event with a count."""
    for event in sorted(events, key=lambda event: str(event.get("lastTimestamp") or ""), reverse=True):
        name, message = str(event.get("name") or ""), " ".join(str(event.get("message") or "").split())
        if (event.get("type") == "Warning" or name in _BAD) and (name or message):
            yield f"{name}: {message}" if message else name
