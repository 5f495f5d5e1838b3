"""Python packages that were installed by name: the RECORD of each lists its files with their SHA-256.

A RECORD is a file like any other, and root can write it: it proves that a file is as the package brought it, not that
the package is good. A package that was installed from a path or an address has a `direct_url.json` (PEP 610) and may be
a team's own; its files are judged by their content. One that was installed by name has none, also where pip found it
in a local folder (`--find-links`): nothing tells it from one of an index. An archive that was only unzipped has no
INSTALLER, and counts as little as one outside of a folder that Python has for packages.
"""

from __future__ import annotations

import base64
import binascii
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

_SITES = (
    "site-packages",
    "dist-packages",
)  # not a folder of `pip install --target`: it may be any folder of a team
_RECORD_LIMIT = 64 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class Wheels:
    """Reads each folder of packages once, and only where a file below it is asked for."""

    _folders: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def vouch(self, path: str, sha256: str) -> str | None:
        """The package that lists the file with this digest; None if there is none."""
        folder = os.path.dirname(path)
        while True:
            listed, package = self._listed(folder).get(os.path.relpath(path, folder), ("", ""))
            if listed and listed == sha256:
                return f"wheel {package}"
            above = os.path.dirname(folder)
            if above == folder:
                return None
            folder = above

    def _listed(self, folder: str) -> dict[str, tuple[str, str]]:
        if folder not in self._folders:
            found: dict[str, tuple[str, str]] = {}
            for package in _packages(folder):
                for name, digest in records(os.path.join(folder, package, "RECORD")):
                    # Two packages that list one file do not vouch for each other's content.
                    found[name] = (digest, package[: -len(".dist-info")])
            self._folders[folder] = found
        return self._folders[folder]


def _packages(folder: str) -> list[str]:
    """The folders `NAME.dist-info` of packages that were installed by name, in a folder for packages."""
    if os.path.basename(folder) not in _SITES:
        return []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = sorted(name for name in names if name.endswith(".dist-info"))
    return [name for name in found if _is_by_name(os.path.join(folder, name))]


def _is_by_name(described: str) -> bool:
    """True if an installer put the package here, and had nothing but its name."""
    is_direct = os.path.lexists(os.path.join(described, "direct_url.json"))
    return not is_direct and os.path.isfile(os.path.join(described, "INSTALLER"))


def records(path: str) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 in hex of each file that a RECORD lists with a digest.

    A file is asked for by its name below the folder, so a package vouches for no file elsewhere, whatever it lists.
    """
    try:
        if os.path.getsize(path) > _RECORD_LIMIT:
            return
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3]
    except (OSError, csv.Error):
        return
    for name, digest, _ in rows:
        kind, _, value = digest.partition("=")
        if kind == "sha256":
            raw = _raw(value)
            if len(raw) == 32:
                yield os.path.normpath(name), raw.hex()


def _raw(value: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return b""
