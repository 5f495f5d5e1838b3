"""The adapters' facts about the place where they work, as plain values. It must not load an SDK."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import GalleryName, Region, TeamName


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryPlace:
    """The place of a gallery. A fleet can span subscriptions."""

    subscription_id: str
    resource_group: str
    name: GalleryName


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Endpoints and coordinates. The keys of `galleries` are names in lower case: Azure ignores case there.

    `client_id` is the application's own identity. `publisher_client_id` is the only one that writes versions
    into live galleries, `cleaner_client_id` the only one that deletes versions. `ca_file` names the certificate
    authority to trust instead of the public ones, or is empty. Either `signing_key` (an identifier in Key Vault) or
    `signing_key_file` (a PEM file) gives the key that signs provenance. `tags` are SecOps' own, on every resource
    that the adapters create. `receivers_vault_uri` is the vault of the receivers' signing secrets. `team_groups` are
    the groups of Entra that prove a team: by object id in lower case, or by name. `token_versions` are the versions
    of access tokens that count. `tools_scanned_elsewhere`: no scanner of this account is asked about the tools' files.
    """

    subscription_id: str
    tenant_id: str
    location: Region
    client_id: str
    publisher_client_id: str
    cleaner_client_id: str
    blob_endpoint: str
    queue_endpoint: str
    table_endpoint: str
    receivers_vault_uri: str
    arm_endpoint: str
    authority: str
    audience: str
    build_resource_group: str
    builder_image: str
    builder_identity_id: str
    build_subnet_id: str
    galleries: Mapping[str, GalleryPlace]
    ca_file: str = ""
    signing_key: str = ""
    signing_key_file: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    team_groups: Mapping[str, TeamName] = field(default_factory=dict)
    token_versions: Literal["1.0", "2.0", "both"] = "both"  # noqa: S105 - versions of tokens
    tools_scanned_elsewhere: bool = False

    def place(self, gallery: GalleryName) -> GalleryPlace:
        """The place of a gallery. Raises NotFound if the settings do not name it."""
        found = self.galleries.get(str(gallery).lower())
        if found is None:
            raise NotFound(f"the gallery {gallery} is not in the settings: add it to FACTORY_LIVE_GALLERIES")
        return found


class Configured(Protocol):
    """The settings, as far as the adapters need them."""

    def azure(self) -> Configuration:
        """Endpoints and coordinates."""
        ...
