"""Indexes for the hot paths: children by parent, roots by source, pending builds by priority, the fleet.

An index row is a hint. It is repaired when it lags behind. The truth is in the image's own partition.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from pipeline_core.domain import dispatch
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.ports import ANY_ETAG, Row, Tables, TableWrite, WriteKind
from pipeline_core.state import fleet
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import PAGE, behind, scan

TABLE = "index"
_PHASE = "phase"  # a cell of a row in the partition `active`
_MOVES = 45  # of two writes each: a transaction holds 100
MOST_TOGETHER = (
    20  # builds that are queued at once: with a head of 200 KB each, their copies fit into a transaction
)
PENDING = Codec(PendingBuild)
HEADS = fleet.HEADS


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPage:
    """A page of heads by name, with the notes of the last looks. `after` is the next page's cursor, None at the end.

    `unreadable` has the keys of the page's rows that cannot be read: names of images.
    """

    heads: tuple[ImageHead, ...]
    after: str | None
    unreadable: tuple[str, ...] = ()
    notes: Mapping[ImageName, LookNote] = field(default_factory=dict)


class Index:
    """Point writes and one-partition ranges. Only the cost of `fleet` and `heads` grows with the size of the fleet."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def children(self, parent: ImageName, *, after: str = "") -> Iterator[ImageName]:
        """Names of the images that declare `parent`, behind the name `after`, a page at a time."""
        return (ImageName(row.key) for row in self._all(f"children:{parent}", first=behind(after)))

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

    def note_moved(self, parent: ImageName, child: ImageName) -> None:
        """Note that a child left its parent while its current version is built from it. Safe to repeat."""
        self._ensure(f"moved:{parent}", str(child))

    def moved_children(self, parent: ImageName) -> Iterator[ImageName]:
        """Names of the images that were built from `parent` before they were moved, a page at a time."""
        return (ImageName(row.key) for row in self._all(f"moved:{parent}"))

    def remove_root(self, source: MarketplaceSource, image: ImageName) -> None:
        """Safe to repeat."""
        self._remove(f"roots:{source.key}", str(image))

    def add_active(self, build: BuildId) -> None:
        """Note a build that has not reported its end yet. Safe to repeat."""
        self._ensure("active", str(build))

    def remove_active(self, build: BuildId) -> None:
        """Safe to repeat."""
        self._remove("active", str(build))

    def is_active(self, build: BuildId) -> bool:
        """True for a build that has not reported its end yet."""
        return self._tables.find(TABLE, "active", str(build)) is not None

    def show_phase(self, build: BuildId, phase: Phase) -> None:
        """Note a phase in which a build has no slot, for lists. A build that has reported its end has no row."""
        row = Row(partition="active", key=str(build), cells={_PHASE: phase.value}, etag=ANY_ETAG)
        with contextlib.suppress(StaleWrite):
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.REPLACE, row=row)])

    def active(self) -> Iterator[BuildId]:
        """Every build that has not reported its end yet."""
        return (BuildId(row.key) for row in self._all("active"))

    def phases(self, *, first: ImageName, last: ImageName) -> dict[BuildId, Phase | None]:
        """The active builds of the images from `first` to `last` by name, each with its noted phase, if there is one.

        One read. The images of one page have at most one active build each.
        """
        # A dot follows the name in a build's id, and "/" sorts behind it.
        rows = self._tables.scan(TABLE, "active", first=str(first), last=f"{last}/", limit=PAGE)
        return {BuildId(row.key): _phase_of(row) for row in rows}

    def add_pending(self, pending: PendingBuild, *, again: bool = False) -> None:
        """Add a pending build. Safe to repeat.

        With `again`, the build may be parked in its team's line, and then stays there.
        """
        if again and self._tables.find(TABLE, "pending", pending.parked().key) is not None:
            return
        try:
            self._tables.write(TABLE, [PENDING.write("pending", pending.key, pending, etag=None)])
        except AlreadyExists:
            return

    def add_queued(self, rows: Sequence[PendingBuild]) -> None:
        """Add builds that were just queued, at most MOST_TOGETHER: as active, and to the line. Safe to repeat."""
        active = [
            TableWrite(verb=WriteKind.INSERT, row=Row(partition="active", key=str(row.build), cells={}))
            for row in rows
        ]
        waiting = [PENDING.write("pending", row.key, row, etag=None) for row in rows]
        for writes in (active, waiting):
            try:
                self._tables.write(TABLE, writes)
            except AlreadyExists:  # another look was faster with one of them
                for write in writes:
                    with contextlib.suppress(AlreadyExists):
                        self._tables.write(TABLE, [write])

    def remove_pending(self, key: str, *, etag: str = ANY_ETAG) -> None:
        """Remove a pending build. Safe to repeat. With an `etag`, a row that was written since then stays."""
        self._delete(Row(partition="pending", key=key, cells={}, etag=etag))

    def withdraw(self, build: Build) -> None:
        """Remove a build that will not start from every line that may hold it. Safe to repeat."""
        late = dispatch.late_key(build.queued_at, build.id)
        for key in (build.priority, late):
            pending = PendingBuild(key=key, build=build.id, team=build.team)
            self._remove("pending", key)
            self._remove("pending", pending.parked().key)

    def remove_begun(self, row: Stored[PendingBuild], build: Build) -> None:
        """Remove a build that begins from its lines, if it is still in the one in which it was found.

        One that has waited long is in the line of late builds as well: the team's own ones, or those that all share.
        """
        late = dispatch.late_key(build.queued_at, build.id)
        other = replace(row.value, key=build.priority if row.value.is_late else late)
        if row.value.key.startswith(dispatch.PARKED):
            other = other.parked()
        gone = [
            Row(partition="pending", key=key, cells={}, etag=ANY_ETAG) for key in (row.value.key, other.key)
        ]
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=each) for each in gone])
        except StaleWrite:
            self.withdraw(build)

    def pending(self, *, after: str = "", limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` pending builds by priority, after the key `after`, without parked ones."""
        return self._waiting(behind(after), dispatch.PARKED, limit)

    def waiting(self, *, limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` rows of all lines: by priority, then the late ones, then each team's parked ones."""
        return self._waiting("", "", limit)

    def lines(self) -> Iterator[PendingBuild]:
        """Every row of every line, a page at a time. A row that this factory did not write is left out."""
        return (read.value for read in self._reader.many(TABLE, self._all("pending"), PENDING))

    def late(self, *, limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` of the builds that have waited long, by age, without parked ones."""
        return self._waiting(dispatch.LATE, dispatch.PARKED, limit)

    def parked(
        self, team: TeamName, *, limit: int, late: bool = False, urgent: bool = False
    ) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` of the team's own line, by priority, or by age for builds that have waited long.

        With `urgent`, only those of the security lane, which are the first by priority.
        """
        line = dispatch.line_of(team)
        first = f"{line}{dispatch.LATE}" if late else line
        return self._waiting(first, f"{line}{dispatch.URGENT}~" if urgent else f"{line}~", limit)

    def parked_teams(self) -> Iterator[TeamName]:
        """The teams that have parked builds. Costs one read of one row for each team."""
        first = dispatch.PARKED
        while rows := self._waiting(first, "", 1):
            yield rows[0].value.team
            first = f"{dispatch.line_of(rows[0].value.team)}~"

    def park(self, rows: Sequence[Stored[PendingBuild]]) -> None:
        """Move builds into the lines of their teams. Safe to repeat. A row that has changed stays in its line."""
        for start in range(0, len(rows), _MOVES):
            few = rows[start : start + _MOVES]
            try:
                self._tables.write(TABLE, [write for row in few for write in _move(row)])
            except (AlreadyExists, StaleWrite):
                for row in few:
                    self._park_one(row)

    def hold(self, key: str, row: Stored[PendingBuild]) -> None:
        """Move a build out of all lines, to those that the platform breaker of this key holds back. Safe to repeat."""
        held = replace(row.value, key=row.value.rank)
        with contextlib.suppress(AlreadyExists):
            self._tables.write(TABLE, [PENDING.write(f"held:{key}", held.key, held, etag=None)])
        self.remove_pending(row.value.key, etag=row.etag)

    def held(self, key: str, *, limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` builds that this platform breaker holds back, by priority; rows as in `_waiting`."""
        rows = scan(self._tables, TABLE, f"held:{key}", page=limit)
        return list(islice(self._reader.many(TABLE, rows, PENDING), limit))

    def held_back(self, key: str) -> Iterator[PendingBuild]:
        """Every build that this platform breaker holds back, a page at a time."""
        return (read.value for read in self._reader.many(TABLE, self._all(f"held:{key}"), PENDING))

    def forget_held(self, key: str, row_key: str) -> None:
        """Remove a build that will not start from those that a breaker holds back. Safe to repeat."""
        self._remove(f"held:{key}", row_key)

    def let_go(self, key: str, row: Stored[PendingBuild]) -> None:
        """Move a build that was held back into its line again. Safe to repeat."""
        self.add_pending(row.value)
        self._delete(Row(partition=f"held:{key}", key=row.value.key, cells={}, etag=row.etag))

    def _park_one(self, row: Stored[PendingBuild]) -> None:
        try:
            self._tables.write(TABLE, _move(row))
        except AlreadyExists:
            self.remove_pending(row.value.key, etag=row.etag)
        except StaleWrite:
            return

    def _waiting(self, first: str, last: str, limit: int) -> Sequence[Stored[PendingBuild]]:
        """The first `limit` rows that can be read. Others are passed over, and do not hide what is behind them."""
        rows = scan(self._tables, TABLE, "pending", first=first, last=last, page=limit)
        return list(islice(self._reader.many(TABLE, rows, PENDING), limit))

    def find_copy(self, image: ImageName) -> Row | None:
        """The fleet's row of an image. Read it before the head, so that an older head never replaces a newer one."""
        return self._tables.find(TABLE, "fleet", str(image))

    def project(self, image: ImageName, head: ImageHead | None) -> bool:
        """Copy a head that is not older than the copy. False if another writer was faster."""
        return self.replace_copy(image, head, over=self.find_copy(image))

    def replace_copy(
        self, image: ImageName, head: ImageHead | None, *, over: Row | None, note: LookNote | None = None
    ) -> bool:
        """Copy a head into the fleet's partition (None removes it), over the row that was there before.

        Without a `note`, the copy keeps the note that it has. False if another writer was faster.
        """
        try:
            if head is None:
                if over is not None:
                    self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=over)])
            else:
                self._tables.write(TABLE, [fleet.write_of(str(image), head, note, over=over)])
        except (AlreadyExists, StaleWrite):
            return False
        return True

    def replace_copies(self, copies: Sequence[tuple[ImageHead, Row | None, LookNote]]) -> bool:
        """Copy heads with their notes, each over its row, all or none. False if another writer was faster with one."""
        writes = [fleet.write_of(str(head.name), head, note, over=over) for head, over, note in copies]
        try:
            self._tables.write(TABLE, writes)
        except (AlreadyExists, StaleWrite):
            return False
        return True

    def note_look(self, image: ImageName, note: LookNote) -> bool:
        """Keep what a look found beside the copy that is there. True where this changed the copy."""
        row = self.find_copy(image)
        if row is None or fleet.read_note(row) == note:
            return False
        read = self._reader.try_one(TABLE, row, HEADS)
        if read is None:
            return False  # the sweep writes the copy again
        return self.replace_copy(image, read.value, over=row, note=note)

    def forget_claim(self, image: ImageName) -> None:
        """Remove the claim from the note of the last look. One read, and a write only where the note has one."""
        row = self.find_copy(image)
        note = None if row is None else fleet.read_note(row)
        if row is None or note is None or note.claim is None:
            return
        read = self._reader.try_one(TABLE, row, HEADS)
        if read is not None:
            self.replace_copy(image, read.value, over=row, note=replace(note, claim=None))

    def fleet(self, *, after: str = "", limit: int = PAGE) -> FleetPage:
        """A page of heads as last projected, by name, after the name `after`."""
        rows = self._tables.scan(TABLE, "fleet", first=behind(after), limit=min(limit, PAGE))
        read = [(row.key, self._reader.try_one(TABLE, row, HEADS)) for row in rows]
        noted = {row.key: fleet.read_note(row) for row in rows}
        heads = tuple(stored.value for _, stored in read if stored is not None)
        return FleetPage(
            heads=heads,
            unreadable=tuple(key for key, stored in read if stored is None),
            after=rows[-1].key if len(rows) == min(limit, PAGE) else None,
            notes={head.name: note for head in heads if (note := noted[str(head.name)]) is not None},
        )

    def heads(self) -> Iterator[ImageHead]:
        """Every head of the fleet as last projected, by name, a page at a time."""
        return (stored.value for stored in self._reader.many(TABLE, self._all("fleet"), HEADS))

    def _all(self, partition: str, *, first: str = "") -> Iterator[Row]:
        return scan(self._tables, TABLE, partition, first=first)

    def _ensure(self, partition: str, key: str) -> None:
        row = Row(partition=partition, key=key, cells={})
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
        except AlreadyExists:
            return

    def _remove(self, partition: str, key: str) -> None:
        self._delete(Row(partition=partition, key=key, cells={}, etag=ANY_ETAG))

    def _delete(self, row: Row) -> None:
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return


def _phase_of(row: Row) -> Phase | None:
    noted = row.cells.get(_PHASE)
    return next((phase for phase in Phase if phase.value == noted), None)


def _move(row: Stored[PendingBuild]) -> list[TableWrite]:
    """Insert a pending build into its team's line and delete it where it was, in one transaction."""
    parked = row.value.parked()
    old = Row(partition="pending", key=row.value.key, cells={}, etag=row.etag)
    return [
        PENDING.write("pending", parked.key, parked, etag=None),
        TableWrite(verb=WriteKind.DELETE, row=old),
    ]
