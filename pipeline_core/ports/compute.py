"""What a build uses while it runs: container groups, and the tagged resources that it may leave behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Protocol

from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion


@unique
class GroupState(Enum):
    """The state of a container group, as far as a build needs it."""

    STARTING = "starting"  # created, the container does not run yet
    RUNNING = "running"  # the container runs
    SUCCEEDED = "succeeded"  # the container ended with exit code 0
    FAILED = "failed"  # the container ended with another exit code, or never started


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerGroup:
    """A container group as the platform shows it.

    `detail` is one line, the cause first: why the group failed, or what keeps it from starting. It may be empty.
    A container that the platform is about to start again has ended, with the exit code of its first run.
    """

    name: str
    state: GroupState
    tags: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContainerGroup:
    """A container group of one builder container. `environment` holds no secret.

    `secrets` are further variables. Nobody can read them but the container: the platform does not show them.
    """

    name: str
    environment: Mapping[str, str]
    tags: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    cpu: float = 1.0
    memory_gib: float = 2.0


class Containers(Protocol):
    """Azure Container Instances, in the build resource group."""

    def find_group(self, name: str) -> ContainerGroup | None:
        """The group, or None."""
        ...

    def create_group(self, new: NewContainerGroup) -> None:
        """Create a group after a look has not found it. A second create would restart the group."""
        ...

    def delete_group(self, name: str) -> None:
        """Start the deletion and return. A group that is gone is not an error. Each call counts against a limit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedResource:
    """Any ARM resource of a build."""

    id: str
    type: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedVersion:
    """A gallery version as a list of resources shows it, without its state."""

    gallery: GalleryName
    image: ImageName
    version: GalleryVersion
    tags: Mapping[str, str] = field(default_factory=dict)


class Resources(Protocol):
    """The resource lists of Azure Resource Manager, which may lag behind, and the deletion of listed resources."""

    def list_build_resources(self) -> Sequence[TaggedResource]:
        """The resources of the build resource group with our build tag, container groups too."""
        ...

    def list_build_versions(self, gallery: GalleryName) -> Sequence[TaggedVersion]:
        """The versions of a gallery, of every image in it, with our build tag."""
        ...

    def begin_delete(self, resource: TaggedResource) -> None:
        """Start the deletion and return. A resource that is gone is not an error. CONFLICT while it is in use."""
        ...
