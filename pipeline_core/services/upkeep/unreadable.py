"""The sweep's part on rows that could not be read: forget those that are gone, or that this release can read.

It changes no such row. A record that stays is shown until the row is repaired or a newer release runs again.
"""

from functools import partial

from pipeline_core.ports import Logs
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state.reading import places
from pipeline_core.state.reading.unreadable import UnreadableRecord, UnreadableStore

_MOST = (
    100  # records that one sweep looks at, the first ones; a release that reads them clears page after page
)


def recheck(store: UnreadableStore, logs: Logs, bulkhead: Bulkhead) -> int:
    """The number of records that are left. Costs one read where there is none, and one more for each record."""
    found = store.page(limit=_MOST).records
    subjects = [f"{each.partition}/{each.key}" for each in found]
    return len(found) - sum(
        bulkhead.run(subject, partial(_forget, store, logs, each))
        for subject, each in zip(subjects, found, strict=True)
    )


def _forget(store: UnreadableStore, logs: Logs, record: UnreadableRecord) -> bool:
    """True where the record is not needed any more."""
    row = store.find_row(record)
    if row is not None and not places.is_readable(record.table, row):
        return False
    store.remove(record)
    logs.note("row-readable-again", table=record.table, partition=record.partition, key=record.key)
    return True
