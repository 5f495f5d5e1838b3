"""Key Vault secrets."""

from azure.keyvault.secrets import SecretClient

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import NotFound


class AzureSecrets:
    """Reads the newest values. No message shows a value."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client

    def get(self, name: str) -> str:
        """The newest value. Raises NotFound."""
        with errors.translated(f"read secret {name}"):
            value = self._client.get_secret(name).value
        if value is None:
            raise NotFound(f"the secret {name} has no value; set it")
        return value
