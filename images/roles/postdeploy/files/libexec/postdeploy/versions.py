"""The versions of one certificate on this machine, and which of them is `current`.

    /etc/pki/imagefactory/FOLDER/current -> versions/VERSION-XXXXXXXX
    /etc/pki/imagefactory/FOLDER/versions/VERSION-XXXXXXXX/key.pem ...

A version's folder is written in full before anything leads to it, and is never changed. All its files become current
in one step. Nothing here decides; `certlc` does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postdeploy import files
from postdeploy.host import Host
from postdeploy.settings import CertificateWish

_PUBLIC = 0o644
# What makes a version differ for a service: for each file its digest, its mode, its owner and its group.
Layout = dict[str, list[Any]]


@dataclass(frozen=True)
class LaidFiles:
    """The files of one version: what they hold, and how they lie."""

    contents: Mapping[str, bytes] = field(repr=False)
    layout: Layout


def plan(wish: CertificateWish, kinds: Mapping[str, bytes]) -> LaidFiles:
    """The files that a wish asks for. Files with a key get the wished mode, the others may be read by all.

    Raises Failed if the owner or the group does not exist.
    """
    owner, group = files.user_id(wish.owner), files.group_id(wish.group)
    contents, layout = {}, {}
    for kind, name in sorted(wish.files.items()):
        mode = wish.mode if kind in ("key", "combined") else _PUBLIC
        contents[name] = kinds[kind]
        layout[name] = [hashlib.sha256(kinds[kind]).hexdigest(), mode, owner, group]
    return LaidFiles(contents=contents, layout=layout)


class InstalledVersions:
    """The folder of one certificate."""

    def __init__(self, host: Host, wish: CertificateWish) -> None:
        self._base = host.certificates / wish.folder
        self._link = self._base / "current"

    def stage(self, version: str, laid: LaidFiles) -> str:
        """Write a version beside the others. Returns its name."""
        name = f"{version}-{os.urandom(4).hex()}"
        folder = self._base / "versions" / name
        files.make_folder(folder)
        for file, content in laid.contents.items():
            _, mode, owner, group = laid.layout[file]
            files.write(folder / file, content, mode=mode, owner=owner, group=group)
        files.sync(folder)
        files.sync(folder.parent)
        return name

    def switch(self, name: str) -> None:
        """Make a version current."""
        files.point(self._link, f"versions/{name}")

    def has(self, name: str) -> bool:
        """Whether the folder of a version is there."""
        return (self._base / "versions" / name).is_dir()

    def leads_to(self, name: str) -> bool:
        """Whether a version is current."""
        try:
            return os.readlink(self._link) == f"versions/{name}"
        except OSError:
            return False

    def holds(self, name: str, layout: Layout) -> bool:
        """Whether a version is current, and its files are as they were written."""
        try:
            return self.leads_to(name) and all(
                _is_as(self._link / file, facts) for file, facts in layout.items()
            )
        except OSError:
            return False

    def forget_others(self, kept: Collection[str]) -> None:
        """Delete what is neither current nor kept: older versions, and remains of runs that were killed."""
        folder = self._base / "versions"
        current = os.path.basename(os.readlink(self._link)) if self._link.is_symlink() else ""
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name not in {*kept, current}:
                shutil.rmtree(path)


def _is_as(path: Path, facts: list[Any]) -> bool:
    found = path.lstat()
    digest, mode, owner, group = facts
    return (
        stat.S_ISREG(found.st_mode)
        and [stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid] == [mode, owner, group]
        and hashlib.sha256(path.read_bytes()).hexdigest() == digest
    )
