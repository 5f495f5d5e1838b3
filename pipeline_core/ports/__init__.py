"""The services' view of the outside world: small Protocols that take our types and raise our errors.

Each has a twin in `adapters/memory` and an adapter in `adapters/azure`. One contract suite runs on both.
Besides the errors that it names, every method may raise TransientError (time repairs it) or PermanentError.
"""

from dataclasses import dataclass

from pipeline_core.domain.gallery_versions import GalleryImageVersion, NewGalleryVersion, VersionState
from pipeline_core.ports.compute import (
    ContainerGroup,
    Containers,
    GroupState,
    NewContainerGroup,
    Resources,
    TaggedResource,
    TaggedVersion,
)
from pipeline_core.ports.galleries import (
    Galleries,
    MarketplaceOffers,
)
from pipeline_core.ports.outside import (
    Principal,
    Secret,
    Secrets,
    Signer,
    Tokens,
    Web,
    WebAnswer,
)
from pipeline_core.ports.process import (
    Chance,
    Clock,
    Logs,
    Reads,
)
from pipeline_core.ports.storage import (
    ANY_ETAG,
    BlobFacts,
    Blobs,
    Cell,
    Queues,
    Row,
    Scanner,
    Tables,
    TableWrite,
    WriteKind,
)

__all__ = [
    "ANY_ETAG",
    "BlobFacts",
    "Blobs",
    "Cell",
    "Chance",
    "Clock",
    "ContainerGroup",
    "Containers",
    "Galleries",
    "GalleryImageVersion",
    "GroupState",
    "Logs",
    "MarketplaceOffers",
    "NewContainerGroup",
    "NewGalleryVersion",
    "Ports",
    "Principal",
    "Queues",
    "Reads",
    "Resources",
    "Row",
    "Scanner",
    "Secret",
    "Secrets",
    "Signer",
    "TableWrite",
    "Tables",
    "TaggedResource",
    "TaggedVersion",
    "Tokens",
    "VersionState",
    "Web",
    "WebAnswer",
    "WriteKind",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One implementation of each port: the services are wired to it. Azure's adapters make one, the twins another."""

    tables: Tables
    queues: Queues
    blobs: Blobs
    scanner: Scanner
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
    reads: Reads
    logs: Logs
