"""Indexes for the hot paths: children by parent, roots by source, pending builds by priority, the fleet.

An index row is a hint that is repaired when it lags; the truth is in the image's own partition.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.ports import Row, Tables, TableWrite, Verb
from pipeline_core.state.records import Codec, Stored

TABLE = "index"
PAGE = 1000  # rows a table service returns at once
_NEXT = "!"  # sorts below every character that a key of ours can go on with
_PENDING = Codec(PendingBuild)
_HEADS = Codec(ImageHead)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPage:
    """One page of heads by name; `after` is the cursor of the next page, empty at the end."""

    heads: tuple[ImageHead, ...]
    after: str


class Index:
    """Point writes and one-partition ranges; no method's cost follows the size of the fleet but `fleet`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def children(self, parent: ImageName) -> Iterator[ImageName]:
        """Names of the images that declare `parent`, a page at a time."""
        return (ImageName(row.key) for row in self._all(f"children:{parent}"))

    def roots(self, source: MarketplaceSource) -> Iterator[ImageName]:
        """Names of the images that are built from `source`, a page at a time."""
        return (ImageName(row.key) for row in self._all(f"roots:{source.key}"))

    def add_child(self, parent: ImageName, child: ImageName) -> None:
        """Safe to repeat."""
        self._ensure(f"children:{parent}", str(child))

    def add_root(self, source: MarketplaceSource, image: ImageName) -> None:
        """Safe to repeat."""
        self._ensure(f"roots:{source.key}", str(image))

    def remove_child(self, parent: ImageName, child: ImageName) -> None:
        """Safe to repeat."""
        self._remove(f"children:{parent}", str(child))

    def remove_root(self, source: MarketplaceSource, image: ImageName) -> None:
        """Safe to repeat."""
        self._remove(f"roots:{source.key}", str(image))

    def add_active(self, build: BuildId) -> None:
        """Note a build that has not told its end yet; safe to repeat."""
        self._ensure("active", str(build))

    def remove_active(self, build: BuildId) -> None:
        """Safe to repeat."""
        self._remove("active", str(build))

    def active(self) -> Iterator[BuildId]:
        """Every build that has not told its end yet."""
        return (BuildId(row.key) for row in self._all("active"))

    def add_pending(self, pending: PendingBuild) -> None:
        """Safe to repeat."""
        try:
            self._tables.write(TABLE, [_PENDING.write("pending", pending.key, pending, etag=None)])
        except AlreadyExists:
            return

    def remove_pending(self, key: str, *, etag: str = "") -> None:
        """Safe to repeat; one write less where the row's `etag` is known."""
        if not etag:
            self._remove("pending", key)
            return
        self._delete(Row(partition="pending", key=key, cells={}, etag=etag))

    def pending(self, *, after: str = "", limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` pending builds by priority, behind the key `after`."""
        first = f"{after}{_NEXT}" if after else ""
        rows = self._tables.scan(TABLE, "pending", first=first, limit=limit)
        return [_PENDING.read(row) for row in rows]

    def project(self, image: ImageName, head: ImageHead | None) -> bool:
        """Copy a head into the fleet's partition (None removes it); False where another writer raced."""
        row = self._tables.find(TABLE, "fleet", str(image))
        try:
            if head is None:
                if row is not None:
                    self._tables.write(TABLE, [TableWrite(verb=Verb.DELETE, row=row)])
            else:
                etag = None if row is None else row.etag
                self._tables.write(TABLE, [_HEADS.write("fleet", str(image), head, etag=etag)])
        except (AlreadyExists, StaleWrite):
            return False
        return True

    def fleet(self, *, after: str = "", limit: int = PAGE) -> FleetPage:
        """A page of heads as last projected, by name, behind the name `after`."""
        first = f"{after}{_NEXT}" if after else ""
        rows = self._tables.scan(TABLE, "fleet", first=first, limit=min(limit, PAGE))
        heads = tuple(_HEADS.read(row).value for row in rows)
        return FleetPage(heads=heads, after=str(heads[-1].name) if len(rows) == min(limit, PAGE) else "")

    def _all(self, partition: str) -> Iterator[Row]:
        first = ""
        while True:
            rows = self._tables.scan(TABLE, partition, first=first, limit=PAGE)
            yield from rows
            if len(rows) < PAGE:
                return
            first = f"{rows[-1].key}{_NEXT}"

    def _ensure(self, partition: str, key: str) -> None:
        row = Row(partition=partition, key=key, cells={})
        try:
            self._tables.write(TABLE, [TableWrite(verb=Verb.INSERT, row=row)])
        except AlreadyExists:
            return

    def _remove(self, partition: str, key: str) -> None:
        row = self._tables.find(TABLE, partition, key)
        if row is not None:
            self._delete(row)

    def _delete(self, row: Row) -> None:
        try:
            self._tables.write(TABLE, [TableWrite(verb=Verb.DELETE, row=row)])
        except StaleWrite:
            return
