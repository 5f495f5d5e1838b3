"""The folder of one run: locked as long as the run lives, removed at its end.

The next run removes what a dead one left.
A folder holds the private key of the run's certificate authority. A kept folder keeps its logs, and no key. The lock is
the kernel's: it ends with the process, however that ends. A process id could belong to another program by now.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PREFIX = "imagefactory-"
LEAST_FREE = 64 * 1024 * 1024  # bytes that a run needs; seven images and their logs take about half
_LOCK = "run.lock"


class NoSpaceError(Exception):
    """The file system of the run's folder is full. The text names it, and what to do."""


@dataclass(slots=True, kw_only=True)
class RunFolder:
    """A folder of this process. `keep` or `remove` ends it."""

    path: Path
    _lock: IO[Any]

    def remove(self) -> None:
        """Remove everything. Safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def keep(self) -> None:
        """Keep the logs, without the keys. No later run removes it."""
        for each in self.path.rglob("*-key.pem"):
            each.unlink(missing_ok=True)
        (self.path / _LOCK).unlink(missing_ok=True)
        self._lock.close()


def make() -> RunFolder:
    """A new folder below the system's folder for temporary files. Raises NoSpaceError where that is full."""
    root = Path(tempfile.gettempdir())
    for stale in find_stale(root):
        shutil.rmtree(stale, ignore_errors=True)
    lacking = find_lack(root)
    if lacking:
        raise NoSpaceError(lacking)
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (path / _LOCK).open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return RunFolder(path=path, _lock=lock)


def find_stale(root: Path) -> Iterator[Path]:
    """Folders of runs of this user whose process is gone. A kept folder has no lock, and is not among them."""
    for path in sorted(root.glob(f"{PREFIX}*")):
        if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.getuid():
            continue  # in a folder for everybody, others may leave names that look like ours
        with contextlib.suppress(OSError), (path / _LOCK).open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path


def find_lack(folder: Path) -> str:
    """What the file system of a folder lacks for a run, as a sentence; empty where there is room."""
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE:
        return ""
    return (
        f"no space left in {folder}: {free // 2**20} MB are free, and a run needs {LEAST_FREE // 2**20} MB; free some,"
        " or set TMPDIR to a folder with room"
    )
