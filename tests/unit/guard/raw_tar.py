"""Tar members byte by byte, also such as no library writes; and what three readers see in an archive."""

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline_core.guard import archive, bundles
from tests.unit.guard.archives import FORMS

END = bytes(1024)
Seen = Mapping[str, bytes | None]  # the content of each file; None for a folder


def header(
    name: bytes,
    *,
    kind: bytes = b"0",
    size: int = 0,
    prefix: bytes = b"",
    fields: Mapping[int, bytes] | None = None,
) -> bytes:
    """One block with a right checksum. `fields` replaces bytes from their offset, before the checksum is made."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:136] = b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size
    block[136:156] = b"00000000000\0" + b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[329:345] = b"0000000\0" * 2
    block[345 : 345 + len(prefix)] = prefix
    for offset, value in (fields or {}).items():
        block[offset : offset + len(value)] = value
    del block[512:]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def record(key: bytes, value: bytes) -> bytes:
    """One record of a pax header."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def pax(*records: tuple[bytes, bytes]) -> bytes:
    """A pax header for the next member."""
    content = b"".join(record(key, value) for key, value in records)
    return header(b"PaxHeaders/x", kind=b"x", size=len(content)) + padded(content)


def file(name: bytes, content: bytes = b"", *, kind: bytes = b"0", **others: bytes) -> bytes:
    return header(name, kind=kind, size=len(content), **others) + padded(content)  # type: ignore[arg-type]


def seen_by_guard(packed: bytes) -> Seen | None:
    """None if the guard refuses the archive."""
    if bundles.check_bundle(packed, FORMS):
        return None
    found: dict[str, bytes | None] = {}
    last = ""
    for part in archive.walk(packed):
        if isinstance(part, archive.FileStart):
            last, found[part.name] = part.name, b""
        elif isinstance(part, archive.Content):
            found[last] = (found[last] or b"") + part.chunk
    return found


def seen_by_tarfile(packed: bytes) -> Seen | None:
    """Files alone. None if Python refuses the archive."""
    found: dict[str, bytes | None] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as opened:
            for each in opened:
                stream = opened.extractfile(each) if each.isreg() else None
                if stream is not None:
                    found[each.name] = stream.read()
                elif not each.isdir():
                    return None
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return None
    return found


def seen_by_gnu_tar(packed: bytes) -> Seen | None:
    """Files alone, extracted as the guest does it. None if GNU tar refuses the archive, or complains."""
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "a.tar.gz", Path(folder) / "target"
        path.write_bytes(packed)
        target.mkdir()
        line = ["tar", "--extract", "--gzip", "--no-same-owner", "--file", str(path)]
        done = subprocess.run(
            [*line, "--directory", str(target)],
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=30,
        )
        if done.returncode or any(_is_complaint(text) for text in done.stderr.splitlines()):
            return None
        return dict(_files(target))


def _is_complaint(line: bytes) -> bool:
    # Both are about the end of the archive and times alone, and change no file.
    return (
        b"A lone zero block" not in line
        and b"implausibly old time stamp" not in line
        and b"in the future" not in line
    )


def _files(target: Path) -> Iterable[tuple[str, bytes]]:
    for here, folders, names in os.walk(target):
        for name in (*folders, *names):
            path = Path(here) / name
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise AssertionError(f"{path} is neither a file nor a folder")
            path.chmod(0o700)  # an archive may give any rights
        for name in names:
            path = Path(here) / name
            yield str(path.relative_to(target)), path.read_bytes()
