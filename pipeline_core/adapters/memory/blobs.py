"""Blobs in memory: created once, never overwritten, deleted by ETag. Only `append` adds to one, as the builder does."""

import bisect
import hashlib
import itertools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain.blob_rights import BlobRights, BlobToken
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.ports import BlobFacts, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blob:
    content: bytes
    media_type: str
    changed_at: datetime
    etag: str


class MemoryBlobs:
    """Any container name is allowed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._blobs: dict[str, dict[str, _Blob]] = {}
        self._names: dict[str, list[str]] = {}  # in order: the cost of a list grows with what it gives
        self._lock = threading.Lock()
        self._written = itertools.count(1)  # no two contents have one ETag

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        with self._lock:
            if name in self._blobs.get(container, {}):
                raise AlreadyExists(f"{container}/{name} exists already and is never overwritten")
            self._put(container, name, content, media_type)

    def create_from(self, container: str, name: str, parts: Iterable[bytes], *, media_type: str) -> None:
        """As `create`, from parts."""
        self.create(container, name, b"".join(parts), media_type=media_type)

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The content. Raises NotFound, and PermanentError (POLICY) if it is larger than `limit` bytes."""
        with self._lock:
            found = self._blobs.get(container, {}).get(name)
        if found is None:
            raise NotFound(f"{container}/{name} does not exist")
        if len(found.content) > limit:
            raise PermanentError(ErrorClass.POLICY, f"{container}/{name} is larger than {limit} bytes")
        return found.content

    def read_part(self, container: str, name: str, *, first: int, length: int) -> bytes:
        """At most `length` bytes (1 or more) from the byte `first` on; empty behind the end. Raises NotFound."""
        with self._lock:
            found = self._blobs.get(container, {}).get(name)
        if found is None:
            raise NotFound(f"{container}/{name} does not exist")
        return found.content[first : first + length]

    def find_facts(self, container: str, name: str) -> BlobFacts | None:
        """Size and time of last change, or None."""
        with self._lock:
            found = self._blobs.get(container, {}).get(name)
        return None if found is None else _facts(name, found)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        """Facts of the blobs whose name begins with `prefix`, by name."""
        with self._lock:
            held, names = self._blobs.get(container, {}), self._names.get(container, [])
            begin = bisect.bisect_left(names, prefix)
            found = itertools.takewhile(lambda name: name.startswith(prefix), names[begin : begin + limit])
            return [_facts(name, held[name]) for name in found]

    def delete(self, container: str, name: str, *, etag: str) -> None:
        """Delete the blob while it has this ETag. Raises StaleWrite where it is gone or was made again."""
        with self._lock:
            found = self._blobs.get(container, {}).get(name)
            if found is None or found.etag != etag:
                raise StaleWrite(f"{container}/{name} is gone or was made again")
            self._remove(container, name)

    def delegate(self, rights: BlobRights, *, now: datetime, until: datetime) -> BlobToken:
        """A token with these rights, which ends at `until`. Nothing here checks it."""
        own = {}
        for place, allowed in rights.items():
            letters = "".join(sorted(right.value[0] for right in allowed))
            signed = hashlib.sha256(f"{place}\n{letters}\n{until.isoformat()}".encode()).hexdigest()
            own[place] = f"sp={letters}&sig={signed}"
        return BlobToken(until=until, shared=f"se={until:%Y-%m-%dT%H:%M:%SZ}&sr=b", own=own)

    def append(self, container: str, name: str, content: bytes) -> None:
        """Append, as the builder does with its log. For tests and the simulation."""
        with self._lock:
            before = self._blobs.get(container, {}).get(name)
            whole = content if before is None else before.content + content
            self._put(container, name, whole, "text/plain")

    def lose(self, container: str, name: str) -> None:
        """Delete a blob as somebody else would. For tests and the simulation."""
        with self._lock:
            self._remove(container, name)

    def _remove(self, container: str, name: str) -> None:
        del self._blobs[container][name]
        self._names[container].remove(name)

    def _put(self, container: str, name: str, content: bytes, media_type: str) -> None:
        blob = _Blob(
            content=content,
            media_type=media_type,
            changed_at=self._clock.now(),
            etag=f'"{next(self._written)}"',
        )
        held = self._blobs.setdefault(container, {})
        if name not in held:
            bisect.insort(self._names.setdefault(container, []), name)
        held[name] = blob


def _facts(name: str, blob: _Blob) -> BlobFacts:
    return BlobFacts(name=name, size=len(blob.content), changed_at=blob.changed_at, etag=blob.etag)
