"""Walks a tar.gz as a stream, in bounded memory and time; objects to everything except plain files and folders.

Reads only the plain subset of tar that `imagefactory pack` and `tar --format=ustar|pax` write. This is on purpose: two
readers then cannot see different files in one archive. Writes nothing to disk.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_core.guard.findings import Finding
from pipeline_core.guard.inflate import BLOCK, CHUNK, REMEDY, Unpacked, Unreadable
from pipeline_core.guard.rules import GuardRule
from pipeline_core.guard.tar_headers import PAX_LIMIT, MemberHeader, parse_header, parse_pax
from pipeline_core.wire.bundle import COMPRESSED_LIMIT, DEPTH_LIMIT, MEMBER_LIMIT, NAME_LIMIT

_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"S": "a sparse file",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"g": "a global header",
}
_DEVICES = frozenset((b"3", b"4", b"6"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStart:
    """A plain file begins; its content follows as `Content`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The next bytes of the file that began last."""

    chunk: bytes


Part = FileStart | Content | Finding


def walk(content: bytes) -> Iterator[Part]:
    """The files of the archive, and what the guard objects to, in their order.

    Ends at the first finding that makes the rest unreadable or the archive too large.
    """
    if len(content) > COMPRESSED_LIMIT:
        message = f"has {len(content):,} bytes compressed, and {COMPRESSED_LIMIT:,} are allowed"
        yield Unreadable(GuardRule.BUNDLE_SIZE, message, "leave large files out").finding
        return
    try:
        yield from _members(Unpacked(content))
    except Unreadable as error:
        yield error.finding


def _members(tar: Unpacked) -> Iterator[Part]:
    seen: set[str] = set()
    folders: set[str] = set()
    long_name: str | None = None
    has_pax = False
    count = 0
    while True:
        block = tar.take(BLOCK)
        if not any(block):
            break
        count += 1
        if count > 2 * MEMBER_LIMIT:  # a file may have a pax header of its own
            raise Unreadable(
                GuardRule.BUNDLE_MEMBERS, f"has more than {MEMBER_LIMIT:,} members", "leave some out"
            )
        header = parse_header(block, _numbered(count))
        if header.kind == b"x":
            where = _named(count, header)
            if has_pax:
                raise Unreadable(GuardRule.BUNDLE_FORM, "is a second pax header for one member", place=where)
            long_name, has_pax = _take_pax(tar, header.size, where), True
            continue
        kind, size, name = header.kind, header.size, long_name or header.name
        long_name, has_pax = None, False
        place = name[:NAME_LIMIT] if name.isprintable() else repr(name[:NAME_LIMIT])
        if kind not in (b"0", b"\0", b"5"):
            what = _KINDS.get(kind, f"of the unknown type {kind!r}")
            rule = GuardRule.BUNDLE_DEVICE if kind in _DEVICES else GuardRule.BUNDLE_LINK
            yield _finding(rule, place, f"is {what}", "put the file itself into the folder")
            _skip(tar, size)
            continue
        yield from _name_findings(place, name, is_folder=kind == b"5")
        plain = name.rstrip("/")
        if plain in seen or (plain in folders and kind != b"5"):
            yield _finding(GuardRule.BUNDLE_DUPLICATE, place, "is in the archive twice", REMEDY)
        if kind == b"5":
            if size:  # some readers would read the content as the next header
                raise Unreadable(GuardRule.BUNDLE_FORM, "is a folder with content", place=place)
            folders.add(plain)
            continue
        seen.add(plain)
        if len(seen) > MEMBER_LIMIT:
            raise Unreadable(
                GuardRule.BUNDLE_MEMBERS, f"has more than {MEMBER_LIMIT:,} files", "leave some out"
            )
        yield FileStart(name=plain)
        yield from _content(tar, size)
    if has_pax:  # Python's tarfile refuses it
        raise Unreadable(GuardRule.BUNDLE_FORM, "is a pax header without a member", place=_numbered(count))
    for name in sorted(seen | folders):
        above = next((each for each in _parents(name) if each in seen), None)
        if above is not None:
            yield _finding(GuardRule.BUNDLE_DUPLICATE, name, f"lies in {above}, which is a file", REMEDY)
    if any(any(chunk) for chunk in tar.rest()):
        yield _finding(GuardRule.BUNDLE_FORM, "bundle", "holds more data after the end of its tar", REMEDY)


def _numbered(count: int) -> str:
    return f"member {count}"


def _named(count: int, header: MemberHeader) -> str:
    return f"member {count} ({header.name[:NAME_LIMIT]!a})"


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _take_pax(tar: Unpacked, size: int, place: str) -> str | None:
    if size > PAX_LIMIT:
        raise Unreadable(GuardRule.BUNDLE_FORM, f"has a pax header of {size:,} bytes", place=place)
    content = tar.take(size)
    _skip_padding(tar, size)
    return parse_pax(content, place)


def _name_findings(place: str, name: str, *, is_folder: bool) -> Iterator[Finding]:
    plain = name.rstrip("/") if is_folder else name
    parts = plain.split("/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        yield _finding(GuardRule.BUNDLE_ABSOLUTE_NAME, place, "has an absolute name", REMEDY)
    elif ".." in parts:
        yield _finding(GuardRule.BUNDLE_OUTSIDE, place, "leads out of the bundle", REMEDY)
    elif any(part in ("", ".") for part in parts):
        yield _finding(GuardRule.BUNDLE_NAME, place, "has no plain name", REMEDY)
    if not plain.isprintable() or "\\" in plain:
        yield _finding(
            GuardRule.BUNDLE_NAME, place, "has a backslash or a control character in its name", "rename it"
        )
    if len(plain) > NAME_LIMIT or len(parts) > DEPTH_LIMIT + 1:
        yield _finding(
            GuardRule.BUNDLE_NAME,
            place,
            "has a name that is too long",
            f"use at most {NAME_LIMIT} characters",
        )


def _content(tar: Unpacked, size: int) -> Iterator[Content]:
    left = size
    while left:
        chunk = tar.take(min(left, CHUNK))
        left -= len(chunk)
        yield Content(chunk=chunk)
    _skip_padding(tar, size)


def _skip(tar: Unpacked, size: int) -> None:
    for _ in _content(tar, size):
        pass


def _skip_padding(tar: Unpacked, size: int) -> None:
    tar.take(-size % BLOCK)


def _finding(rule: GuardRule, place: str, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, place=place, message=message, remedy=remedy)
