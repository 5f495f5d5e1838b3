"""One range of bytes that a reader asks for (RFC 9110, section 14), and what of a file it means. Pure."""

import re
from dataclasses import dataclass

from pipeline_core.domain.errors import ErrorClass, PermanentError

PART = (
    4 * 1024 * 1024
)  # bytes of a file in one answer: the function host holds an answer in memory as a whole
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.ASCII | re.IGNORECASE)


class UnsatisfiableRange(PermanentError):
    """The range begins behind the end of the file, which has `size` bytes."""

    def __init__(self, wanted: "ByteRange", size: int) -> None:
        super().__init__(ErrorClass.POLICY, f"{wanted} is outside of the file, which has {size} bytes")
        self.size = size


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """`length` bytes from the byte `first` on; `first` counts from 0."""

    first: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Both bounds are inclusive. Without `first` it is the last `last` bytes, without `last` everything to the end."""

    first: int | None = None
    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> "ByteRange | None":
        """The range of a `Range` header. None for several ranges or any other text: then the header is ignored."""
        match = _RANGE.fullmatch(text)
        if match is None or not any(match.groups()):
            return None
        first, last = (int(each) if each else None for each in match.groups())
        if first is not None and last is not None and last < first:
            return None
        return cls(first=first, last=last)

    def within(self, size: int, *, most: int) -> FilePart:
        """The part of a file of `size` bytes, at most `most` bytes of it. Raises UnsatisfiableRange."""
        if self.first is None:
            first, end = max(0, size - (self.last or 0)), size
        else:
            first, end = self.first, size if self.last is None else min(size, self.last + 1)
        if first >= end:
            raise UnsatisfiableRange(self, size)
        return FilePart(first=first, length=min(end - first, most))

    def __str__(self) -> str:
        first = "" if self.first is None else self.first
        last = "" if self.last is None else self.last
        return f"bytes {first}-{last}"
