"""Things that are followed from outside: Marketplace sources with their releases, and the platform steps."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.staleness import Platform
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.reading.etags import Etag, written
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

TABLE = "index"
_LIMIT = 1000  # distinct sources a factory follows


_CHANGED = "the platform steps were changed by another request: read them again"

SOURCES = Codec(FollowedSource)
PLATFORMS = Codec(Platform)


class SourceStore:
    """Followed sources and the platform. The revision of both only rises; a source's newest release may fall."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def list(self) -> Sequence[Stored[FollowedSource]]:
        """Every followed source."""
        rows = self._tables.scan(TABLE, "sources", limit=_LIMIT)
        return list(self._reader.many(TABLE, rows, SOURCES))

    def followed(self) -> dict[str, FollowedSource]:
        """Every followed source, by the source's key: what images are to be built from."""
        return {stored.value.source.key: stored.value for stored in self.list()}

    def find(self, source: MarketplaceSource) -> Stored[FollowedSource] | None:
        """One followed source, or None."""
        return self.find_by_key(source.key)

    def find_by_key(self, key: str) -> Stored[FollowedSource] | None:
        """The followed source of this key, or None."""
        return self._reader.found(TABLE, self._tables.find(TABLE, "sources", key), SOURCES)

    def follow(self, source: MarketplaceSource) -> bool:
        """Begin to follow a source. True if it is new. Safe to repeat."""
        try:
            self.save(FollowedSource(source=source), etag=None)
        except AlreadyExists:
            return False
        return True

    def save(self, followed: FollowedSource, *, etag: str | None) -> str:
        """Insert or replace. Gives the new ETag. Raises AlreadyExists or StaleWrite."""
        write = SOURCES.write("sources", followed.source.key, followed, etag=etag)
        return written([write], self._tables.write(TABLE, [write]))[0]

    def find_platform(self) -> Platform | None:
        """The platform steps in force, or None before SecOps has registered any."""
        row = self._tables.find(TABLE, "platform", "current")
        return None if row is None else self._reader.one(TABLE, row, PLATFORMS).value

    def platform_revision(self) -> int:
        """How often platform steps were put in force. 0 before the first time."""
        return _revision_of(self._tables.find(TABLE, "platform", "revision"))

    def save_platform(self, platform: Platform, *, over: Platform | None) -> None:
        """Put new platform steps in force, or on trial. Raises StaleWrite if another writer was faster.

        `over` is what was read before. Only how far dropped tools were reported may have changed since.
        """
        row = self._tables.find(TABLE, "platform", "current")
        stored = self._reader.found(TABLE, row, PLATFORMS)
        if _decided(None if stored is None else stored.value) != _decided(over):
            raise StaleWrite(_CHANGED)
        counter = self._tables.find(TABLE, "platform", "revision")
        etag = None if row is None else Etag(row.etag, row.cells)
        writes = [
            PLATFORMS.write("platform", "current", platform, etag=etag),
            _set_revision(counter, _revision_of(counter) + 1),
        ]
        try:
            self._tables.write(TABLE, writes)
        except AlreadyExists as error:
            raise StaleWrite(_CHANGED) from error

    def note_announced(self, platform: Platform, to: str, *, is_over: bool) -> None:
        """Record up to which image dropped tools were reported. Nothing changes where other steps are in force."""
        row = self._tables.find(TABLE, "platform", "current")
        stored = self._reader.found(TABLE, row, PLATFORMS)
        if stored is None or stored.value != platform:
            return
        told = replace(platform, announce=not is_over, announced_to="" if is_over else to)
        with contextlib.suppress(StaleWrite):
            self._tables.write(TABLE, [PLATFORMS.write("platform", "current", told, etag=stored.etag)])

    def recover_platform(self, platform: Platform, revision: int) -> bool:
        """Put lost platform steps back. If there are platform steps, it changes nothing and gives False."""
        if self._tables.find(TABLE, "platform", "current") is not None:
            return False
        counter = self._tables.find(TABLE, "platform", "revision")
        writes = [
            PLATFORMS.write("platform", "current", platform, etag=None),
            _set_revision(counter, max(revision, _revision_of(counter))),
        ]
        try:
            self._tables.write(TABLE, writes)
        except (AlreadyExists, StaleWrite):
            return False
        return True


def _decided(platform: Platform | None) -> Platform | None:
    """What a person decided of the platform."""
    return None if platform is None else replace(platform, announce=False, announced_to="")


def _revision_of(row: Row | None) -> int:
    return 0 if row is None else int(row.cells["count"])


def _set_revision(row: Row | None, count: int) -> TableWrite:
    etag = "" if row is None else row.etag
    new = Row(partition="platform", key="revision", cells={"count": count}, etag=etag)
    return TableWrite(verb=WriteKind.INSERT if row is None else WriteKind.REPLACE, row=new)
