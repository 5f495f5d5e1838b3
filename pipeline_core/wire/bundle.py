"""Packs a folder into a bundle: a tar.gz that depends on names, contents and execute bits alone.

It follows no link and runs nothing. It leaves out `image.yaml` (it travels beside the bundle), version control,
editors' files and the files that `.imagefactoryignore` lists. Another zlib may compress the same folder to other
bytes. Then the digest differs too, and the image is built once more.
"""

import fnmatch
import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.domain.names import Digest
from pipeline_core.wire.problems import InvalidDocument, Problem

COMPRESSED_LIMIT = 20 * 1024 * 1024  # bytes
UNPACKED_LIMIT = 100 * 1024 * 1024  # bytes
MEMBER_LIMIT = 2000
NAME_LIMIT = 240  # characters; as long as a path in `image.yaml` may be
DEPTH_LIMIT = 32  # folders
IGNORE_FILE = ".imagefactoryignore"
DOCUMENT = "image.yaml"

_IGNORE_LIMIT = 64 * 1024  # bytes
_LEFT_OUT = (
    ".git",
    ".hg",
    ".svn",
    ".gitignore",
    ".gitattributes",
    ".idea",
    ".vscode",
    ".DS_Store",
    "Thumbs.db",
    "__pycache__",
    "*.pyc",
    "*.swp",
    "*.swo",
    "*~",
    IGNORE_FILE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBundle:
    """A packed folder; `names` are its files, sorted, with forward slashes."""

    digest: Digest
    content: bytes
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    path: Path
    size: int
    is_executable: bool


def pack(folder: Path, *, only: Sequence[str] = ()) -> PackedBundle:
    """Pack `folder`, or those of its top entries that `only` names.

    Raises InvalidDocument with every problem.
    """
    if not folder.is_dir():
        raise InvalidDocument(
            [_problem(str(folder), "is not a folder", "name the folder that holds image.yaml")]
        )
    problems: list[Problem] = []
    ignored = _ignored(folder, problems)
    files: list[_File] = []
    for found in _files(folder, ignored, frozenset(only)):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            files.append(found)
    problems += _limits(files)
    if problems:
        raise InvalidDocument(problems)
    files.sort(key=lambda file: file.name)
    content = _archive(files)
    if len(content) > COMPRESSED_LIMIT:
        wrong = f"has {len(content):,} bytes compressed"
        remedy = f"keep it under {COMPRESSED_LIMIT:,}; {_BIG}"
        raise InvalidDocument([_problem("bundle", wrong, remedy, "bundle-size")])
    return PackedBundle(
        digest=Digest(hashlib.sha256(content).hexdigest()),
        content=content,
        names=tuple(file.name for file in files),
    )


_BIG = "put large files where the build can download them, pinned by checksum"


def _ignored(folder: Path, problems: list[Problem]) -> tuple[str, ...]:
    path = folder / IGNORE_FILE
    if not path.is_file() or path.is_symlink():
        return _LEFT_OUT
    with path.open("rb") as stream:
        content = stream.read(_IGNORE_LIMIT + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        problems.append(_problem(IGNORE_FILE, "is not UTF-8", "save the file as UTF-8"))
        return _LEFT_OUT
    if len(content) > _IGNORE_LIMIT:
        problems.append(_problem(IGNORE_FILE, "is larger than 64 KiB", "use patterns"))
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    for pattern in patterns:
        if pattern.startswith("!"):
            wrong = f"has {pattern[:80]!r}, and exceptions are not supported"
            problems.append(_problem(IGNORE_FILE, wrong, "list only the files to leave out"))
    return (*_LEFT_OUT, *patterns)


def _is_ignored(name: str, patterns: Sequence[str], *, is_folder: bool) -> bool:
    """As in `.gitignore`: a pattern with a slash is a path from the folder. One without a slash matches any name."""
    last = name.rpartition("/")[2]
    for pattern in patterns:
        if pattern.endswith("/") and not is_folder:
            continue
        wanted = pattern.strip("/")
        subject = name if "/" in pattern.rstrip("/") else last
        if fnmatch.fnmatchcase(subject, wanted):
            return True
    return False


def _files(folder: Path, ignored: Sequence[str], only: frozenset[str]) -> Iterator[_File | Problem]:
    """The files to pack, and the problems of the others. Stops where there are far too many entries."""
    waiting = [(folder, "", 0)]
    seen = 0
    while waiting:
        here, prefix, depth = waiting.pop()
        for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
            name = f"{prefix}{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            if name == DOCUMENT or _is_ignored(name, ignored, is_folder=is_folder):
                continue
            if only and not prefix and entry.name not in only:
                continue
            seen += 1
            if seen > 2 * MEMBER_LIMIT:
                return
            wrong = _wrong_name(name)
            if wrong is not None:
                yield wrong
            elif is_folder and depth < DEPTH_LIMIT:
                waiting.append((Path(entry.path), f"{name}/", depth + 1))
            elif is_folder:
                yield _problem(
                    name[:NAME_LIMIT], "is too deep", f"use at most {DEPTH_LIMIT} folders", "bundle-name"
                )
            else:
                yield _look_at(entry, name)


def _look_at(entry: "os.DirEntry[str]", name: str) -> _File | Problem:
    if entry.is_symlink():
        remedy = f"put the file itself here, or list it in {IGNORE_FILE}"
        return _problem(name, "is a link", remedy, "bundle-link")
    facts = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        remedy = f"remove it, or list it in {IGNORE_FILE}"
        return _problem(name, "is not an ordinary file", remedy, "bundle-device")
    return _File(
        name=name, path=Path(entry.path), size=facts.st_size, is_executable=bool(facts.st_mode & stat.S_IXUSR)
    )


def _wrong_name(name: str) -> Problem | None:
    if len(name) > NAME_LIMIT:
        wrong = f"has a name of {len(name)} characters"
        return _problem(
            f"{name[:60].encode('ascii', 'replace').decode()}...",
            wrong,
            f"use at most {NAME_LIMIT}",
            "bundle-name",
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        return _problem(repr(name), "has a name that is not UTF-8", "rename it", "bundle-name")
    if not name.isprintable() or "\\" in name:
        wrong = "has a backslash or a control character in its name"
        return _problem(repr(name), wrong, "rename it", "bundle-name")
    return None


def _limits(files: Sequence[_File]) -> Iterator[Problem]:
    if len(files) > MEMBER_LIMIT:
        remedy = f"keep it under {MEMBER_LIMIT:,}; list unneeded files in {IGNORE_FILE}"
        yield _problem("bundle", f"has {len(files):,} files or more", remedy, "bundle-members")
    size = sum(file.size for file in files)
    if size > UNPACKED_LIMIT:
        largest = max(files, key=lambda file: file.size)
        remedy = f"keep it under {UNPACKED_LIMIT:,}; the largest is {largest.name}; {_BIG}"
        yield _problem("bundle", f"has {size:,} bytes", remedy, "bundle-unpacked-size")


def _archive(files: Sequence[_File]) -> bytes:
    target = io.BytesIO()
    # No file name and no time in gzip's header: they would change the digest.
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in files:
            content = _read(file)
            member = tarfile.TarInfo(file.name)
            member.size = len(content)
            member.mode = 0o755 if file.is_executable else 0o644
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _read(file: _File) -> bytes:
    """The content. Refuses a file that became a link or changed its size after the first look."""
    opened = os.open(file.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(opened, "rb") as stream:
        content = stream.read(file.size + 1)
    if len(content) != file.size:
        raise InvalidDocument(
            [_problem(file.name, "changes while it is packed", "try again when nothing writes it")]
        )
    return content


def _problem(path: str, message: str, remedy: str, rule: str = "") -> Problem:
    """`rule` is the guard's name of the same fault in an archive. So one fault has one name everywhere."""
    return Problem(path=path, message=message, remedy=remedy, rule=rule)
