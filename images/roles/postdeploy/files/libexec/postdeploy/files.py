"""Files that are there completely or not at all: written beside their place, synced, then renamed."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postdeploy.failures import Exit, Failed


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it. The mode counts whatever the umask is."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir()
        path.chmod(mode)


def write(path: Path, content: bytes, *, mode: int = 0o600, owner: int = -1, group: int = -1) -> None:
    """Write a new file that nobody else can read before it has its owner and its mode."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        if owner != -1 or group != -1:
            os.chown(stream.fileno(), owner, group)
        os.chmod(stream.fileno(), mode)
        os.fsync(stream.fileno())


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.new")
    write(beside, content, mode=mode)
    os.replace(beside, path)
    sync(path.parent)


def point(link: Path, target: str) -> None:
    """Let a symbolic link point to `target`, in one step."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    os.symlink(target, beside)
    os.replace(beside, link)
    sync(link.parent)


def sync(folder: Path) -> None:
    """Make renames in a folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """A state file. Nothing where it is missing or not JSON: the state is derived again."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: dict[str, Any], *, mode: int = 0o600) -> None:
    """Replace a state file in one step."""
    replace(path, json.dumps(content, indent=1, sort_keys=True).encode() + b"\n", mode=mode)


def user_id(name: str) -> int:
    """The number of an account. Raises Failed if it does not exist."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Failed(Exit.CONFIGURATION, "no-such-user", f"there is no user {name} on this machine") from None


def group_id(name: str) -> int:
    """The number of a group. Raises Failed if it does not exist."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Failed(
            Exit.CONFIGURATION, "no-such-group", f"there is no group {name} on this machine"
        ) from None


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock. Raises Failed if another run holds it; the kernel frees it when that run ends."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(Exit.BUSY, "busy", "another run is going on") from None
        yield
    finally:
        os.close(descriptor)
