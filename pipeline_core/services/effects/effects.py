"""The effects of this package together with clock, chance, reads and logs, as one argument. It has no behaviour."""

from dataclasses import dataclass

from pipeline_core.ports import Chance, Clock, Logs, Reads
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.needed_tools import NeededTools
from pipeline_core.services.effects.notices import Notices
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.effects.recovery_log import RecoveryLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The effects of a service besides its records: messages, notices, journal, copies, documents, tools, logs."""

    outbox: Outbox
    notices: Notices
    journal: Journal
    projection: Projection
    documents: Documents
    needed: NeededTools
    recovery_log: RecoveryLog
    clock: Clock
    chance: Chance
    reads: Reads
    logs: Logs
