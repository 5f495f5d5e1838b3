"""All twins together, on one clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.chance import SeededChance
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.adapters.memory.logs import MemoryLogs
from pipeline_core.adapters.memory.marketplace import MemoryMarketplaceOffers
from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.adapters.memory.resources import MemoryResources
from pipeline_core.adapters.memory.scanner import MemoryScanner
from pipeline_core.adapters.memory.secrets import MemorySecrets
from pipeline_core.adapters.memory.signing import MemorySigner
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.adapters.memory.tokens import MemoryTokens
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.adapters.reads import ReadsInTurn
from pipeline_core.domain.names import GalleryName
from pipeline_core.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPorts(Ports):
    """The twins by the names of the ports, with the methods that only a twin has."""

    clock: ManualClock
    chance: SeededChance
    logs: MemoryLogs
    tables: MemoryTables
    queues: MemoryQueues
    blobs: MemoryBlobs
    scanner: MemoryScanner
    marketplace: MemoryMarketplaceOffers
    galleries: MemoryGalleries
    containers: MemoryContainers
    resources: MemoryResources
    secrets: MemorySecrets
    signer: MemorySigner
    web: MemoryWeb
    tokens: MemoryTokens

    def __post_init__(self) -> None:
        """Connect the lists of resources with the other twins, also if a test replaced a twin by another one."""
        self.resources.stand_beside(self.containers, self.galleries)


def twins(galleries: Sequence[GalleryName], *, seed: int = 0) -> MemoryPorts:
    """A world without anything except these galleries."""
    clock = ManualClock()
    blobs = MemoryBlobs(clock)
    return MemoryPorts(
        clock=clock,
        chance=SeededChance(seed),
        reads=ReadsInTurn(),
        logs=MemoryLogs(),
        tables=MemoryTables(),
        queues=MemoryQueues(clock),
        blobs=blobs,
        scanner=MemoryScanner(blobs),
        marketplace=MemoryMarketplaceOffers(),
        galleries=MemoryGalleries(clock=clock, names=tuple(galleries)),
        containers=MemoryContainers(clock=clock),
        resources=MemoryResources(clock=clock),
        secrets=MemorySecrets(),
        signer=MemorySigner(),
        web=MemoryWeb(),
        tokens=MemoryTokens(),
    )
