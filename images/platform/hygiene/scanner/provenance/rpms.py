"""Signed RPM packages: the database lists their files with their SHA-256.

A package without a signature may be a team's own, so its files are judged by their content.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field

_QUERY = "[%{=NAME}-%{=VERSION}-%{=RELEASE}\t%{=RSAHEADER:pgpsig}%{=DSAHEADER:pgpsig}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSIGNED = "(none)(none)"


@dataclass(frozen=True)
class Rpms:
    """Asks the database once, and only where a file is asked for. `root` is empty for the machine itself."""

    root: str
    _known: list[dict[str, tuple[str, str]]] = field(default_factory=list)

    def vouch(self, path: str, sha256: str) -> str | None:
        """The signed package that lists the file with this digest; None if there is none."""
        if not self._known:
            self._known.append(listed(self._asked()))
        digest, package = self._known[0].get(path[len(self.root) :], ("", ""))
        return f"rpm {package}" if digest and digest == sha256 else None

    def _asked(self) -> str:
        """What rpm says; empty, so that nothing is vouched for, where it cannot say."""
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
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return os.fsdecode(done.stdout) if done.returncode == 0 else ""


def listed(text: str) -> dict[str, tuple[str, str]]:
    """SHA-256 and package by path, from rpm's lines. A file of several packages counts if they agree."""
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        fields = line.split("\t", 3)
        if len(fields) != 4:
            continue
        package, signature, digest, path = fields
        is_proof = _SHA256.fullmatch(digest) is not None and signature not in ("", _UNSIGNED)
        if path in found and found[path][0] != digest:
            is_proof = False
        found[path] = (digest if is_proof else "", package)
    return found
