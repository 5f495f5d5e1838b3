"""Waivers of an image: one row for each, in the image's partition, so that grant and image change together."""

import hashlib
from dataclasses import dataclass

from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.waivers import WaiverGrant
from pipeline_core.ports import Tables, TableWrite
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import scan

TABLE = "images"
WAIVERS = Codec(WaiverGrant)
_PREFIX = "waiver:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageGrants:
    """The grants of one image, also those that ended, and the keys of the rows that cannot be read."""

    grants: tuple[WaiverGrant, ...]
    unreadable: frozenset[str]

    def is_unreadable(self, kind: WaiverKind, rule: str, path: str) -> bool:
        """True where there is a grant for this, and this release cannot read it."""
        return _key(kind, rule, path) in self.unreadable


class WaiverStore:
    """Reads. A service writes with `put_waiver`, in one transaction with the image's head and journal."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def of_image(self, image: ImageName) -> ImageGrants:
        """Every grant of an image. One read for each 1,000."""
        rows = scan(self._tables, TABLE, str(image), first=_PREFIX, last="waiver;")
        read = {row.key: self._reader.try_one(TABLE, row, WAIVERS) for row in rows}
        return ImageGrants(
            grants=tuple(stored.value for stored in read.values() if stored is not None),
            unreadable=frozenset(key for key, stored in read.items() if stored is None),
        )

    def find(self, image: ImageName, kind: WaiverKind, rule: str, path: str) -> Stored[WaiverGrant] | None:
        """One grant, or None. Raises UnreadableRow."""
        row = self._tables.find(TABLE, str(image), _key(kind, rule, path))
        return self._reader.found(TABLE, row, WAIVERS)


def put_waiver(grant: WaiverGrant, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a grant."""
    return WAIVERS.write(str(grant.image), _key(grant.kind, grant.rule, grant.path), grant, etag=etag)


def _key(kind: WaiverKind, rule: str, path: str) -> str:
    """A rule and a path may have characters that a key must not have."""
    digest = hashlib.sha256(f"{rule}\n{path}".encode()).hexdigest()[:32]
    return f"{_PREFIX}{kind.value}:{digest}"
