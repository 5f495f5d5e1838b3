"""Finds the files that may hold a key or a token: one pass of grep over the places that people and programs use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from scanner.failure import CannotLook
from scanner.secrets import keys, tokens
from scanner.system import System

# /usr/lib and /usr/share hold files of packages, also test keys. /mnt is a disk that Azure gives to one machine and
# removes with the machine.
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
_INSIDE = ("/usr/local", "/var/db", "/var/lib", "/var/opt", "/var/tmp", "/var/spool", "/var/www")  # noqa: S108
_TRIES = 3  # a file may have vanished during the search
_FOUND, _NOTHING = 0, 1  # how grep ends; any other code: it could not look


def places(system: System) -> list[str]:
    """Folders and files that are searched, each with all that is below it."""
    top = sorted(entry.name for entry in os.scandir(system.root or "/") if entry.name not in _LEFT_OUT)
    found = [system.path(name) for name in (*(f"/{name}" for name in top), *_INSIDE)]
    return [
        path for path in found if not os.path.islink(path) and (os.path.isdir(path) or os.path.isfile(path))
    ]


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
