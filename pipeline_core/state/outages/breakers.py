"""Platform breakers, one row for each class and scope that failed, and what each of them has harmed.

The breakers share the partition of the slots, so that the dispatcher sees in its one read whether there are any. A
harmed image has a row under the breaker's key.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline_core.domain.errors import AlreadyExists, StaleWrite, UnreadableRow
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.capacity import BREAKER, PARTITION, TABLE
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import scan

_MOST = 200  # rows of one read; a row goes when nothing depends on it any more

BREAKERS = Codec(PlatformBreaker)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmedBuild:
    """The newest build of an image that ended by a failure of the breaker's class and scope."""

    image: ImageName
    build: BuildId


HARMED = Codec(HarmedBuild)


class BreakerStore:
    """Point writes, and one read for all breakers."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def list(self) -> Sequence[Stored[PlatformBreaker]]:
        """Every breaker, open or not. One read."""
        rows = self._tables.scan(TABLE, PARTITION, first=BREAKER, last="stop;", limit=_MOST)
        return [*self._reader.many(TABLE, rows, BREAKERS)]

    def find(self, key: str) -> Stored[PlatformBreaker] | None:
        """One breaker, or None. Raises UnreadableRow."""
        return self._reader.found(TABLE, self._tables.find(TABLE, PARTITION, f"{BREAKER}{key}"), BREAKERS)

    def change(
        self, new: PlatformBreaker, change: Callable[[PlatformBreaker], PlatformBreaker]
    ) -> tuple[PlatformBreaker, PlatformBreaker]:
        """The breaker before and after `change`, which is written unless it gives the same object.

        `new` is the breaker where no row exists. Raises Contended where others keep changing it,
        and UnreadableRow.
        """

        def commit(found: Stored[PlatformBreaker] | None) -> tuple[PlatformBreaker, PlatformBreaker]:
            before = new if found is None else found.value
            after = change(before)
            if after is not before:
                etag = None if found is None else found.etag
                self._tables.write(
                    TABLE, [BREAKERS.write(PARTITION, f"{BREAKER}{new.key}", after, etag=etag)]
                )
            return before, after

        return changing(
            lambda: self.find(new.key), commit, subject=f"the platform breaker {new.key}", lost=RACED
        )

    def remove(self, breaker: Stored[PlatformBreaker]) -> None:
        """Remove a row on which nothing depends. A row that has changed meanwhile stays."""
        row = Row(partition=PARTITION, key=f"{BREAKER}{breaker.value.key}", cells={}, etag=breaker.etag)
        self._delete(row)

    def note_harmed(self, key: str, harmed: HarmedBuild) -> None:
        """Note the newest build that failed. Safe to repeat. A row that cannot be read stays as it is."""
        partition = f"harmed:{key}"
        row = self._tables.find(TABLE, partition, str(harmed.image))
        try:
            known = self._reader.found(TABLE, row, HARMED)
            etag = None if known is None else known.etag
            self._tables.write(TABLE, [HARMED.write(partition, str(harmed.image), harmed, etag=etag)])
        except (AlreadyExists, StaleWrite, UnreadableRow):
            return  # another handler has just noted this end, or a newer release has

    def harmed(self, key: str, *, page: int) -> Iterator[Stored[HarmedBuild]]:
        """The images that the breaker has harmed, by name. Rows that cannot be read are passed over."""
        return self._reader.many(TABLE, scan(self._tables, TABLE, f"harmed:{key}", page=page), HARMED)

    def forget_harmed(self, key: str, harmed: Stored[HarmedBuild]) -> None:
        """The image has been looked at again. Safe to repeat."""
        row = Row(partition=f"harmed:{key}", key=str(harmed.value.image), cells={}, etag=harmed.etag)
        self._delete(row)

    def _delete(self, row: Row) -> None:
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return
