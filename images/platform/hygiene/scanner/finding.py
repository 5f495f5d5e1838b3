"""What was found, what was judged by its origin, and how the name of a file is written."""

from __future__ import annotations

from dataclasses import dataclass

_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "E", 39: "'", 92: "\\"}


@dataclass(frozen=True)
class Finding:
    """Something that must not be in an image. `path` is as `shown_name` writes it.

    `sha256` is of the file's content, in hex. It is empty for a folder, and where the digest would help to guess a
    password or a name.
    """

    path: str
    rule: str
    what: str
    sha256: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The paths by which a waiver may name it: with any content, or with this content only."""
        # A file may be named like a waiver of another file's content.
        anything = () if "@sha256:" in self.path else (self.path,)
        return (*anything, f"{self.path}@sha256:{self.sha256}") if self.sha256 else anything

    def __str__(self) -> str:
        return f"{self.path}: {self.what} [{self.rule}]"


@dataclass(frozen=True)
class Judged:
    """A file that would be a finding by its content, and the package that vouches for it. For the evidence."""

    finding: Finding
    package: str


def shown_name(path: str) -> str:
    """The path on one line. A name with a line end or another unprintable byte is quoted as bash's `$'...'`.

    So one file cannot look like two findings, or like the path of a waiver.
    """
    raw = path.encode("utf-8", "surrogateescape")
    if all(32 <= byte < 127 for byte in raw):
        return path
    return "$'" + "".join(map(_escaped, raw)) + "'"


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return "\\" + _ESCAPES[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
