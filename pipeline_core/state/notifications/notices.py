"""What must still be announced: entries of journals that some receiver wants, and feeds that are not drained.

One partition, normally empty, which one scan shows. The row of an entry is written before the entry. It is removed
when the entry is in the feeds. So an entry is in the feeds, or its row is here, or it was never committed.
"""

import contextlib
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.plain import PlainCodec, time_of
from pipeline_core.state.reading.reader import Reader

_PARTITION = "notices"
_ENTRY = "entry:"
_OPEN = "open:"
_LIMIT = 1000
_WRITES = 90  # in one transaction, which may have 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A journal entry to announce. `definition` names the receivers of the moment at which it was written.

    It is None where the image's head could not be read then: the receivers are those of the head that can be read.
    `known_to` are the receivers that have the entry in their feeds; mostly none, as a notice goes when all have it.
    """

    image: ImageName
    entry: str
    definition: Digest | None
    at: datetime
    etag: str = ""
    known_to: frozenset[ReceiverId] = frozenset()


class NoticeStore:
    """Inserts and removals; each is safe to repeat. Rows that cannot be read are passed over."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def add(self, notices: Sequence[Notice]) -> Sequence[Notice]:
        """Note that these entries are about to be written, in one transaction; those that were not noted before."""
        if self._insert(notices):
            return notices
        return [] if len(notices) == 1 else [each for each in notices if self._insert([each])]

    def list(self, image: ImageName) -> Sequence[Notice]:
        """The notices of an image, oldest first; at most 1,000."""
        first = f"{_ENTRY}{image}:"
        rows = self._tables.scan(TABLE, _PARTITION, first=first, last=f"{first[:-1]};", limit=_LIMIT)
        return [stored.value for stored in self._reader.many(TABLE, rows, ENTRIES)]

    def keep(self, notices: Sequence[Notice], known_to: Set[ReceiverId]) -> None:
        """Note who has these entries, because some feed could not take them yet. A notice that has changed stays."""
        for each in notices:
            if each.etag and not known_to <= each.known_to:
                row = _row_of(replace(each, known_to=each.known_to | known_to))
                with contextlib.suppress(StaleWrite):
                    self._tables.write(TABLE, [TableWrite(verb=WriteKind.REPLACE, row=row)])

    def remove(self, notices: Sequence[Notice]) -> int:
        """The entries are in the feeds, or were never written. The number of notices that this call removed.

        A notice that another process removes or changes at the same time does not count. The sweep asks again for one
        that stays.
        """
        listed = [each for each in notices if each.etag]
        removed = 0
        for few in (listed[at : at + _WRITES] for at in range(0, len(listed), _WRITES)):
            writes = [TableWrite(verb=WriteKind.DELETE, row=_row_of(each)) for each in few]
            try:
                self._tables.write(TABLE, writes)
            except StaleWrite:  # another process removed or changed some of them
                removed += sum(self._remove(_key_of(each)) for each in few)
            else:
                removed += len(few)
        return removed + sum(self._remove(_key_of(each)) for each in notices if not each.etag)

    def open(self, receiver: ReceiverId, now: datetime) -> None:
        """Note that a feed is about to get facts."""
        row = Row(partition=_PARTITION, key=f"{_OPEN}{receiver}", cells={"at": now.isoformat()})
        with contextlib.suppress(AlreadyExists):
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])

    def list_all(self) -> tuple[Sequence[Notice], Sequence[ReceiverId]]:
        """The notices of all images, and the feeds that may hold facts that are not sent; at most 1,000 of each."""
        rows = self._tables.scan(TABLE, _PARTITION, limit=_LIMIT)
        if len(rows) == _LIMIT:  # the notices come first: they must not hide the feeds
            more = self._tables.scan(TABLE, _PARTITION, first=_OPEN, limit=_LIMIT)
            rows = [*(row for row in rows if row.key.startswith(_ENTRY)), *more]
        entries = [row for row in rows if row.key.startswith(_ENTRY)]
        opened = [row for row in rows if row.key.startswith(_OPEN)]
        return (
            [stored.value for stored in self._reader.many(TABLE, entries, ENTRIES)],
            [stored.value for stored in self._reader.many(TABLE, opened, OPENED)],
        )

    def close(self, receiver: ReceiverId) -> None:
        """The feed is drained, or switched off."""
        self._remove(f"{_OPEN}{receiver}")

    def _insert(self, notices: Sequence[Notice]) -> bool:
        writes = [TableWrite(verb=WriteKind.INSERT, row=_row_of(each)) for each in notices]
        try:
            self._tables.write(TABLE, writes)
        except AlreadyExists:
            return False
        return True

    def _remove(self, key: str) -> bool:
        """False where the row is gone, or another process changed it after it was read."""
        row = self._tables.find(TABLE, _PARTITION, key)
        if row is None:
            return False
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return False
        return True


def _key_of(notice: Notice) -> str:
    return f"{_ENTRY}{notice.image}:{notice.entry}"


def _row_of(notice: Notice) -> Row:
    cells = {"definition": str(notice.definition or ""), "at": notice.at.isoformat()}
    if notice.known_to:
        cells["known_to"] = " ".join(sorted(map(str, notice.known_to)))
    return Row(partition=_PARTITION, key=_key_of(notice), cells=cells, etag=notice.etag)


def _notice_of(row: Row) -> Notice:
    image, _, entry = row.key.removeprefix(_ENTRY).partition(":")
    definition = str(row.cells["definition"])
    return Notice(
        image=ImageName(image),
        entry=entry,
        definition=Digest(definition) if definition else None,
        at=time_of(row, "at"),
        etag=row.etag,
        known_to=frozenset(map(ReceiverId, str(row.cells.get("known_to", "")).split())),
    )


def _receiver_of(row: Row) -> ReceiverId:
    return ReceiverId(row.key.removeprefix(_OPEN))


ENTRIES = PlainCodec("a notice", _notice_of)
OPENED = PlainCodec("an open feed", _receiver_of)
