"""The records of stored bundles: one row of the index for each, by digest. The content is a blob."""

from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.names import Digest
from pipeline_core.ports import Tables
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "bundles"
BUNDLES = Codec(BundleRecord)


class BundleStore:
    """Point reads and conditional writes."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, digest: Digest) -> Stored[BundleRecord] | None:
        """The record, or None where an older release stored the bundle, or nobody did."""
        row = self._tables.find(TABLE, _PARTITION, str(digest))
        return self._reader.found(TABLE, row, BUNDLES)

    def save(self, record: BundleRecord, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite."""
        self._tables.write(TABLE, [BUNDLES.write(_PARTITION, str(record.digest), record, etag=etag)])
