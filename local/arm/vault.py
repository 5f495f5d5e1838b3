"""Key Vault secrets. The gate demands the vault's own audience; here are only names and values."""

import uuid
from datetime import UTC, datetime

from local.arm.wire import Answer, ArmError, Call, Json, Route


class Vault:
    """The secrets of one vault, newest version last."""

    def __init__(self) -> None:
        self._secrets: dict[str, list[tuple[str, str, int]]] = {}

    def set(self, name: str, value: str) -> str:
        """Store a new version; its id."""
        version = uuid.uuid4().hex
        self._secrets.setdefault(name.lower(), []).append(
            (version, value, int(datetime.now(UTC).timestamp()))
        )
        return version

    def routes(self) -> list[Route]:
        """The service's routes."""
        return [
            Route("GET", "/secrets/{name}", self._get),
            Route("GET", "/secrets/{name}/{version}", self._get),
            Route("PUT", "/secrets/{name}", self._put),
        ]

    def _put(self, call: Call) -> Answer:
        value = call.json().get("value")
        if not isinstance(value, str):
            raise ArmError(400, "BadParameter", "Property has invalid value: value")
        self.set(call.names["name"], value)
        return self._get(call)

    def _get(self, call: Call) -> Answer:
        name, version = call.names["name"], call.names.get("version", "")
        versions = [each for each in self._secrets.get(name.lower(), []) if version in ("", each[0])]
        if not versions:
            raise ArmError(
                404,
                "SecretNotFound",
                f"A secret with (name/id) {name}/{version} was not found in this key vault. If you recently deleted "
                "this secret you may be able to recover it using the correct recovery command.",
            )
        found, value, created = versions[-1]
        attributes: Json = {
            "enabled": True,
            "created": created,
            "updated": created,
            "recoveryLevel": "Recoverable",
        }
        identifier = f"{call.base}/secrets/{name}/{found}"
        return Answer(body={"value": value, "id": identifier, "attributes": attributes})
