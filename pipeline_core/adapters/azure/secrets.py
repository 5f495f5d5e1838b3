"""Key Vault secrets."""

from azure.keyvault.secrets import SecretClient

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import NotFound
from pipeline_core.ports import Secret


class AzureSecrets:
    """Reads and writes versions. No message shows a value."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client

    def get(self, name: str, version: str = "") -> Secret:
        """The newest version, or this one. Raises NotFound."""
        with errors.translated(f"read secret {name}"):
            found = self._client.get_secret(name, version or None)
        if found.value is None:
            raise NotFound(f"the secret {name} has no value; set it")
        return Secret(version=found.properties.version or "", value=found.value)

    def set(self, name: str, value: str) -> str:
        """Store a new version beside the older ones, which stay; its id."""
        with errors.translated(f"set secret {name}"):
            return self._client.set_secret(name, value).properties.version or ""
