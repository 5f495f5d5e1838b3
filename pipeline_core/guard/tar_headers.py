"""Reads the headers of tar members, and refuses each form that GNU tar, Python's tarfile or a guest may read otherwise.

Pure. `archive` decides which members a bundle may have; this module decides only what a header says.
"""

import re
from dataclasses import dataclass

from pipeline_core.guard.inflate import Unreadable
from pipeline_core.guard.rules import GuardRule

PAX_LIMIT = 8 * 1024  # bytes of one pax header

_PAX_KEYS = frozenset({b"path", b"mtime", b"atime", b"ctime"})  # only `path` has an effect on a build
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,4}) ([^=\x00]{1,64})=", re.ASCII)
_TIME = re.compile(rb"-?[0-9]{1,11}(?:\.[0-9]{1,9})?", re.ASCII)  # as GNU tar writes it, to the year 5138
_NUMBERS = {  # where they lie, by the names of POSIX
    "mode": (100, 108),
    "uid": (108, 116),
    "gid": (116, 124),
    "size": (124, 136),
    "mtime": (136, 148),
    "checksum": (148, 156),
    "devmajor": (329, 337),
    "devminor": (337, 345),
}
_NEEDED = frozenset({"size", "checksum"})
# Digits first, then only fillers. Readers disagree about every other form, spaces alone included.
_DIGITS = re.compile(rb"([0-7]{1,12})[ \0]*")
_PLAIN_FILES = (b"0", b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberHeader:
    """What one block says about its member: its type as a byte, its size in bytes, its name as it stands there."""

    kind: bytes
    size: int
    name: str


def parse_header(block: bytes, place: str) -> MemberHeader:
    """The header in a block of 512 bytes. Raises Unreadable, with `place` as the member."""
    if block[257:265] != b"ustar\x0000":
        raise _refused("does not have the format ustar or pax", place)
    if sum(block[:148]) + 8 * 0x20 + sum(block[156:]) != _number(block, "checksum", place):
        raise _refused("has a wrong checksum", place)
    for field in _NUMBERS:
        _number(block, field, place)
    prefix, name = (field.split(b"\0", 1)[0] for field in (block[345:500], block[:100]))
    text = _decoded(prefix + b"/" + name if prefix else name, place)
    kind = block[156:157]
    if kind in _PLAIN_FILES and text.endswith("/"):
        # Some readers take it for a folder, also where a pax header gives it another name.
        raise _refused("is a file whose header has the name of a folder", place)
    return MemberHeader(kind=kind, size=_number(block, "size", place), name=text)


def parse_pax(content: bytes, place: str) -> str | None:
    """The name that a pax header gives to the next member; None if it gives none. Raises Unreadable."""
    name: str | None = None
    seen: set[bytes] = set()
    while content:
        found = _PAX_RECORD.match(content)
        length = int(found[1]) if found else 0
        if found is None or length > len(content) or length <= found.end() or content[length - 1] != 0x0A:
            raise _refused("has a broken pax header", place)
        key, value = found[2], content[found.end() : length - 1]
        if key not in _PAX_KEYS:
            shown = ascii(key.decode("ascii", "replace"))
            raise _refused(f"has a pax header with {shown}, which is not allowed", place)
        if key in seen:
            raise _refused(f"has a pax header with two values of {key.decode()}", place)
        seen.add(key)
        if key != b"path":
            if _TIME.fullmatch(value) is None:
                raise _refused(
                    f"has a pax header whose {key.decode()} is not a plain number of seconds", place
                )
        elif not value:
            raise _refused("has a pax header with an empty name", place)
        else:
            name = _decoded(value, place)
        content = content[length:]
    return name


def _number(block: bytes, field: str, place: str) -> int:
    start, end = _NUMBERS[field]
    value = block[start:end]
    if field not in _NEEDED and not any(value):
        return 0
    found = _DIGITS.fullmatch(value)
    if found is None:
        raise _refused(f"has a {field} that is not octal", place)
    return int(found[1], 8)


def _decoded(name: bytes, place: str) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        message = "has a name that is not UTF-8"
        raise Unreadable(GuardRule.BUNDLE_NAME, message, "rename the file", place=place) from error


def _refused(message: str, place: str) -> Unreadable:
    return Unreadable(GuardRule.BUNDLE_FORM, message, place=place)
