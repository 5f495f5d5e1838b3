"""The policy in force and every earlier version: pointers to documents that are kept as blobs by digest."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import Digest
from pipeline_core.domain.policy import OPEN, PolicyVersion
from pipeline_core.ports import Tables, TableWrite
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "policy"
_CURRENT = "current"
_VERSION = "version:"
_LAST = 10**10 - 1  # highest possible revision
_WRITES = 90  # in one transaction, which may have 100
_NOBODY = Digest("0" * 64)  # the document of a row which says that there is no policy
VERSIONS = Codec(PolicyVersion)


class PolicyStore:
    """The row in force only moves forward. One transaction writes the row and its version, and the version stays.

    Before the first version, the same row may say that there is none (revision 0). After that, an absent row
    means a loss. The first version is written over revision 0, on its ETag.
    """

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find_current(self) -> Stored[PolicyVersion] | None:
        """The version in force, or None if SecOps has not put any policy in force yet."""
        stored = self.find_row()
        return None if stored is None or stored.value.revision == OPEN.revision else stored

    def find_row(self) -> Stored[PolicyVersion] | None:
        """The version in force, or revision 0 if the row says that there is none. None if there is no row."""
        return self._reader.found(TABLE, self._tables.find(TABLE, _PARTITION, _CURRENT), VERSIONS)

    def note_none(self, now: datetime) -> None:
        """Note that no policy was ever put in force. An existing row stays as it is."""
        none = PolicyVersion(revision=OPEN.revision, digest=_NOBODY, actor="", at=now)
        with contextlib.suppress(AlreadyExists):
            self._tables.write(TABLE, [_current(none, None)])

    def find(self, revision: int) -> PolicyVersion | None:
        """One version, or None."""
        row = self._tables.find(TABLE, _PARTITION, _key(revision))
        return None if row is None else self._reader.one(TABLE, row, VERSIONS).value

    def list(self, *, before: int | None = None, limit: int) -> Sequence[PolicyVersion]:
        """Versions, the newest first, below the revision `before`."""
        first = _VERSION if before is None else _key(before - 1)
        rows = self._tables.scan(TABLE, _PARTITION, first=first, last="version;", limit=limit)
        return [stored.value for stored in self._reader.many(TABLE, rows, VERSIONS)]

    def put(self, version: PolicyVersion, *, etag: str | None) -> None:
        """Put a version in force over the row that was read (None: there was no row). Raises StaleWrite."""
        try:
            self._tables.write(TABLE, [_current(version, etag), _kept(version)])
        except AlreadyExists as error:
            raise StaleWrite("the policy was changed by another request: read it again") from error

    def recover(self, versions: Sequence[PolicyVersion]) -> bool:
        """Put lost versions back, the newest in force. If there is a policy, it changes nothing and gives False."""
        newest = max(versions, key=lambda version: version.revision, default=None)
        row = self.find_row()
        if newest is None or (row is not None and row.value.revision != OPEN.revision):
            return False
        missing = iter([version for version in versions if self.find(version.revision) is None])
        try:
            while some := [_kept(version) for version in islice(missing, _WRITES)]:
                self._tables.write(TABLE, some)
            self._tables.write(TABLE, [_current(newest, None if row is None else row.etag)])
        except (AlreadyExists, StaleWrite):
            return False
        return True


def _current(version: PolicyVersion, etag: str | None) -> TableWrite:
    return VERSIONS.write(_PARTITION, _CURRENT, version, etag=etag)


def _kept(version: PolicyVersion) -> TableWrite:
    return VERSIONS.write(_PARTITION, _key(version.revision), version, etag=None)


def _key(revision: int) -> str:
    """The highest revision sorts first."""
    return f"{_VERSION}{highest_first(revision, most=_LAST)}"
