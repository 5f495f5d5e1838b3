"""One partition per image: its head, builds, claims and journal. Records that change together are written together."""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Protocol, TypeVar

from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import NotFound, UnreadableRow
from pipeline_core.domain.images import FormerImage, ImageHead, RebuildRequest
from pipeline_core.domain.journal import FACTORY_ITSELF, Entry
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName, RebuildToken
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.archive.chunks import Chunks
from pipeline_core.state.history import BUILDS, TABLE, HistoryStore, add_entry, add_past, entry_of
from pipeline_core.state.reading.etags import written
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import scan

# The writes of the history are given on: a transaction of the image has both.
__all__ = ["TABLE", "ImageStore", "add_entry", "add_past"]

_HEAD = "head"
HEADS = Codec(ImageHead)
CLAIMS = Codec(Claim)
REQUESTS = Codec(RebuildRequest)
_FORMER = "former"
_VERSION = "made:"  # a row for each published version: which build made it
FORMERS = Codec(FormerImage)

Value = TypeVar("Value")


class Announcer(Protocol):
    """Announces entries of journals to those who want them."""

    def announced(self, head: ImageHead | None, entries: Sequence[Entry]) -> AbstractContextManager[None]:
        """Entered before the commit, and left after it. `head` is the image's, as the commit leaves it.

        None: it is there, and cannot be read, so nobody knows now who wants the entries.
        """
        ...


class ImageStore:
    """Reads single rows. The functions below build the writes, and one transaction commits them.

    Every entry of a journal is committed here, except the alarm about an unproven version, which sends its own message.
    So `announcer` hears of each other one, from every service. None: of none.
    """

    def __init__(
        self,
        tables: Tables,
        reader: Reader | None = None,
        announcer: Announcer | None = None,
        archive: Chunks | None = None,
    ) -> None:
        self._tables = tables
        self._reader = reader or Reader()
        self._history = HistoryStore(tables, self._reader, archive)
        self._announcer = announcer

    def find_head(self, image: ImageName) -> Stored[ImageHead] | None:
        """The image's head, or None if it is not registered."""
        return self._found(image, _HEAD, HEADS)

    def get_head(self, image: ImageName) -> Stored[ImageHead]:
        """The image's head. Raises NotFound."""
        head = self.find_head(image)
        if head is None:
            raise NotFound(f"image {image} is not registered: register it first")
        return head

    def find_former(self, image: ImageName) -> Stored[FormerImage] | None:
        """The kept record of a deleted image, or None."""
        return self._found(image, _FORMER, FORMERS)

    def find_build(self, build: BuildId) -> Stored[Build] | None:
        """One build, or None. One that ended long ago may be in a blob; then nothing can be written over it."""
        return self._found(build.image, f"build:{build}", BUILDS) or self._history.find_moved(build)

    def find_claim(self, image: ImageName, fingerprint: Fingerprint) -> Stored[Claim] | None:
        """The claim on one input, or None."""
        return self._found(image, f"claim:{fingerprint}", CLAIMS)

    def find_build_of(self, image: ImageName, version: GalleryVersion) -> Stored[Build] | None:
        """The build that made a published version, or None where no record says so.

        Costs two reads. A version of an older release costs a read of every build of the image, however many.
        """
        row = self._tables.find(TABLE, str(image), f"{_VERSION}{version}")
        if row is not None:
            return self.find_build(BuildId(str(row.cells["build"])))
        made = (stored for stored in self._stored_builds(image) if stored.value.version == version)
        return next((stored for stored in made if stored.value.result is Result.SUCCEEDED), None)

    def builds(self, image: ImageName) -> Iterator[Build]:
        """Every build of an image that can be read, in no useful order. Costs a read for each 1,000."""
        return (stored.value for stored in self._stored_builds(image))

    def has_request(self, image: ImageName, token: RebuildToken) -> bool:
        """True where this request was recorded before."""
        return self._tables.find(TABLE, str(image), _request_key(token)) is not None

    def list_builds(self, image: ImageName, *, limit: int) -> Sequence[Build]:
        """Builds of an image, at most `limit`, in no useful order."""
        return list(islice(self.builds(image), limit))

    def list_journal(self, image: ImageName, *, first: str = "", limit: int) -> Sequence[Entry]:
        """At most `limit` entries with a key of at least `first`, oldest first. Reads the whole journal.

        `HistoryStore` gives pages of it, and single entries.
        """
        found = sorted(self._history.whole_journal(image), key=lambda entry: entry.key)
        return [entry for entry in found if entry.key >= first][:limit]

    def find_entry(self, image: ImageName, key: str) -> Entry | None:
        """The journal's entry with this key, or None."""
        return self._history.find_entry(image, key)

    def commit(
        self, writes: Sequence[TableWrite], *, head: ImageHead | None = None, is_silent: bool = False
    ) -> Sequence[str]:
        """Commit all writes or none. Raises StaleWrite or AlreadyExists if the image was changed meanwhile.

        Journal entries among the writes are announced, unless `is_silent`. The head that says who wants them is
        the one among the writes, else `head`, else it is read.
        """
        with self._announced(writes, head, is_silent=is_silent):
            return written(writes, self._tables.write(TABLE, writes))

    def _announced(
        self, writes: Sequence[TableWrite], head: ImageHead | None, *, is_silent: bool
    ) -> AbstractContextManager[None]:
        found = (entry_of(write) for write in writes)
        entries = [entry for entry in found if entry is not None]
        if self._announcer is None or is_silent or not entries:
            return contextlib.nullcontext()
        heads = [write.row for write in writes if write.row.key == _HEAD and write.row.cells]
        if heads:
            head = self._reader.one(TABLE, heads[0], HEADS).value
        elif head is None:
            try:
                stored = self.find_head(entries[0].image)
            except UnreadableRow:
                return self._announcer.announced(None, entries)
            if stored is None:
                is_of_factory = entries[0].image == FACTORY_ITSELF
                return self._announcer.announced(None, entries) if is_of_factory else contextlib.nullcontext()
            head = stored.value
        return self._announcer.announced(head, entries)

    def _stored_builds(self, image: ImageName) -> Iterator[Stored[Build]]:
        rows = scan(self._tables, TABLE, str(image), first="build:", last="build;")
        return self._reader.many(TABLE, rows, BUILDS)

    def _found(self, image: ImageName, key: str, codec: Codec[Value]) -> Stored[Value] | None:
        return self._reader.found(TABLE, self._tables.find(TABLE, str(image), key), codec)


