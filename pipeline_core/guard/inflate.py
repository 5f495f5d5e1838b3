"""Unpacks a gzip stream piece by piece, in bounded memory, and stops at the limits, whatever the stream claims."""

import zlib
from collections.abc import Iterator

from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule
from pipeline_core.wire.bundle import UNPACKED_LIMIT

RATIO_LIMIT = 200  # unpacked to compressed; sources compress to a tenth, zeros to a thousandth
CHUNK = 64 * 1024  # bytes that come out at once
BLOCK = 512  # bytes; a tar is made of whole blocks
REMEDY = "pack the folder with `imagefactory pack`"
_RATIO_FLOOR = 4 * 1024 * 1024  # bytes that any archive may unpack to


class Unreadable(Exception):
    """The rest of the archive cannot be read. `finding` says why."""

    def __init__(self, rule: GuardRule, message: str, remedy: str = REMEDY, *, place: str = "bundle") -> None:
        super().__init__(message)
        self.finding = Finding(rule=rule, place=place, message=message, remedy=remedy)


class Unpacked:
    """The tar inside. It counts the bytes that come out and stops at the limits."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._inflate = zlib.decompressobj(wbits=31)
        self._position = 0
        self._ready = b""
        self._total = 0
        self._bound = min(UNPACKED_LIMIT, max(_RATIO_FLOOR, RATIO_LIMIT * len(content)))

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; at most a chunk may be asked for."""
        while len(self._ready) < size:
            more = self._more()
            if not more:
                raise Unreadable(GuardRule.BUNDLE_FORM, "ends in the middle of a file")
            self._ready += more
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def rest(self) -> Iterator[bytes]:
        """Everything that is left."""
        yield self._ready
        while more := self._more():
            yield more
        if not self._inflate.eof:
            raise Unreadable(GuardRule.BUNDLE_FORM, "is a gzip stream without an end")
        if self._inflate.unused_data or self._position < len(self._content):
            raise Unreadable(GuardRule.BUNDLE_FORM, "holds more data after the end of its gzip stream")
        if self._total % BLOCK:  # GNU tar refuses it
            raise Unreadable(
                GuardRule.BUNDLE_FORM, f"holds a tar that does not end with a block of {BLOCK} bytes"
            )

    def _more(self) -> bytes:
        while not self._inflate.eof:
            source = self._inflate.unconsumed_tail
            if not source:
                source = bytes(self._content[self._position : self._position + CHUNK])
                self._position += len(source)
                if not source:
                    return b""
            try:
                found = self._inflate.decompress(source, CHUNK)
            except zlib.error as error:
                raise Unreadable(GuardRule.BUNDLE_FORM, "is not a gzip stream") from error
            self._total += len(found)
            if self._total > self._bound:
                raise self._too_large()
            if found:
                return found
        return b""

    def _too_large(self) -> Unreadable:
        if self._bound == UNPACKED_LIMIT:
            message = f"unpacks to more than {UNPACKED_LIMIT:,} bytes"
            return Unreadable(GuardRule.BUNDLE_UNPACKED_SIZE, message, "leave large files out")
        message = f"unpacks to more than {RATIO_LIMIT} times its size, as an archive bomb does"
        return Unreadable(GuardRule.BUNDLE_RATIO, message, "leave out files of repeated bytes, such as zeros")
