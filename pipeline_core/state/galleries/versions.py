"""One record for each version that is not simply live: a row in the partition of its image.

A change of a record and a change of the image's head are committed in one transaction, so that a version cannot
become current while retention or a person takes it away.
"""

from collections.abc import Mapping

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Tables, TableWrite
from pipeline_core.state import images, rows
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

VERSIONS = Codec(VersionRecord)


class VersionStore:
    """Reads records. `put_version` builds the write, and one transaction of the image commits it."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, image: ImageName, version: GalleryVersion) -> Stored[VersionRecord] | None:
        """The record of one version, or None where there is none: it is live."""
        row = self._tables.find(images.TABLE, str(image), _key(version))
        return self._reader.found(images.TABLE, row, VERSIONS)

    def of_image(self, image: ImageName) -> Mapping[GalleryVersion, Stored[VersionRecord]]:
        """Every record of an image. Costs one read for each 1,000 records."""
        found = rows.scan(self._tables, images.TABLE, str(image), first="version:", last="version;")
        return {record.value.version: record for record in self._reader.many(images.TABLE, found, VERSIONS)}


def put_version(record: VersionRecord, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a record."""
    return VERSIONS.write(str(record.image), _key(record.version), record, etag=etag)


def _key(version: GalleryVersion) -> str:
    return f"version:{version}"