def put_head(head: ImageHead, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a head."""
    return HEADS.write(str(head.name), _HEAD, head, etag=etag)


def delete_head(image: ImageName, *, etag: str) -> TableWrite:
    """Delete a head: the image is no longer registered."""
    return TableWrite(verb=WriteKind.DELETE, row=Row(partition=str(image), key=_HEAD, cells={}, etag=etag))


def put_former(former: FormerImage, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace the known facts of a deleted image."""
    return FORMERS.write(str(former.name), _FORMER, former, etag=etag)


def delete_former(image: ImageName, *, etag: str) -> TableWrite:
    """Delete the record of a deleted image, because the image is registered again."""
    return TableWrite(verb=WriteKind.DELETE, row=Row(partition=str(image), key=_FORMER, cells={}, etag=etag))


def put_build(build: Build, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a build."""
    return BUILDS.write(str(build.image), f"build:{build.id}", build, etag=etag)


def put_claim(claim: Claim, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a claim."""
    return CLAIMS.write(str(claim.image), f"claim:{claim.fingerprint}", claim, etag=etag)


def add_version(ended: Build) -> TableWrite:
    """Note which build made a version, so that the version is found by its number."""
    key, cells = f"{_VERSION}{ended.version}", {"build": str(ended.id)}
    return TableWrite(verb=WriteKind.INSERT, row=Row(partition=str(ended.image), key=key, cells=cells))


def add_request(image: ImageName, request: RebuildRequest) -> TableWrite:
    """Note a request under its token, so that the same request is recorded once."""
    return REQUESTS.write(str(image), _request_key(request.token), request, etag=None)


def _request_key(token: RebuildToken) -> str:
    return f"request:{token}"
