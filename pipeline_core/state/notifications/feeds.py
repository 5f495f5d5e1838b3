"""The feeds of receivers, one partition each: the head, and a row for each fact. And SecOps' own receivers.

A fact and the sequence that it took are written in one transaction with the head.
"""

import contextlib
from collections.abc import Sequence

from pipeline_core.domain.errors import AlreadyExists, NotFound, UnreadableRow
from pipeline_core.domain.feeds import Feed, FeedItem
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import behind, scan

_HEAD = "head"
_ITEM = "item:"
_KNOWN = "receivers"
_FLEET = "fleet-receivers"
FEEDS = Codec(Feed)
ITEMS = Codec(FeedItem)
RECEIVERS = Codec(FleetReceiver)


class FeedStore:
    """Point reads, and transactions of one feed."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, receiver: ReceiverId) -> Stored[Feed] | None:
        """The head of a feed, or None. Raises UnreadableRow."""
        row = self._tables.find(TABLE, _partition(receiver), _HEAD)
        return self._reader.found(TABLE, row, FEEDS)

    def find_readable(self, receiver: ReceiverId) -> Stored[Feed] | None:
        """The head of a feed, or None where there is none or it cannot be read."""
        with contextlib.suppress(UnreadableRow):
            return self.find(receiver)
        return None

    def get(self, receiver: ReceiverId) -> Stored[Feed]:
        """The head of a feed. Raises NotFound."""
        found = self.find(receiver)
        if found is None:
            raise NotFound(f"there is no receiver {receiver}; `imagefactory notify list` prints them")
        return found

    def create(self, feed: Feed) -> None:
        """Write the head of a new feed, and list it. A feed that another writer created stays as it is."""
        for write in (
            TableWrite(verb=WriteKind.INSERT, row=Row(partition=_KNOWN, key=str(feed.id), cells={})),
            FEEDS.write(_partition(feed.id), _HEAD, feed, etag=None),
        ):
            try:
                self._tables.write(TABLE, [write])
            except AlreadyExists:
                continue

    def save(
        self,
        feed: Feed,
        *,
        etag: str,
        added: Sequence[FeedItem] = (),
        changed: Sequence[Stored[FeedItem]] = (),
        removed: Sequence[Row] = (),
    ) -> str:
        """Replace the head with its items in one transaction; its new ETag. Raises StaleWrite."""
        partition = _partition(feed.id)
        writes = [
            FEEDS.write(partition, _HEAD, feed, etag=etag),
            *(ITEMS.write(partition, _key(each.sequence), each, etag=None) for each in added),
            *(
                ITEMS.write(partition, _key(each.value.sequence), each.value, etag=each.etag)
                for each in changed
            ),
            *(TableWrite(verb=WriteKind.DELETE, row=row) for row in removed),
        ]
        return self._tables.write(TABLE, writes)[0]

    def find_item(self, receiver: ReceiverId, sequence: int) -> Stored[FeedItem] | None:
        """One fact of a feed, or None. Raises UnreadableRow."""
        row = self._tables.find(TABLE, _partition(receiver), _key(sequence))
        return self._reader.found(TABLE, row, ITEMS)

    def list_items(self, receiver: ReceiverId, *, first: int = 0, limit: int = 1000) -> Sequence[FeedItem]:
        """Facts from the sequence `first` on, oldest first."""
        rows = self.item_rows(receiver, first=first, limit=limit)
        return [stored.value for stored in self._reader.many(TABLE, rows, ITEMS)]

    def item_rows(self, receiver: ReceiverId, *, first: int = 0, limit: int) -> Sequence[Row]:
        """The rows of facts from the sequence `first` on, for their removal."""
        partition = _partition(receiver)
        return self._tables.scan(TABLE, partition, first=_key(first), last="item;", limit=limit)

    def known(self, *, after: ReceiverId | None = None, limit: int) -> Sequence[ReceiverId]:
        """At most `limit` receivers that have a feed, by id, behind `after` (None: from the first). One read."""
        first = "" if after is None else behind(str(after))
        rows = self._tables.scan(TABLE, _KNOWN, first=first, limit=limit)
        return [ReceiverId(row.key) for row in rows]

    def fleet_receivers(self) -> Sequence[FleetReceiver]:
        """SecOps' own receivers, by id."""
        rows = scan(self._tables, TABLE, _FLEET)
        return [stored.value for stored in self._reader.many(TABLE, rows, RECEIVERS)]

    def find_fleet_receiver(self, receiver: ReceiverId) -> Stored[FleetReceiver] | None:
        """One of SecOps' receivers with what it wants, or None. Raises UnreadableRow."""
        row = self._tables.find(TABLE, _FLEET, str(receiver))
        return self._reader.found(TABLE, row, RECEIVERS)

    def put_fleet_receiver(self, receiver: FleetReceiver, *, etag: str | None = None) -> None:
        """Add one of SecOps' receivers (None), or change what the one that was read with `etag` wants.

        Raises AlreadyExists or StaleWrite where another writer was faster.
        """
        self._tables.write(TABLE, [RECEIVERS.write(_FLEET, str(receiver.id), receiver, etag=etag)])

    def remove_fleet_receiver(self, receiver: ReceiverId) -> None:
        """Forget one of SecOps' receivers; what its feed holds stays. Raises NotFound, StaleWrite."""
        row = self._tables.find(TABLE, _FLEET, str(receiver))
        if row is None:
            raise NotFound(f"{receiver} is not a receiver of SecOps; `imagefactory notify list` prints them")
        self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])


def _partition(receiver: ReceiverId) -> str:
    return f"feed:{receiver}"


def _key(sequence: int) -> str:
    return f"{_ITEM}{sequence:012d}"
