"""What happened to an image: its journal and the builds that have ended, newest first, a page at a time.

The key of a row holds its time inverted, so the newest rows come first and a page costs the same however many rows
there are. Older releases wrote the journal oldest first, under `journal:`, and kept no copies of builds under `past:`.
Their rows are never moved: they are read after the newer ones, or between them where a release was rolled back.

Rows far behind are lines of blobs (`state.archive`). The row of the oldest line of a blob names it, so a page goes on
there, and every cursor stays what it was.
"""

from collections import deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from pipeline_core.domain.builds import Build
from pipeline_core.domain.journal import Entry, entry_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Row, Tables, TableWrite
from pipeline_core.state.archive import chunks
from pipeline_core.state.archive.chunks import Chunks, inverted
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import behind, scan

TABLE = "images"
LINE, _OLD = "entry:", "journal:"  # keys of the journal: newest first, and as older releases wrote it
PAST, _BUILD = "past:", "build:"
_UNCOPIED = "old-"  # begins a cursor among the builds of which there is no copy
ENTRIES = Codec(Entry)
BUILDS = Codec(Build)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPage:
    """Entries, newest first. `after` is the cursor of the next page, None at the end."""

    entries: tuple[Entry, ...]
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPage:
    """Builds that have ended, newest first. `after` is the cursor of the next page, None at the end."""

    builds: tuple[Build, ...]
    after: str | None


