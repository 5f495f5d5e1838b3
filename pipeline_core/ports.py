"""The services' view of the outside world: small Protocols that take our types and raise our errors.

Each has a twin in `adapters/memory` and an adapter in `adapters/azure`. One contract suite runs on both.
Besides the errors that it names, every method may raise TransientError (time repairs it) or PermanentError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import Protocol

from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.gallery_versions import GalleryImageVersion as GalleryImageVersion
from pipeline_core.domain.gallery_versions import NewGalleryVersion as NewGalleryVersion
from pipeline_core.domain.gallery_versions import VersionState as VersionState
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion

Cell = str | int | bool
# In a DELETE or REPLACE of a hint, a row that decides nothing: whatever is stored (If-Match of RFC 9110).
ANY_ETAG = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored record: text under 32 Ki characters, 64-bit integers, booleans. `etag` is empty for a new one."""

    partition: str
    key: str
    cells: Mapping[str, Cell]
    etag: str = ""  # empty for a row that was not read from a table


@unique
class WriteKind(Enum):
    """The action of one table operation."""

    INSERT = "insert"  # fails if the row exists
    REPLACE = "replace"  # only if the row still has the ETag of the read
    DELETE = "delete"  # also only if the row still has that ETag


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrite:
    """One write. REPLACE and DELETE demand that `row.etag` is set: to the ETag of a read, or to ANY_ETAG for a hint."""

    verb: WriteKind
    row: Row


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        ...


class Chance(Protocol):
    """The only source of randomness."""

    def fraction(self) -> float:
        """A number in [0, 1)."""
        ...

    def nonce(self) -> str:
        """Sixteen hexadecimal characters that nobody can guess and that never repeat."""
        ...


class Tables(Protocol):
    """Rows by (table, partition, key). Every write is conditional."""

    def find(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        ...

    def scan(
        self, table: str, partition: str, *, first: str = "", last: str = "", limit: int = 1000
    ) -> Sequence[Row]:
        """Rows of one partition with `first` <= key < `last` (empty: unbounded), by key, at most `limit`."""
        ...

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        """Apply 1 to 100 writes of one partition, all or none. Gives the new ETags in order ('' for deletions).

        Raises AlreadyExists if an insert finds a row, StaleWrite if a replaced or deleted row has changed or gone.
        """
        ...


class Queues(Protocol):
    """Messages as text under 48 KiB."""

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after `delay` (at most 7 days)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFacts:
    """Size in bytes and the time of the last change."""

    name: str
    size: int
    changed_at: datetime


class Blobs(Protocol):
    """Bytes by (container, name). A stored blob is never overwritten."""

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        ...

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The content. Raises NotFound, and PermanentError (POLICY) if it is larger than `limit` bytes."""
        ...

    def find_facts(self, container: str, name: str) -> BlobFacts | None:
        """Size and time of last change, or None."""
        ...

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        """Facts of the blobs whose name begins with `prefix`, by name."""
        ...


class MarketplaceOffers(Protocol):
    """The offers of Azure's Marketplace."""

    def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
        """Every version of the source in its region, in no order. Raises NotFound for an unknown source."""
        ...

    def get_image(self, source: MarketplaceSource, version: MarketplaceVersion) -> SourceImage:
        """What the Marketplace says about one version. Raises NotFound for a version that is not offered (now)."""
        ...

    def list_names(self, location: Region, *parents: str) -> Sequence[str]:
        """Names of publishers, or below 1 or 2 `parents` of offers and SKUs. Empty, or NotFound, if one is unknown."""
        ...


class Galleries(Protocol):
    """Azure Compute Galleries."""

    def find_image(self, gallery: GalleryName, image: ImageName) -> OsTraits | None:
        """The traits that the image definition has, or None. PermanentError for traits that no image here has."""
        ...

    def ensure_image(self, gallery: GalleryName, image: ImageName, os: OsTraits) -> None:
        """Create the image definition if it is missing. Safe to repeat. Raises TransientError until it is ready."""
        ...

    def list_images(self, gallery: GalleryName) -> Sequence[ImageName]:
        """Names of the image definitions of a gallery, sorted. Names that no image can have are left out."""
        ...

    def find_version(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> GalleryImageVersion | None:
        """The version with its replication state, or None."""
        ...

    def list_versions(self, gallery: GalleryName, image: ImageName) -> Sequence[GalleryImageVersion]:
        """Every version of an image. Empty if there is no such image definition."""
        ...

    def begin_copy(self, new: NewGalleryVersion) -> None:
        """Start the copy and return. Safe to repeat. Watch the copy by `find_version`."""
        ...

    def set_excluded(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion, *, excluded: bool
    ) -> None:
        """Begin to put a version into `latest`, or to take it out. Raises NotFound. Read it back: it may fail later."""
        ...

    def set_regions(
        self,
        gallery: GalleryName,
        image: ImageName,
        version: GalleryVersion,
        regions: Sequence[TargetRegion],
    ) -> None:
        """Begin to have a version in these regions, and its own, alone. Raises NotFound. Read it back: it may fail."""
        ...

    def begin_delete(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        """Start the deletion and return. A version that is gone is not an error."""
        ...


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
    """A container group of one builder container. `environment` holds no secret."""

    name: str
    environment: Mapping[str, str]
    tags: Mapping[str, str]
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


class Secrets(Protocol):
    """Key Vault."""

    def get(self, name: str) -> str:
        """The newest value. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """Status and body of an answer. The body has at most the caller's limit of bytes."""

    status: int
    body: bytes


class Web(Protocol):
    """Plain HTTPS to the outside, for signing keys and webhooks."""

    def get(self, url: str, *, limit: int) -> WebAnswer:
        """One GET. It refuses other schemes than https, redirects, and bodies over `limit` bytes."""
        ...

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> WebAnswer:
        """One POST under the same rules."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller, proven by a verified token."""

    subject: str
    name: str
    roles: frozenset[str]
    groups: frozenset[str]


class Tokens(Protocol):
    """Verification of access tokens."""

    def verify(self, token: str) -> Principal:
        """The caller, or PermanentError (PERMISSION, because TOKEN is transient) with the reason for the refusal."""
        ...


class Logs(Protocol):
    """Structured lines: a constant message and fixed fields."""

    def note(self, event: str, **fields: str | float | bool | None) -> None:
        """Write one line."""
        ...


class Signer(Protocol):
    """The key that signs this factory's statements, and every key whose signatures it trusts. ES256."""

    def sign(self, message: bytes) -> Signature:
        """A signature over exactly this message."""
        ...

    def find_signer(self, message: bytes, signatures: Sequence[Signature]) -> PublicKey | None:
        """The trusted key that made one of the signatures, or None. The keys' keeper trusts, never the message."""
        ...

    def trusted_keys(self) -> Sequence[PublicKey]:
        """Every version of the key that is enabled, newest first. The list may be some minutes old."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One implementation of each port: the services are wired to it. Azure's adapters make one, the twins another."""

    tables: Tables
    queues: Queues
    blobs: Blobs
    marketplace: MarketplaceOffers
    galleries: Galleries
    containers: Containers
    resources: Resources
    secrets: Secrets
    signer: Signer
    web: Web
    tokens: Tokens
    clock: Clock
    chance: Chance
    logs: Logs
