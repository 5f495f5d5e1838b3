"""The guard over the catalog: which tools may be staged in images, each pinned by version and SHA-256.

Judges the document alone; what an address serves is checked against its digest where it is staged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from pipeline_core.guard.findings import Finding

ENTRY_LIMIT = 200
FINDING_LIMIT = 200

_ID = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*(?<!.{64})", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_~-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_FLOATING = re.compile(
    r"(?:^|[./_-])(?:latest|current|stable|nightly|master|main|head)(?:$|[./_-])", re.IGNORECASE
)
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_TOP = frozenset({"$schema", "hosts", "entries"})
_REQUIRED = ("id", "version", "url", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One tool."""

    id: str
    version: str
    url: str
    sha256: str


def check_catalog(catalog: Mapping[str, object]) -> tuple[Finding, ...]:
    """Every finding: shape, https, hosts that are not listed, floating versions, placeholders, doubles."""
    return tuple(islice(_findings(catalog), FINDING_LIMIT))


def entries_of(catalog: Mapping[str, object]) -> tuple[CatalogEntry, ...]:
    """The tools of a catalog that `check_catalog` has passed, by id."""
    entries = catalog["entries"]
    found = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    made = [CatalogEntry(**{key: str(entry[key]) for key in _REQUIRED}) for entry in found]
    return tuple(sorted(made, key=lambda entry: entry.id))


def _findings(catalog: Mapping[str, object]) -> Iterator[Finding]:
    for key in sorted(set(catalog) - _TOP):
        yield _finding(f"catalog.{key}"[:80], "is no key of the catalog", f"use {', '.join(sorted(_TOP))}")
    hosts = catalog.get("hosts")
    yield from _host_findings(hosts)
    entries = catalog.get("entries")
    if not isinstance(entries, list):
        yield _finding("catalog.entries", "is no list", "give a list; it may be empty")
        return
    if len(entries) > ENTRY_LIMIT:
        yield _finding("catalog.entries", f"has {len(entries)} entries", f"keep it under {ENTRY_LIMIT}")
    allowed = frozenset(str(host) for host in hosts) if isinstance(hosts, list) else None
    seen: set[object] = set()
    for position, entry in enumerate(entries[:ENTRY_LIMIT]):
        place = f"catalog.entries[{position}]"
        if not isinstance(entry, Mapping):
            yield _finding(place, "is no mapping", f"give {', '.join(_REQUIRED)}")
            continue
        yield from _entry_findings(place, entry, allowed)
        identity = entry.get("id")
        if isinstance(identity, str):
            if identity in seen:
                yield _finding(f"{place}.id", f"has {identity[:60]!r} again", "keep one of them")
            seen.add(identity)


def _host_findings(hosts: object) -> Iterator[Finding]:
    if not isinstance(hosts, list) or not hosts:
        yield _finding("catalog.hosts", "is no list of hosts", "list the hosts that tools may come from")
        return
    for position, host in enumerate(hosts):
        if not isinstance(host, str) or _HOST.fullmatch(host) is None:
            place = f"catalog.hosts[{position}]"
            yield _finding(place, "is no host name", "give a host in lower case, without scheme or wildcard")


def _entry_findings(
    place: str, entry: Mapping[str, object], hosts: frozenset[str] | None
) -> Iterator[Finding]:
    for key in sorted(set(entry) - set(_REQUIRED)):
        yield _finding(f"{place}.{key}"[:120], "is no key of an entry", f"use {', '.join(_REQUIRED)}")
    texts: dict[str, str] = {}
    for key in _REQUIRED:
        value = entry.get(key)
        if isinstance(value, str):
            texts[key] = value
        else:
            yield _finding(f"{place}.{key}", "is missing or no text", "give a text")
    if "id" in texts and _ID.fullmatch(texts["id"]) is None:
        yield _finding(f"{place}.id", "is no id", "use lower-case letters, digits, dots and dashes")
    if "version" in texts:
        yield from _version_findings(f"{place}.version", texts["version"])
    if "url" in texts:
        yield from _url_findings(f"{place}.url", texts["url"], hosts)
    if "sha256" in texts:
        yield from _digest_findings(f"{place}.sha256", texts["sha256"])


def _version_findings(place: str, version: str) -> Iterator[Finding]:
    if _FLOATING.search(version) or "*" in version:
        yield _finding(place, f"{version[:40]!r} is no exact version", "give the exact version")
    elif _VERSION.fullmatch(version) is None or not any(letter.isdigit() for letter in version):
        yield _finding(place, f"{version[:40]!r} is no version", "give the exact version, like 7.18.0")


def _url_findings(place: str, url: str, hosts: frozenset[str] | None) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme != "https" or not host or len(url) > 2000 or not url.isprintable() or " " in url:
        yield _finding(place, "is no https address", "give the https address of the file")
        return
    if "@" in parts.netloc or parts.query or parts.fragment or port not in (None, 443):
        yield _finding(place, "has a user, a port, a query or a fragment", "give a plain, public address")
    if _FLOATING.search(parts.path):
        yield _finding(place, "names a floating version", "give the address of the exact version")
    if hosts is not None and host not in hosts:
        yield _finding(place, f"{host[:80]} is not among catalog.hosts", "list the host, or use a listed one")


def _digest_findings(place: str, digest: str) -> Iterator[Finding]:
    if _SHA256.fullmatch(digest) is None:
        yield _finding(place, "is no SHA-256", "give 64 lower-case hexadecimal characters")
    elif (
        digest == _EMPTY_SHA256
        or len(set(digest)) < 5
        or digest[:16] * 4 == digest
        or digest[:8] * 8 == digest
    ):
        yield _finding(place, "is a placeholder", "give the digest of the file itself")


def _finding(place: str, message: str, remedy: str) -> Finding:
    return Finding(rule="catalog", place=place, message=message, remedy=remedy)
