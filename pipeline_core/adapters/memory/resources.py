"""Resources of builds in memory."""

from collections.abc import Sequence

from pipeline_core.adapters.memory.containers import BUILD_TAG
from pipeline_core.ports import TaggedResource


class MemoryResources:
    """What is there, by id without case."""

    def __init__(self) -> None:
        self._resources: dict[str, TaggedResource] = {}

    def add(self, resource: TaggedResource) -> None:
        """What a build left."""
        self._resources[resource.id.lower()] = resource

    def list_build_resources(self) -> Sequence[TaggedResource]:
        """Every resource that carries our build tag."""
        return [each for _, each in sorted(self._resources.items()) if BUILD_TAG in each.tags]

    def begin_delete(self, resource: TaggedResource) -> None:
        """It is gone at once; gone already is fine."""
        self._resources.pop(resource.id.lower(), None)