class HistoryStore:
    """Reads pages. `add_entry` and `add_past` build the writes, which the image's transactions commit.

    Without `archive`, what was moved to blobs is not read.
    """

    def __init__(self, tables: Tables, reader: Reader | None = None, archive: Chunks | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()
        self._archive = archive

    def journal(self, image: ImageName, *, after: str = "", limit: int) -> JournalPage:
        """At most `limit` entries that are older than the entry with the key `after` (empty: the newest).

        Costs two reads, more only where the page reaches rows of older releases, or blobs.
        """
        first = behind(f"{LINE}{inverted(after)}") if after else LINE
        rows, is_full = self._page(image, LINE, first, limit)
        found = {entry.key: entry for entry in self._entries(rows)}
        oldest = inverted(rows[-1].key.removeprefix(LINE)) if is_full else ""
        found |= {entry.key: entry for entry in self._older(image, oldest, after, limit)}
        newest = sorted(found.values(), key=lambda entry: entry.key, reverse=True)
        is_last = len(newest) <= limit and not oldest
        page = tuple(newest[:limit])
        return JournalPage(entries=page, after=None if is_last else (page[-1].key if page else oldest))

    def whole_journal(self, image: ImageName) -> Iterator[Entry]:
        """Every entry once, in no useful order. Costs a read for each 1,000."""
        keys: set[str] = set()
        for first in (LINE, _OLD):
            rows = scan(self._tables, TABLE, str(image), first=first, last=end_of(first))
            whole = [each for row in rows for each in self._rows_of(row)]
            fresh = [entry for entry in self._entries(whole) if entry.key not in keys]
            keys |= {entry.key for entry in fresh}
            yield from fresh

    def find_entry(self, image: ImageName, key: str) -> Entry | None:
        """The entry with this key, or None. Raises UnreadableRow."""
        for place in (f"{LINE}{inverted(key)}", f"{_OLD}{key}"):
            row = self._tables.find(TABLE, str(image), place)
            if row is not None:
                return _as_it_was(self._reader.one(TABLE, row, ENTRIES).value)
        place = f"{LINE}{inverted(key)}"
        older = self._tables.scan(TABLE, str(image), first=place, last=end_of(LINE), limit=1)
        moved = (row for each in older for row in self._rows_of(each) if row.key == place)
        return next((_as_it_was(self._reader.one(TABLE, row, ENTRIES).value) for row in moved), None)

    def find_moved(self, build: BuildId) -> Stored[Build] | None:
        """A build whose row is in a blob, or None. It has ended, and nothing writes it any more."""
        row = None if self._archive is None else self._archive.find_build(build)
        return self._reader.found(TABLE, row, BUILDS)

    def builds(self, image: ImageName, *, after: str = "", limit: int) -> BuildPage:
        """At most `limit` builds that have ended, after the cursor `after`. Costs one read, at the end two or three.

        A build of which there is no copy comes last: an older release ended it.
        """
        if after.startswith(_UNCOPIED):
            return self._uncopied(image, after, limit)
        first = behind(f"{PAST}{after}") if after else PAST
        rows, is_full = self._page(image, PAST, first, limit)
        builds = tuple(stored.value for stored in self._reader.many(TABLE, rows, BUILDS))
        if is_full:
            return BuildPage(builds=builds, after=rows[-1].key.removeprefix(PAST))
        copied = None if after else {row.key for row in rows}  # without a cursor these are all of them
        more = self._uncopied(image, _UNCOPIED, limit - len(rows), copied)
        return BuildPage(builds=(*builds, *more.builds), after=more.after)

    def _page(self, image: ImageName, prefix: str, first: str, limit: int) -> tuple[Sequence[Row], bool]:
        """At most `limit` rows from `first` on, those in blobs too; and whether there may be more."""
        rows = self._tables.scan(TABLE, str(image), first=first, last=end_of(prefix), limit=limit)
        found: dict[str, Row] = {}
        for row in rows:
            found |= {each.key: each for each in self._rows_of(row) if each.key >= first}
            if len(found) > limit:
                break
        page = [found[key] for key in sorted(found)]
        return page[:limit], len(rows) == limit or len(page) > limit

    def _rows_of(self, row: Row) -> Sequence[Row]:
        return (row,) if self._archive is None else self._archive.rows_of(row)

    def _entries(self, rows: Sequence[Row]) -> Iterator[Entry]:
        return (_as_it_was(stored.value) for stored in self._reader.many(TABLE, rows, ENTRIES))

    def _older(self, image: ImageName, oldest: str, after: str, limit: int) -> Iterator[Entry]:
        """The newest entries of older releases, one more than `limit`: from `oldest` on and before `after`."""
        last = f"{_OLD}{after}" if after else end_of(_OLD)
        rows = scan(self._tables, TABLE, str(image), first=f"{_OLD}{oldest}", last=last)
        return self._entries(deque(rows, maxlen=limit + 1))

    def _uncopied(
        self, image: ImageName, after: str, limit: int, copied: Set[str] | None = None
    ) -> BuildPage:
        """A page of the builds without a copy. `copied` are the keys of every copy, where the caller has read them."""
        rows = scan(self._tables, TABLE, str(image), first=_BUILD, last=end_of(_BUILD))
        ended = [stored.value for stored in self._reader.many(TABLE, rows, BUILDS)]
        keys = {_past_key(build): build for build in ended if build.is_finished}
        if copied is None:
            past = scan(self._tables, TABLE, str(image), first=PAST, last=end_of(PAST))
            copied = {key for row in past for key in chunks.keys_of(row)}
        cursor = f"{PAST}{after.removeprefix(_UNCOPIED)}"
        left = sorted(key for key in keys.keys() - copied if key > cursor)
        page = left[:limit]
        is_last = len(left) <= limit
        last = page[-1].removeprefix(PAST) if page else after.removeprefix(_UNCOPIED)
        return BuildPage(
            builds=tuple(keys[key] for key in page), after=None if is_last else f"{_UNCOPIED}{last}"
        )


def add_entry(entry: Entry) -> TableWrite:
    """Append to the image's journal."""
    # A row holds "" for a None of the entry. Older releases write this too, and they must read our rows.
    stored = replace(entry, version=entry.version or "", campaign=entry.campaign or "")
    return ENTRIES.write(str(entry.image), f"{LINE}{inverted(entry.key)}", stored, etag=None)


def entry_of(write: TableWrite) -> Entry | None:
    """The journal entry that a write of `add_entry` holds; None for another write."""
    if not write.row.key.startswith(LINE):
        return None
    return _as_it_was(Reader().one(TABLE, write.row, ENTRIES).value)


def add_past(ended: Build) -> TableWrite:
    """Keep a copy of a build that ends now among those that have ended, in the transaction of its end."""
    return BUILDS.write(str(ended.image), _past_key(ended), replace(ended, announce=False), etag=None)


def _past_key(build: Build) -> str:
    return f"{PAST}{inverted(entry_key(build.created_at, str(build.id)))}"


def end_of(prefix: str) -> str:
    """The end of the keys that begin with a prefix."""
    return f"{prefix[:-1]};"  # ";" follows ":"


def _as_it_was(entry: Entry) -> Entry:
    if entry.version != "" and entry.campaign != "":
        return entry
    return replace(entry, version=entry.version or None, campaign=entry.campaign or None)
