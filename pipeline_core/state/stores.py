"""Every store over the tables, handed on as one. It reads and writes nothing by itself."""

from dataclasses import dataclass

from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.fleet import FleetStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.unlogged import UnloggedStore
from pipeline_core.state.unproven import UnprovenStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records that a service reads and writes, one store for each kind."""

    images: ImageStore
    index: Index
    sources: SourceStore
    capacity: CapacityStore
    fleet: FleetStore
    policies: PolicyStore
    poison: PoisonStore
    unlogged: UnloggedStore
    unproven: UnprovenStore
