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
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.settings import Limits
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.fleet import FleetStore
from pipeline_core.state.history import HistoryStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.lineage import LineageStore
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.reading.unreadable import UnreadableStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.stores import Records
from pipeline_core.state.unlogged import UnloggedStore
from pipeline_core.state.unproven import UnprovenStore


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
    records = records_of(ports, limits)
    effects = _effects_of(ports, records, deployment)
    return Foundation(ports=ports, deployment=deployment, limits=limits, records=records, effects=effects)


def records_of(ports: Ports, limits: Limits) -> Records:
    """Every store over the same tables. A row that none of them can read is recorded and logged."""
    tables = ports.tables
    unreadable = UnreadableStore(tables)

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

    reader = Reader(report)
    return Records(
        images=ImageStore(tables, reader),
        history=HistoryStore(tables, reader),
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
        ),
        fleet=FleetStore(tables, reader),
        policies=PolicyStore(tables, reader),
        poison=PoisonStore(tables, reader),
        unlogged=UnloggedStore(tables),
        unproven=UnprovenStore(tables, reader),
        unreadable=unreadable,
    )


def _effects_of(ports: Ports, records: Records, deployment: Deployment) -> Effects:
    recovery_log = RecoveryLog(ports.blobs, records, ports.clock, ports.logs)
    return Effects(
        outbox=Outbox(ports.queues),
        journal=Journal(ports.clock, ports.chance),
        projection=Projection(records, recovery_log, ports.logs),
        documents=Documents(ports.blobs, deployment.location),
        recovery_log=recovery_log,
        clock=ports.clock,
        chance=ports.chance,
        logs=ports.logs,
    )
