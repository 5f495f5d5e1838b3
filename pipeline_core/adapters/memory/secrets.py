"""A key vault in memory."""

from pipeline_core.domain.errors import NotFound


class MemorySecrets:
    """The newest values by name. Names have no case."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The newest value. Raises NotFound."""
        if name.lower() not in self._values:
            raise NotFound(f"the key vault has no secret {name}; set it")
        return self._values[name.lower()]

    def set(self, name: str, value: str) -> None:
        """Store a new value."""
        self._values[name.lower()] = value
