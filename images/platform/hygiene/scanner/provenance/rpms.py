"""RPM packages that a known vendor signed: the database lists their files with their SHA-256.

A package without a signature, or with one of another key, may be a team's own, so its files are judged by their
content. The database keeps the signature's text; rpm verified it when it installed, and nothing verifies it here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scanner.finding import shown_name
from scanner.provenance import vendors

_QUERY = "[%{=NAME}-%{=VERSION}-%{=RELEASE}\t%{=RSAHEADER:pgpsig}%{=DSAHEADER:pgpsig}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"Key ID ([0-9a-f]{16})\b")
_FIELDS = 4  # package, signature, digest, path


@dataclass(frozen=True)
class Rpms:
    """Asks the database once, and only where a file is asked for. `root` is empty for the machine itself.

    `note` gets one line if rpm cannot answer, because then no package vouches for a file.
    """

    root: str
    note: Callable[[str], object]
    _known: list[dict[str, tuple[str, str]]] = field(default_factory=list)

    def vouch(self, path: str, sha256: str) -> str | None:
        """The signed package that lists the file with this digest; None if there is none."""
        if not self._known:
            self._known.append(listed(self._asked()))
        digest, package = self._known[0].get(path[len(self.root) :], ("", ""))
        return f"rpm {package}" if digest and digest == sha256 else None

    def _asked(self) -> str:
        """What rpm says; empty, so that nothing is vouched for, where it cannot say or where there is no database."""
        database = ["--dbpath", f"{os.path.abspath(self.root)}/var/lib/rpm"] if self.root else []
        if self.root and not os.path.isdir(database[1]):
            return ""
        try:
            done = subprocess.run(
                ["rpm", *database, "--query", "--all", "--queryformat", _QUERY],  # noqa: S607
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=300,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._cannot_say(str(error))
            return ""
        if done.returncode:
            self._cannot_say(f"it ended with {done.returncode} {done.stderr.decode('utf-8', 'replace')}")
            return ""
        return os.fsdecode(done.stdout)

    def _cannot_say(self, why: str) -> None:
        self.note(f"rpm could not say: {shown_name(' '.join(why.split()))}"[:500])


def listed(text: str) -> dict[str, tuple[str, str]]:
    """SHA-256 and package by path, from rpm's lines. A file of several packages counts if they agree.

    A name of a file may have a tab or a line end, and so look like another line: its package vouches for nothing.
    """
    lines = [line.split("\t") for line in text.split("\n") if line]
    broken = _broken(lines)
    found: dict[str, tuple[str, str]] = {}
    for package, signature, digest, path in (line for line in lines if len(line) == _FIELDS):
        is_proof = package not in broken and _SHA256.fullmatch(digest) is not None and _is_vendors(signature)
        if path in found and found[path][0] != digest:
            is_proof = False
        found[path] = (digest if is_proof else "", package)
    return found


def _broken(lines: list[list[str]]) -> frozenset[str]:
    """The packages of lines without four fields. The rest of a name belongs to the package of the line before it."""
    return frozenset(_of_broken(lines))


def _of_broken(lines: list[list[str]]) -> Iterator[str]:
    before = ""
    for line in lines:
        if len(line) != _FIELDS:
            yield from (before, line[0])
        else:
            before = line[0]


def _is_vendors(signature: str) -> bool:
    """True if every key that signed is a known vendor's."""
    keys = _KEY_ID.findall(signature)
    return bool(keys) and all(key in vendors.KEYS for key in keys)
