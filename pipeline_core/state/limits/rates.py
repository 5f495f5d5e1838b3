"""The changes of each caller: one row of the index for each, by a digest of the identity. A row is written over."""

import hashlib

from pipeline_core.domain.change_rates import ChangeRate
from pipeline_core.ports import Tables
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "rates"
RATES = Codec(ChangeRate)


class RateStore:
    """Point reads and conditional writes. No two callers share a row, so nobody waits for another one's."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, identity: str) -> Stored[ChangeRate] | None:
        """The rate of a caller, or None before the first change."""
        return self._reader.found(TABLE, self._tables.find(TABLE, _PARTITION, _key(identity)), RATES)

    def save(self, identity: str, rate: ChangeRate, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite."""
        self._tables.write(TABLE, [RATES.write(_PARTITION, _key(identity), rate, etag=etag)])


def _key(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
