"""A key vault in memory."""

from pipeline_core.domain.errors import NotFound
from pipeline_core.ports import Secret


class MemorySecrets:
    """Versions by name, the newest last. Names have no case."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Secret]] = {}

    def get(self, name: str, version: str = "") -> Secret:
        """The newest version, or this one. Raises NotFound."""
        found = [each for each in self._versions.get(name.lower(), []) if version in ("", each.version)]
        if not found:
            raise NotFound(f"the key vault has no secret {name} {version}".rstrip() + "; set it")
        return found[-1]

    def set(self, name: str, value: str) -> str:
        """Store a new version beside the older ones, which stay; its id."""
        versions = self._versions.setdefault(name.lower(), [])
        version = f"{len(versions) + 1:032x}"
        versions.append(Secret(version=version, value=value))
        return version
