"""Where records, messages and files are kept: tables, queues and blobs. Every write of a row is conditional."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import Protocol

from pipeline_core.domain.blob_rights import BlobRights, BlobToken
from pipeline_core.domain.tools import ScanAnswer

Cell = str | int | bool
# In a DELETE or REPLACE of a hint, a row that decides nothing: whatever is stored (If-Match of RFC 9110).
ANY_ETAG = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored record: text under 32 Ki characters, 64-bit integers, booleans. `etag` is empty for a new one."""

    partition: str
    key: str
    cells: Mapping[str, Cell]
    etag: str = ""  # empty for a row that was not read from a table


@unique
class WriteKind(Enum):
    """The action of one table operation."""

    INSERT = "insert"  # fails if the row exists
    REPLACE = "replace"  # only if the row still has the ETag of the read
    DELETE = "delete"  # also only if the row still has that ETag


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrite:
    """One write. REPLACE and DELETE demand that `row.etag` is set: to the ETag of a read, or to ANY_ETAG for a hint."""

    verb: WriteKind
    row: Row


class Tables(Protocol):
    """Rows by (table, partition, key). Every write is conditional."""

    def find(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        ...

    def scan(
        self,
        table: str,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        limit: int = 1000,
        select: Sequence[str] = (),
    ) -> Sequence[Row]:
        """Rows of one partition with `first` <= key < `last` (empty: unbounded), by key, at most `limit`.

        With `select`, a row has these of its cells only, and no ETag: nobody can write back what is left of it.
        """
        ...

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        """Apply 1 to 100 writes of one partition, all or none. Gives the new ETags in order ('' for deletions).

        Raises AlreadyExists if an insert finds a row, StaleWrite if a replaced or deleted row has changed or gone.
        """
        ...


class Queues(Protocol):
    """Messages as text under 48 KiB."""

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after `delay` (at most 7 days)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFacts:
    """Size in bytes, the time of the last change, and the ETag: a blob that is created again has another one."""

    name: str
    size: int
    changed_at: datetime
    etag: str


class Blobs(Protocol):
    """Bytes by (container, name). A stored blob is never overwritten; only bundles that nobody
    uses, and refused files of tools, are deleted.
    """

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        ...

    def create_from(self, container: str, name: str, parts: Iterable[bytes], *, media_type: str) -> None:
        """As `create`, from at most 50,000 parts, one in memory at a time. Raises AlreadyExists.

        There is no blob where the parts raise: their error comes through.
        """
        ...

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The content. Raises NotFound, and PermanentError (POLICY) if it is larger than `limit` bytes."""
        ...

    def read_part(self, container: str, name: str, *, first: int, length: int) -> bytes:
        """At most `length` bytes (1 or more) from the byte `first` on; empty behind the end. Raises NotFound."""
        ...

    def find_facts(self, container: str, name: str) -> BlobFacts | None:
        """Size and time of last change, or None."""
        ...

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        """Facts of the blobs whose name begins with `prefix`, by name."""
        ...

    def delete(self, container: str, name: str, *, etag: str) -> None:
        """Delete the blob while it has this ETag. Raises StaleWrite where it is gone or was made again."""
        ...

    def delegate(self, rights: BlobRights, *, now: datetime, until: datetime) -> BlobToken:
        """A token with these rights, which ends at `until`, at most 7 days from `now`."""
        ...


class Scanner(Protocol):
    """A service that scans stored files for malware. It is only asked: storage itself brings it the files."""

    def ask(self, container: str, name: str) -> ScanAnswer:
        """What is known about the blob now. UNKNOWN where nothing is. Raises NotFound."""
        ...
