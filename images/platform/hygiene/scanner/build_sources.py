"""What names a mirror or a proxy that only a build reaches. A deployed machine would ask it in vain."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import search
from scanner.finding import Finding
from scanner.system import System

# What may stand before and after a host: `eu.mirror.example.com` is not `mirror.example.com`.
_BEFORE, _AFTER = "(^|[^A-Za-z0-9._-])", "($|[^A-Za-z0-9._-])"


def judge(system: System) -> Iterator[Finding]:
    """Findings of the rule build-source: text files with the name of such a host. None without settings on sources."""
    if not system.only_build:
        return
    patterns = [f"{_BEFORE}{_plain(host)}{_AFTER}" for host in system.only_build]
    options = ("--extended-regexp", "--ignore-case")
    for path in search.matching(patterns, search.places(system), *options):
        if system.is_baked(path):
            yield system.finding(path, "build-source", "names a mirror or a proxy that only a build reaches")


def _plain(host: str) -> str:
    return host.replace(".", "[.]")
