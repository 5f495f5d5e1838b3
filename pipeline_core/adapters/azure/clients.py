"""SDK clients, made from the configuration: two identities, bounded times, and no retries of their own.

The engine retries by itself. An SDK that also retried would block a function for minutes, send messages twice
and see its own insert as a conflict.
"""

import threading
from typing import Any, TypeVar

from azure.core.credentials import TokenCredential
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_core.adapters.azure.configuration import Configuration

Client = TypeVar("Client", KeyClient, CryptographyClient)

_ARM_SCOPE = "https://management.azure.com/.default"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_IDENTITY_RETRIES = (
    2  # the identity endpoint may lag behind the start of a host, and a second request is harmless
)


class Clients:
    """The clients of this process. `credential` is the managed identity if the caller gives none."""

    def __init__(self, configuration: Configuration, credential: TokenCredential | None = None) -> None:
        self._configuration = configuration
        verify: dict[str, Any] = {"connection_verify": configuration.ca_file} if configuration.ca_file else {}
        times: dict[str, Any] = {"connection_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
        self._options: dict[str, Any] = {**verify, **times, "retry_total": 0}
        self._credential = credential or _identity(configuration.client_id)
        self._publisher = credential or _identity(configuration.publisher_client_id)
        self._cleaner = credential or _identity(configuration.cleaner_client_id)
        self._compute: dict[tuple[str, int], ComputeManagementClient] = {}
        self._resources: dict[str, ResourceManagementClient] = {}
        self._of_keys: list[KeyClient | CryptographyClient] = []
        self._lock = threading.Lock()
        self.tables = TableServiceClient(
            configuration.table_endpoint, credential=self._credential, **self._options
        )
        self.queues = QueueServiceClient(
            configuration.queue_endpoint, credential=self._credential, **self._options
        )
        self.blobs = BlobServiceClient(
            configuration.blob_endpoint, credential=self._credential, **self._options
        )
        self.containers = ContainerInstanceManagementClient(
            self._credential, configuration.subscription_id, **self._arm()
        )
        self.resources = ResourceManagementClient(
            self._credential, configuration.subscription_id, **self._arm()
        )
        # A vault with a certificate authority of its own cannot be in the domain of the token's audience.
        self._vault: dict[str, Any] = {
            **self._options,
            "verify_challenge_resource": not configuration.ca_file,
        }
        self.secrets = SecretClient(configuration.receivers_vault_uri, self._credential, **self._vault)

    def keys(self, vault: str) -> KeyClient:
        """The client of a vault's keys. It uses the application's own identity, which signs and publishes nothing."""
        return self._kept(KeyClient(vault, self._credential, **self._vault))

    def cryptography(self, key: KeyVaultKey) -> CryptographyClient:
        """The client that signs with one version of a key."""
        return self._kept(CryptographyClient(key, self._credential, **self._vault))

    def compute(self, subscription_id: str) -> ComputeManagementClient:
        """The client of one subscription. Galleries may be in several subscriptions."""
        return self._compute_of(subscription_id, self._credential)

    def publisher(self, subscription_id: str) -> ComputeManagementClient:
        """As `compute`, with the publisher's identity: the only one that writes versions into live galleries."""
        return self._compute_of(subscription_id, self._publisher)

    def cleaner(self, subscription_id: str) -> ComputeManagementClient:
        """As `compute`, with the cleaner's identity: the only one that deletes versions."""
        return self._compute_of(subscription_id, self._cleaner)

    def _compute_of(self, subscription_id: str, credential: TokenCredential) -> ComputeManagementClient:
        with self._lock:
            found = self._compute.get((subscription_id, id(credential)))
            if found is None:
                found = ComputeManagementClient(credential, subscription_id, **self._arm())
                self._compute[subscription_id, id(credential)] = found
            return found

    def resources_of(self, subscription_id: str) -> ResourceManagementClient:
        """The client of another subscription, in which a quarantine gallery may be."""
        with self._lock:
            found = self._resources.get(subscription_id)
            if found is None:
                found = ResourceManagementClient(self._credential, subscription_id, **self._arm())
                self._resources[subscription_id] = found
            return found

    def close(self) -> None:
        """Close every connection."""
        for client in (self.tables, self.queues, self.blobs, self.containers, self.resources, self.secrets):
            client.close()
        for compute in self._compute.values():
            compute.close()
        for resources in self._resources.values():
            resources.close()
        for keys in self._of_keys:
            keys.close()
        for credential in (self._credential, self._publisher, self._cleaner):
            if isinstance(credential, ManagedIdentityCredential):
                credential.close()

    def _kept(self, client: Client) -> Client:
        with self._lock:
            self._of_keys.append(client)
        return client

    def _arm(self) -> dict[str, Any]:
        return {
            **self._options,
            "base_url": self._configuration.arm_endpoint,
            "credential_scopes": [_ARM_SCOPE],
        }


def _identity(client_id: str) -> ManagedIdentityCredential:
    return ManagedIdentityCredential(
        client_id=client_id,
        retry_total=_IDENTITY_RETRIES,
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
    )
