"""The records of stored bundles: one row of the index for each, by digest. The content is a blob."""

from dataclasses import dataclass

from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.names import Digest
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state import rows
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "bundles"
BUNDLES = Codec(BundleRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePage:
    """Records by digest. `after` is the next page's cursor, None at the end."""

    records: tuple[Stored[BundleRecord], ...]
    after: str | None


class BundleStore:
    """Point reads, pages and conditional writes."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, digest: Digest) -> Stored[BundleRecord] | None:
        """The record, or None where an older release stored the bundle, or nobody did."""
        row = self._tables.find(TABLE, _PARTITION, str(digest))
        return self._reader.found(TABLE, row, BUNDLES)

    def save(self, record: BundleRecord, *, etag: str | None) -> str:
        """Insert (`etag` None) or replace; the new ETag. Raises AlreadyExists or StaleWrite."""
        write = BUNDLES.write(_PARTITION, str(record.digest), record, etag=etag)
        (written,) = self._tables.write(TABLE, [write])
        return written

    def delete(self, digest: Digest, *, etag: str) -> None:
        """Raises StaleWrite where the row has changed or gone."""
        row = Row(partition=_PARTITION, key=str(digest), cells={}, etag=etag)
        self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])

    def page(self, *, after: str, limit: int) -> BundlePage:
        """The records behind the digest `after`, at most `limit`. One read for 1,000. Unreadable rows are left out."""
        found = self._tables.scan(TABLE, _PARTITION, first=rows.behind(after), limit=limit)
        records = tuple(self._reader.many(TABLE, found, BUNDLES))
        return BundlePage(records=records, after=found[-1].key if len(found) == limit else None)
