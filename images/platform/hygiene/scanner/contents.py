"""Judges the files that grep found: is it a key or a token by its content, and does a package vouch for it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator

from scanner.failure import CannotLook
from scanner.finding import Finding, Judged, shown_name
from scanner.secrets import keys, published, tokens
from scanner.system import System

# Others look at the first and the last. Red Hat's update client on Azure is the same in every RHEL image.
_OF_OTHERS = ("/etc/ssh/ssh_host_", "/etc/pki/rhui/", "/var/lib/waagent/")
Vouch = Callable[[str, str], "str | None"]


def judge(system: System, paths: Iterable[str], vouch: Vouch) -> Iterator[Finding | Judged]:
    """What each file holds that must not be in an image.

    `vouch` gives the package that lists the file at a path with its SHA-256, or None.
    """
    for path in paths:
        if system.name(path).startswith(_OF_OTHERS) or not system.is_baked(path):
            continue
        for rule, what in kinds_of(path, now=system.now):
            finding = system.finding(path, rule, what)
            package = vouch(path, finding.sha256)
            yield finding if package is None else Judged(finding=finding, package=package)


def kinds_of(path: str, *, now: float) -> list[tuple[str, str]]:
    """Rule and description of each kind of secret in a file; none for a file that vanished or is empty.

    Raises CannotLook for a file that cannot be read: grep saw the form of a secret in it.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return []
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _kinds(data, now=now)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CannotLook(f"could not look: {shown_name(path)}: {error.strerror}") from error


def _kinds(data: bytes | mmap.mmap, *, now: float) -> list[tuple[str, str]]:
    found = []
    if any(key.body not in published.KEYS for key in keys.find_keys(data)):  # type: ignore[arg-type]
        found.append(("private-key", "a private key"))
    token = next(tokens.find_tokens(data, now=now), None)  # type: ignore[arg-type]
    if token is not None:
        found.append(("token", f"something that looks like {token.what}"))
    return found
