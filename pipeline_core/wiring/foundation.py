"""The foundation of every part: ports and settings, and over them the records and the effects. Builds no service."""

import contextlib
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain.creations import Budget
from pipeline_core.domain.errors import FactoryError, UnreadableRow
from pipeline_core.ports import Ports, Row
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.needed_tools import NeededTools
from pipeline_core.services.effects.notices import Notices
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.settings import Limits
from pipeline_core.state.archive.chunks import Chunks
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
from pipeline_core.state.images import Announcer, ImageStore
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
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.reading.unreadable import UnreadableStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.stores import Records
from pipeline_core.state.unlogged import UnloggedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """One of each, for all parts of one factory."""

    ports: Ports
    deployment: Deployment
    limits: Limits
    records: Records
    effects: Effects


def foundation_of(ports: Ports, deployment: Deployment, limits: Limits) -> Foundation:
    """The foundation over these ports."""
    outbox = Outbox(ports.queues)
    unreadable = UnreadableStore(ports.tables)
    reader = _reader_of(ports, unreadable)
    notices = Notices(
        store=NoticeStore(ports.tables, reader),
        feeds=FeedStore(ports.tables, reader),
        outbox=outbox,
        clock=ports.clock,
        logs=ports.logs,
    )
    records = records_of(ports, limits, notices, unreadable)
    effects = _effects_of(ports, records, deployment, outbox, notices)
    return Foundation(ports=ports, deployment=deployment, limits=limits, records=records, effects=effects)


def _reader_of(ports: Ports, unreadable: UnreadableStore) -> Reader:
    """The reader that records and logs a row that it cannot read."""

    def report(table: str, row: Row, error: UnreadableRow) -> None:
        with contextlib.suppress(FactoryError):  # the record is a help, and its reader has the error itself
            if unreadable.note(table, row, error, ports.clock.now()):
                ports.logs.note(
                    "row-unreadable",
                    table=table,
                    partition=row.partition,
                    key=row.key,
                    error=str(error)[:600],
                )

    return Reader(report)


def records_of(
    ports: Ports,
    limits: Limits,
    announcer: Announcer | None = None,
    unreadable: UnreadableStore | None = None,
) -> Records:
    """Every store over the same tables. A row that none of them can read is recorded and logged.

    Without an announcer nobody is notified of what is written. `unreadable` is the store that another reader of
    these tables already reports to: it remembers what it has recorded, so one process has one of it.
    """
    tables = ports.tables
    unreadable = unreadable or UnreadableStore(tables)
    reader, chunks = _reader_of(ports, unreadable), Chunks(ports.blobs)
    pauses = PauseStore(tables, ports.blobs)
    return Records(
        images=ImageStore(tables, reader, announcer, chunks),
        history=HistoryStore(tables, reader, chunks),
        archive=ArchiveStore(tables, chunks, reader),
        index=Index(tables, reader),
        lineage=LineageStore(tables, reader),
        sources=SourceStore(tables, reader),
        capacity=CapacityStore(
            tables,
            slots=limits.slots,
            creates_per_hour=limits.creates_per_hour,
            team_slots=limits.team_slots,
            creates_per_burst=limits.creates_per_burst,
            deletions=Budget(per_hour=limits.deletes_per_hour, per_burst=limits.deletes_per_burst),
            was_halted=pauses.is_halted_by_copy,
        ),
        pauses=pauses,
        breakers=BreakerStore(tables, reader),
        fleet=FleetStore(tables, reader),
        policies=PolicyStore(tables, reader),
        approvals=ApprovalStore(tables, reader),
        waivers=WaiverStore(tables, reader),
        poison=PoisonStore(tables, reader),
        unlogged=UnloggedStore(tables, reader),
        unproven=UnprovenStore(tables, reader),
        unreadable=unreadable,
        feeds=FeedStore(tables, reader),
        notices=NoticeStore(tables, reader),
        versions=VersionStore(tables, reader),
        observations=ObservationStore(tables, reader),
        rounds=RoundStore(tables, reader),
        placements=PlacementStore(tables),
        bundles=BundleStore(tables, reader),
        reserved=ReservedNameStore(tables),
        rates=RateStore(tables, reader),
        days=DayStore(tables, reader),
        tools=ToolStore(tables, reader),
    )


def _effects_of(
    ports: Ports, records: Records, deployment: Deployment, outbox: Outbox, notices: Notices
) -> Effects:
    recovery_log = RecoveryLog(ports.blobs, records, ports.clock, ports.logs)
    documents = Documents(ports.blobs, deployment.location)
    return Effects(
        outbox=outbox,
        notices=notices,
        journal=Journal(ports.clock, ports.chance),
        projection=Projection(records, recovery_log, ports.logs),
        documents=documents,
        needed=NeededTools(ports.blobs, documents, records.tools),
        recovery_log=recovery_log,
        clock=ports.clock,
        chance=ports.chance,
        reads=ports.reads,
        logs=ports.logs,
    )
