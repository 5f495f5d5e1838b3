"""One partition per image: its head, builds, claims and journal. Records that change together are written together."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline_core.domain.builds import Build
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import FormerImage, ImageHead, RebuildRequest
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.records import Codec, Stored

TABLE = "images"
_HEAD = "head"
_HEADS = Codec(ImageHead)
_BUILDS = Codec(Build)
_CLAIMS = Codec(Claim)
_JOURNAL = Codec(Entry)
_REQUESTS = Codec(RebuildRequest)
_FORMER = "former"
_FORMERS = Codec(FormerImage)


class ImageStore:
    """Reads single rows. The functions below build the writes, and one transaction commits them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find_head(self, image: ImageName) -> Stored[ImageHead] | None:
        """The image's head, or None if it is not registered."""
        row = self._tables.find(TABLE, str(image), _HEAD)
        return None if row is None else _HEADS.read(row)

    def get_head(self, image: ImageName) -> Stored[ImageHead]:
        """The image's head. Raises NotFound."""
        head = self.find_head(image)
        if head is None:
            raise NotFound(f"image {image} is not registered: register it first")
        return head

    def find_former(self, image: ImageName) -> Stored[FormerImage] | None:
        """The kept record of a deleted image, or None."""
        row = self._tables.find(TABLE, str(image), _FORMER)
        return None if row is None else _FORMERS.read(row)

    def find_build(self, build: BuildId) -> Stored[Build] | None:
        """One build, or None."""
        row = self._tables.find(TABLE, str(build.image), f"build:{build}")
        return None if row is None else _BUILDS.read(row)

    def find_claim(self, image: ImageName, fingerprint: Fingerprint) -> Stored[Claim] | None:
        """The claim on one input, or None."""
        row = self._tables.find(TABLE, str(image), f"claim:{fingerprint}")
        return None if row is None else _CLAIMS.read(row)

    def list_builds(self, image: ImageName, *, limit: int) -> Sequence[Build]:
        """Builds of an image, at most `limit`, in no useful order."""
        rows = self._tables.scan(TABLE, str(image), first="build:", last="build;", limit=limit)
        return [_BUILDS.read(row).value for row in rows]

    def list_journal(self, image: ImageName, *, first: str = "", limit: int) -> Sequence[Entry]:
        """Journal entries with a key of at least `first`, oldest first."""
        rows = self._tables.scan(TABLE, str(image), first=f"journal:{first}", last="journal;", limit=limit)
        return [_read_entry(row) for row in rows]

    def commit(self, writes: Sequence[TableWrite]) -> Sequence[str]:
        """Commit all writes or none. Raises StaleWrite or AlreadyExists if the image was changed meanwhile."""
        return self._tables.write(TABLE, writes)


def put_head(head: ImageHead, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a head."""
    return _HEADS.write(str(head.name), _HEAD, head, etag=etag)


def delete_head(image: ImageName, *, etag: str) -> TableWrite:
    """Delete a head: the image is no longer registered."""
    return TableWrite(verb=WriteKind.DELETE, row=Row(partition=str(image), key=_HEAD, cells={}, etag=etag))


def add_former(former: FormerImage) -> TableWrite:
    """Keep the known facts of a deleted image."""
    return _FORMERS.write(str(former.name), _FORMER, former, etag=None)


def delete_former(image: ImageName, *, etag: str) -> TableWrite:
    """Delete the record of a deleted image, because the image is registered again."""
    return TableWrite(verb=WriteKind.DELETE, row=Row(partition=str(image), key=_FORMER, cells={}, etag=etag))


def put_build(build: Build, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a build."""
    return _BUILDS.write(str(build.image), f"build:{build.id}", build, etag=etag)


def put_claim(claim: Claim, *, etag: str | None) -> TableWrite:
    """Insert (`etag` None) or replace a claim."""
    return _CLAIMS.write(str(claim.image), f"claim:{claim.fingerprint}", claim, etag=etag)


def add_entry(entry: Entry) -> TableWrite:
    """Append to the image's journal."""
    # A row holds "" for a None of the entry. Older releases write this too, and they must read our rows.
    stored = replace(entry, version=entry.version or "", campaign=entry.campaign or "")
    return _JOURNAL.write(str(entry.image), f"journal:{entry.key}", stored, etag=None)


def add_request(image: ImageName, request: RebuildRequest) -> TableWrite:
    """Note a request under its token, so that the same request is recorded once."""
    return _REQUESTS.write(str(image), f"request:{request.token}", request, etag=None)


def _read_entry(row: Row) -> Entry:
    entry = _JOURNAL.read(row).value
    return replace(entry, version=entry.version or None, campaign=entry.campaign or None)
