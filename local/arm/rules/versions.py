"""The api-versions that each resource type is published in, and Azure's answers to another one. Pure.

A type of a known service that the list does not name (`locations/publishers`, `containerGroups/containers`) takes
each version of its service: no document lists them apart. A service that is not emulated is not judged here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.arm.wire import ArmError

_FILE: Final = Path(__file__).with_name("api_versions.json")
_OWN: Final = "Microsoft.Resources"


class ApiVersions:
    """The known versions, by resource type."""

    def __init__(self, published: Mapping[str, str]) -> None:
        self._published = {name: tuple(versions.split()) for name, versions in published.items()}
        self._types = {name.lower(): versions for name, versions in self._published.items()}
        self._services: dict[str, set[str]] = {}  # service -> all versions of all its types
        for name, versions in self._types.items():
            self._services.setdefault(name.split("/")[0], set()).update(versions)

    def namespaces(self) -> list[str]:
        """The known services, by name."""
        return sorted({name.split("/")[0] for name in self._published})

    def types(self, namespace: str) -> list[tuple[str, tuple[str, ...]]]:
        """The types of a service, without its name, each with its versions."""
        found = ((name.partition("/"), versions) for name, versions in self._published.items())
        return [(parts[2], versions) for parts, versions in found if parts[0] == namespace and parts[2]]

    def supported(self, resource_type: str) -> tuple[str, ...]:
        """The versions of a type, oldest first. None: the service is not known."""
        parts = resource_type.lower().split("/")
        for count in range(len(parts), 1, -1):
            found = self._types.get("/".join(parts[:count]))
            if found is not None:
                return found
        return tuple(sorted(self._services.get(parts[0], ())))

    def demand(self, api_version: str, resource_type: str, location: str) -> None:
        """Raise Azure's refusal of a version. An empty one: MissingApiVersionParameter.

        Resource Manager's own types answer InvalidApiVersionParameter (azure-cli#28038, azure-sdk-for-python#975), a
        service's types NoRegisteredProviderFound (flatcar/mantle#520, azure-libraries-for-java#1293, azure-cli#28496).
        """
        if not api_version:
            raise missing_api_version()
        known = self.supported(resource_type or _OWN)
        if not known or api_version.lower() in known:
            return
        service, _, kind = resource_type.partition("/")
        if not kind or service.lower() == _OWN.lower():
            newest_first = ",".join(reversed(known))
            raise ArmError(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{api_version}' is invalid. The supported versions are '{newest_first}'.",
            )
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{location}' and API version '{api_version}' for "
            f"type '{kind}'. The supported api-versions are '{', '.join(known)}'.",
        )


def missing_api_version() -> ArmError:
    """The answer to a request without an api-version. Key Vault refuses it alike."""
    text = "The api-version query parameter (?api-version=) is required for all requests."
    return ArmError(400, "MissingApiVersionParameter", text)


def load() -> ApiVersions:
    """The versions of the data file beside this module, which names its source."""
    return ApiVersions(json.loads(_FILE.read_text(encoding="utf-8"))["versions"])
