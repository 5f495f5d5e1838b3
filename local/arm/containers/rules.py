"""What Azure refuses in the body of a container group. Each rule names its source. It changes nothing.

`learn` is learn.microsoft.com/azure/container-instances, `support` is MicrosoftDocs/SupportArticles-docs
support/azure/azure-container-instances. Where a source names no error code, the code here is InvalidRequestContent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.arm.wire import ArmError, Json

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_]{0,61}[A-Za-z0-9])?")
_CONTAINERS: Final = 60
_VOLUMES: Final = 20
_CORES: Final = 31.0
_MEMORY: Final = 240.0


def demand_group(name: str, body: Json) -> None:
    """Raise ArmError for the first rule that a group breaks. The body's shape was checked before."""
    properties: Json = body.get("properties") or {}
    containers: Sequence[Json] = properties["containers"]
    _demand_names(name, containers)
    _demand_counts(name, properties, containers)
    _demand_size(str(body["location"]), properties, containers)
    identities = (body.get("identity") or {}).get("userAssignedIdentities") or {}
    for credential in properties.get("imageRegistryCredentials") or ():
        _demand_credential(name, credential, identities)


def _demand_names(name: str, containers: Sequence[Json]) -> None:
    # resource-name-rules, Microsoft.ContainerInstance: 1-63 lower-case letters, digits and hyphens, none at an end and
    # no two in a row.
    if not _NAME.fullmatch(name) or "--" in name:
        raise _refusal(
            f"The container group name '{name}' is invalid. It must have 1 to 63 lower-case letters, digits and "
            "single hyphens, and begin and end with a letter or digit."
        )
    for container in containers:
        # learn container-instances-troubleshooting, Naming conventions.
        if not _NAME.fullmatch(str(container["name"])):
            raise _refusal(
                f"The container name '{container['name']}' in container group '{name}' is invalid."
            )
        for variable in container["properties"].get("environmentVariables") or ():
            if not _VARIABLE.fullmatch(str(variable.get("name"))):
                raise _refusal(f"The environment variable name '{variable.get('name')}' is invalid.")
    if len({container["name"] for container in containers}) < len(containers):
        raise _refusal(f"The container names in container group '{name}' are not unique.")


def _demand_counts(name: str, properties: Json, containers: Sequence[Json]) -> None:
    # learn container-instances-resource-and-quota-limits, Unchangeable (Hard) Limits.
    if len(containers) > _CONTAINERS:
        raise _refusal(f"Container group '{name}' has more than {_CONTAINERS} containers.")
    if len(properties.get("volumes") or ()) > _VOLUMES:
        raise _refusal(f"Container group '{name}' has more than {_VOLUMES} volumes.")


def _demand_size(location: str, properties: Json, containers: Sequence[Json]) -> None:
    # learn container-instances-resource-and-quota-limits, Standard Container Resources: 31 CPU and 240 GB in a group.
    # support configuration-setup/service-unavailable-requested-resource-is-not-available.md has code and status.
    requests = [container["properties"]["resources"]["requests"] for container in containers]
    cores = sum(float(each["cpu"]) for each in requests)
    memory = sum(float(each["memoryInGB"]) for each in requests)
    if min(cores, memory) <= 0:
        raise _refusal("The resource requests of a container must be greater than 0.")
    if cores > _CORES or memory > _MEMORY:
        raise ArmError(
            409,
            "ServiceUnavailable",
            f"The requested resource is not available in the location '{location}' at this moment. Please retry with "
            f"a different resource request or in another location. Resource requested: '{cores:g}' CPU '{memory:g}' GB "
            f"memory '{properties.get('osType')}' OS",
        )


def _demand_credential(name: str, credential: Json, identities: Mapping[str, Any]) -> None:
    # support management/acr-image-pull-failures-managed-identity.md: these three codes.
    if not credential.get("server"):
        raise _refusal(
            "The request content was invalid and could not be deserialized: 'Required property 'server' not found in "
            "JSON. Path 'properties.imageRegistryCredentials[0]'.'."
        )
    identity = str(credential.get("identity") or "")
    if bool(identity) == bool(credential.get("username")):
        raise ArmError(
            400,
            "AmbiguousImageResitryCredentialType",  # the service spells it so
            f"The registry credential type in the 'imageRegistryCredentials' of container group '{name}' cannot be "
            "detected. Please set exactly one of username or identity",
        )
    if identity and identity.lower() not in {each.lower() for each in identities}:
        raise ArmError(
            400,
            "InvalidImageRegistryIdentity",
            f"The identity in the 'imageRegistryCredentials' of container group '{name}' not found in container group "
            "identity list.",
        )


def without_secrets(properties: Json) -> Json:
    """The properties as GET shows them. Azure never gives back what a client has marked as secret.

    learn container-instances-environment-variables (secure values), and the write-only properties of the REST
    specification: registry passwords, keys of Azure Files and of Log Analytics, and secret volumes.
    """
    shown = dict(properties)
    shown["containers"] = [_open_container(each) for each in properties["containers"]]
    if properties.get("imageRegistryCredentials"):
        shown["imageRegistryCredentials"] = [
            _without(each, "password") for each in properties["imageRegistryCredentials"]
        ]
    if properties.get("volumes"):
        shown["volumes"] = [_open_volume(each) for each in properties["volumes"]]
    logs = (properties.get("diagnostics") or {}).get("logAnalytics")
    if logs:
        shown["diagnostics"] = {**properties["diagnostics"], "logAnalytics": _without(logs, "workspaceKey")}
    return shown


def _open_container(container: Json) -> Json:
    inner = dict(container["properties"])
    given = inner.get("environmentVariables") or ()
    inner["environmentVariables"] = [_without(each, "secureValue") for each in given]
    return {**container, "properties": inner}


def _open_volume(volume: Json) -> Json:
    shown = dict(volume)
    if "azureFile" in shown:
        shown["azureFile"] = _without(shown["azureFile"], "storageAccountKey")
    if "secret" in shown:
        shown["secret"] = {}
    return shown


def _without(values: Mapping[str, Any], key: str) -> Json:
    return {name: value for name, value in values.items() if name != key}


def _refusal(message: str) -> ArmError:
    return ArmError(400, "InvalidRequestContent", message)
