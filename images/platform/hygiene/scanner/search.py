"""Finds the files that may hold a key or a token: one pass of grep over the places that people and programs use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from scanner.failure import CannotLook
from scanner.secrets import keys, tokens
from scanner.system import System

# /usr/lib and /usr/share hold files of packages, also test keys.
_LEFT_OUT = (
    "bin",
    "boot",
    "dev",
    "lib",
    "lib64",
    "lost+found",
    "media",
    "mnt",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
)
_INSIDE = ("/usr/local",)
# Copies and logs that the step before the check removes, and what each boot makes anew.
_LEFT_OUT_OF_VAR = ("cache", "lock", "log", "run", "tmp")
_PRIVATE = "systemd-private-"  # folders of services that run now, in /var/tmp
_TRIES = 3  # a file may have vanished during the search
_FOUND, _NOTHING = 0, 1  # how grep ends; any other code: it could not look


def places(system: System) -> list[str]:
    """Folders and files that are searched, each with all that is below it."""
    found = [*_below(system, "/", _LEFT_OUT), *_INSIDE, *_below(system, "/var", _LEFT_OUT_OF_VAR)]
    found += [name for name in _below(system, "/var/tmp") if _PRIVATE not in name]  # noqa: S108
    found += _on_this_disk(system, "/mnt")
    paths = [system.path(name) for name in found]
    return [
        path for path in paths if not os.path.islink(path) and (os.path.isdir(path) or os.path.isfile(path))
    ]


def _below(system: System, folder: str, left_out: Sequence[str] = ()) -> list[str]:
    """Names of what is in a folder; none for a link, whose target is searched where it is."""
    path = system.path(folder)
    if (folder != "/" and os.path.islink(path)) or not os.path.isdir(path):
        return []
    names = sorted(entry.name for entry in os.scandir(path) if entry.name not in left_out)
    return [f"{folder.rstrip('/')}/{name}" for name in names]


def _on_this_disk(system: System, folder: str) -> list[str]:
    """What is in a folder, without the disk that Azure gives to one machine and removes with it."""
    if os.path.ismount(system.path(folder)):
        return []
    return [name for name in _below(system, folder) if not os.path.ismount(system.path(name))]


def candidates(system: System) -> list[str]:
    """Paths of the files with something that has the form of a key or a token. Raises CannotLook.

    A file with a zero byte counts as binary and is not looked at.
    """
    return matching((*keys.GREP, *tokens.GREP), places(system))


def matching(patterns: Sequence[str], paths: Sequence[str], *options: str) -> list[str]:
    """Paths of the files below `paths` that match one of the patterns, in order. Raises CannotLook."""
    if not paths:
        return []
    command = ["grep", "--recursive", "--files-with-matches", "--null", "--binary-files=without-match"]
    command += ["--devices=skip", *(options or ["--extended-regexp"])]
    command += [f"--regexp={pattern}" for pattern in patterns]
    said = b""
    for _ in range(_TRIES):
        done = subprocess.run(
            [*command, "--", *paths],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode in (_FOUND, _NOTHING):
            return sorted(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
        said = done.stderr
    raise CannotLook(f"the search for keys or tokens failed: {said.decode('utf-8', 'replace').strip()[:500]}")
