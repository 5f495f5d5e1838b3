"""The machine, or a folder that stands for one: its accounts, its files, and which files are part of the image."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from dataclasses import dataclass

from scanner.failure import CannotLook
from scanner.finding import Finding, shown_name

# If the clock is set shortly after boot, the boot's time moves. A file of the image is older by far more than this.
SLACK = 120  # seconds
_NUMBER = re.compile(r"[0-9]{1,10}")  # `isdigit` also takes what `int` refuses
_READ_LIMIT = 4 * 1024 * 1024  # bytes of a text file of the system
# A digest of these files would let a reader of the evidence try passwords, names and addresses.
_WITHOUT_DIGEST = frozenset(
    {"password", "credentials", "history", "leftover", "machine-state", "machine-name"}
)


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    home: str


@dataclass(frozen=True)
class System:
    """`root` is empty for the machine itself. `booted` and `now` are in seconds since 1970.

    `builder` is the user of the build, and `host` the name of the machine that runs this, empty where unknown.
    `only_build` are hosts that builds use and no deployed machine does.
    """

    root: str
    is_booted: bool
    booted: float
    now: float
    builder: str
    host: str
    accounts: tuple[Account, ...]
    only_build: tuple[str, ...] = ()

    def path(self, name: str) -> str:
        """Where the file `name` of the system is for this program."""
        return self.root + name

    def name(self, path: str) -> str:
        """The inverse of `path`."""
        return path[len(self.root) :]

    def matching(self, pattern: str) -> list[str]:
        """Paths of what matches the shell pattern, in order; a leading `*` does not match hidden names."""
        return sorted(glob.glob(glob.escape(self.root) + pattern))

    def is_baked(self, path: str) -> bool:
        """True for a file of the image. On a booted machine a file that is newer than the boot is the machine's own.

        Decides by the time of last change of the inode, which no program can set. False for a file that vanished.
        Raises CannotLook where the time cannot be read.
        """
        if not self.is_booted:
            return True
        try:
            changed = os.lstat(path).st_ctime
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise CannotLook(f"could not look: {shown_name(path)}: {error.strerror}") from error
        return changed < self.booted - SLACK

    def lines(self, name: str) -> list[str]:
        """The lines of a text file, none if it cannot be read."""
        return self.text(name).splitlines()

    def text(self, name: str) -> str:
        """The start of a text file, empty if it cannot be read."""
        return read(self.path(name)).decode("utf-8", "replace")

    def knows(self, account: str) -> bool:
        """True if /etc/passwd has the account."""
        return any(each.name == account for each in self.accounts)

    def finding(self, path: str, rule: str, what: str) -> Finding:
        """A finding about the file at `path`."""
        digest = "" if rule in _WITHOUT_DIGEST else digest_of(path)
        return Finding(path=shown_name(self.name(path)), rule=rule, what=what, sha256=digest)


def accounts_of(root: str) -> tuple[Account, ...]:
    """The accounts of /etc/passwd below `root`; a line of another form is left out."""
    found = []
    for line in read(root + "/etc/passwd").decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) == 7 and _NUMBER.fullmatch(fields[2]):
            found.append(Account(name=fields[0], uid=int(fields[2]), home=fields[5]))
    return tuple(found)


def read(path: str) -> bytes:
    """The first 4 MiB of a regular file, empty if it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(_READ_LIMIT)
    except OSError:
        return b""


def is_filled(path: str) -> bool:
    """True for a file with content, and for anything that is not a plain file, such as a folder."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.islink(path)
    return not stat.S_ISREG(status.st_mode) or status.st_size > 0


def digest_of(path: str) -> str:
    """SHA-256 of a regular file in hex; empty for anything else."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(1024 * 1024), b""):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()
