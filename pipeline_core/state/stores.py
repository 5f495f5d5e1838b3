"""Every store over the tables, handed on as one. It decides nothing, and only joins writes that two stores share."""

from dataclasses import dataclass

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import MarketplaceSource, Origin
from pipeline_core.state.archive.moves import ArchiveStore
from pipeline_core.state.bundles import BundleStore
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.state.fleet import FleetStore, RoundStore
from pipeline_core.state.galleries.observations import ObservationStore
from pipeline_core.state.galleries.placements import PlacementStore
from pipeline_core.state.galleries.reserved import ReservedNameStore
from pipeline_core.state.galleries.unproven import UnprovenStore
from pipeline_core.state.galleries.versions import VersionStore
from pipeline_core.state.grants.approvals import ApprovalStore
from pipeline_core.state.grants.waivers import WaiverStore
from pipeline_core.state.history import HistoryStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.limits.days import DayStore
from pipeline_core.state.limits.rates import RateStore
from pipeline_core.state.lineage import LineageStore
from pipeline_core.state.notifications.feeds import FeedStore
from pipeline_core.state.notifications.notices import NoticeStore
from pipeline_core.state.outages.breakers import BreakerStore
from pipeline_core.state.outages.pauses import PauseStore
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.reading.unreadable import UnreadableStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.unlogged import UnloggedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records that a service reads and writes, one store for each kind."""

    images: ImageStore
    history: HistoryStore
    archive: ArchiveStore
    index: Index
    lineage: LineageStore
    sources: SourceStore
    capacity: CapacityStore
    pauses: PauseStore
    breakers: BreakerStore
    fleet: FleetStore
    policies: PolicyStore
    approvals: ApprovalStore
    waivers: WaiverStore
    poison: PoisonStore
    unlogged: UnloggedStore
    unproven: UnprovenStore
    versions: VersionStore
    observations: ObservationStore
    unreadable: UnreadableStore
    feeds: FeedStore
    notices: NoticeStore
    rounds: RoundStore
    placements: PlacementStore
    bundles: BundleStore
    reserved: ReservedNameStore
    rates: RateStore
    days: DayStore
    tools: ToolStore

    def index_origin(self, image: ImageName, origin: Origin) -> None:
        """List the image below its origin, so that a change there reaches it. A source is followed from now on."""
        if isinstance(origin, MarketplaceSource):
            self.sources.follow(origin)
            self.index.add_root(origin, image)
        else:
            self.index.add_child(origin.image, image)
