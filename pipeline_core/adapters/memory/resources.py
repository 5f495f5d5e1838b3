"""Resources of builds in memory: deletions take time, resources in use stay, and lists may lag behind.

As on Azure, a list of the build group shows the container groups too, and versions are listed across images.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import GalleryName
from pipeline_core.ports import Clock, TaggedResource, TaggedVersion

GROUP = "Microsoft.ContainerInstance/containerGroups"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    shown: TaggedResource
    used_by: str
    since: datetime
    gone_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class MemoryResources:
    """`deletion` is the time that the next deletions take, `lag` the age of a list. Ids are compared without case."""

    clock: Clock
    deletion: timedelta = timedelta(0)
    lag: timedelta = timedelta(0)
    _containers: MemoryContainers | None = None
    _galleries: MemoryGalleries | None = None
    _resources: dict[str, _Resource] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def stand_beside(self, containers: MemoryContainers, galleries: MemoryGalleries) -> None:
        """Set the twins whose groups and versions the lists show. The last call counts."""
        self._containers, self._galleries = containers, galleries

    def add(self, resource: TaggedResource, *, used_by: str = "") -> None:
        """Add a resource that a build made. It cannot be deleted while the resource `used_by` exists."""
        with self._lock:
            self._resources[_key(resource.id)] = _Resource(
                shown=resource, used_by=used_by, since=self.clock.now()
            )

    def is_there(self, resource: str) -> bool:
        """True if the resource exists, whatever a list shows."""
        found = self._resources.get(_key(resource))
        return found is not None and (found.gone_at is None or self.clock.now() < found.gone_at)

    def list_build_resources(self) -> Sequence[TaggedResource]:
        """The resources of the build resource group with our build tag, container groups too."""
        then = self.clock.now() - self.lag
        with self._lock:
            for key, each in list(self._resources.items()):
                if each.gone_at is not None and then >= each.gone_at:
                    del self._resources[key]  # no list shows it again
            shown = [each.shown for _, each in sorted(self._resources.items()) if each.since <= then]
        groups = [] if self._containers is None else self._containers.list_groups()
        shown += [TaggedResource(id=f"{GROUP}/{each.name}", type=GROUP, tags=each.tags) for each in groups]
        return [each for each in shown if BUILD_TAG in each.tags]

    def list_build_versions(self, gallery: GalleryName) -> Sequence[TaggedVersion]:
        """The versions of a gallery, of every image in it, with our build tag."""
        found = [] if self._galleries is None else self._galleries.everything(gallery)
        return [
            TaggedVersion(gallery=each.gallery, image=each.image, version=each.version, tags=each.tags)
            for each in found
            if BUILD_TAG in each.tags
        ]

    def begin_delete(self, resource: TaggedResource) -> None:
        """Start the deletion and return. A resource that is gone is not an error. CONFLICT while it is in use."""
        if resource.type == GROUP and self._containers is not None:
            self._containers.delete_group(resource.id.rpartition("/")[2])
            return
        with self._lock:
            found = self._resources.get(_key(resource.id))
            if found is None or found.gone_at is not None:
                return
            if found.used_by and self.is_there(found.used_by):
                raise TransientError(ErrorClass.CONFLICT, f"{resource.id} is in use by {found.used_by}")
            gone_at = self.clock.now() + self.deletion
            self._resources[_key(resource.id)] = replace(found, gone_at=gone_at)


def _key(resource: str) -> str:
    return resource.lower()
