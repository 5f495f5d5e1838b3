"""The guard for the catalog: which tools may be staged in images, each pinned by version and SHA-256.

Judges only the document: the file at an address is checked against its digest when it is staged. The same forms are
in `images/catalog.schema.json`, for editors. A test checks that both agree.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

ENTRY_LIMIT = 200
HOST_LIMIT = 50
FINDING_LIMIT = 200
FLOATING_WORDS = ("latest", "current", "stable", "nightly", "master", "main", "head")

_ID = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*(?<!.{64})", re.ASCII)
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+_-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", re.ASCII)
_HOST_LENGTH = 253
# The last part becomes a file's name in the image; no part begins with a dot, so none leads outside.
_URL = re.compile(
    r"https://[a-z0-9.-]+(/[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*)*/[A-Za-z0-9_][A-Za-z0-9._~+-]{0,254}", re.ASCII
)
_URL_LENGTH = 2000
_FLOATING = re.compile(rf"(?:^|[./_-])(?:{'|'.join(FLOATING_WORDS)})(?:$|[./_-])", re.ASCII | re.IGNORECASE)
_ANY_NUMBER = re.compile(r"(?:^|\.)[xX](?:\.|$)", re.ASCII)  # 1.x
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
    """Every finding: shape, https, hosts that are not listed, floating versions, placeholders, duplicates."""
    return tuple(islice(_findings(catalog), FINDING_LIMIT))


def check_staged(staged: Sequence[CatalogEntry], catalog: Mapping[str, object]) -> tuple[Finding, ...]:
    """What keeps the tools of one build from being staged; `check_catalog` has passed the catalog.

    The address may differ from the catalog's, if a catalog with another one was registered since, and is asked by
    nobody but a builder or platform steps of the release before. Its host must be listed.
    """
    allowed = hosts_of(catalog)
    known = {entry.id: entry for entry in entries_of(catalog)}
    found: list[Finding] = []
    for position, entry in enumerate(staged):
        place = f"job.catalog[{position}]"
        found += _entry_findings(
            place, {key: getattr(entry, key) for key in _REQUIRED}, allowed, listed="catalog.hosts"
        )
        pinned = known.get(entry.id)
        if pinned is None or (pinned.version, pinned.sha256) != (entry.version, entry.sha256):
            message = (
                f"{entry.id[:63]} {entry.version[:64]} is not in the platform's catalog with this SHA-256"
            )
            remedy = "register the platform steps again, then build again"
            found.append(_finding(GuardRule.CATALOG_DIFFERS, place, message, remedy))
    return tuple(islice(found, FINDING_LIMIT))


def entries_of(catalog: Mapping[str, object]) -> tuple[CatalogEntry, ...]:
    """The tools of a catalog that `check_catalog` has passed, by id."""
    entries = catalog.get("entries")
    found = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    made = [CatalogEntry(**{key: str(entry.get(key, "")) for key in _REQUIRED}) for entry in found]
    return tuple(sorted(made, key=lambda entry: entry.id))


def hosts_of(catalog: Mapping[str, object]) -> frozenset[str]:
    """The hosts that files may come from."""
    hosts = catalog.get("hosts")
    return frozenset(map(str, hosts)) if isinstance(hosts, list) else frozenset()


def is_floating(text: str) -> bool:
    """True where a version, or a part of an address, names the newest, not an exact version."""
    return "*" in text or _FLOATING.search(text) is not None or _ANY_NUMBER.search(text) is not None


def _findings(catalog: Mapping[str, object]) -> Iterator[Finding]:
    for key in sorted(set(catalog) - _TOP):
        remedy = f"use {', '.join(sorted(_TOP))}"
        yield _shape(f"catalog.{key}"[:80], "is not a key of the catalog", remedy)
    if not isinstance(catalog.get("$schema", ""), str):
        yield _shape("catalog.$schema", "is not a text", "give the path of the schema, or leave it out")
    hosts = catalog.get("hosts")
    yield from _host_findings(hosts)
    entries = catalog.get("entries")
    if not isinstance(entries, list):
        yield _shape("catalog.entries", "is not a list", "give a list; it may be empty")
        return
    if len(entries) > ENTRY_LIMIT:
        message = f"has {len(entries)} entries"
        yield _finding(
            GuardRule.CATALOG_SIZE, "catalog.entries", message, f"keep it at {ENTRY_LIMIT} at most"
        )
    allowed = frozenset(str(host) for host in hosts) if isinstance(hosts, list) else None
    seen: set[str] = set()
    for position, entry in enumerate(entries[:ENTRY_LIMIT]):
        place = f"catalog.entries[{position}]"
        if not isinstance(entry, Mapping):
            yield _shape(place, "is not a mapping", f"give {', '.join(_REQUIRED)}")
            continue
        yield from _entry_findings(place, entry, allowed, listed="catalog.hosts")
        identity = entry.get("id")
        if isinstance(identity, str):
            if identity in seen:
                message = f"has {identity[:60]!r} again"
                yield _finding(GuardRule.CATALOG_DUPLICATE, f"{place}.id", message, "keep one of them")
            seen.add(identity)


def _host_findings(hosts: object) -> Iterator[Finding]:
    if not isinstance(hosts, list) or not hosts:
        message, remedy = "is not a list of hosts", "list the hosts that tools may come from"
        yield _finding(GuardRule.CATALOG_HOSTS, "catalog.hosts", message, remedy)
        return
    if len(hosts) > HOST_LIMIT:
        message = f"has {len(hosts)} hosts"
        yield _finding(GuardRule.CATALOG_SIZE, "catalog.hosts", message, f"keep it at {HOST_LIMIT} at most")
    for position, host in enumerate(hosts[:HOST_LIMIT]):
        place = f"catalog.hosts[{position}]"
        if not isinstance(host, str) or len(host) > _HOST_LENGTH or _HOST.fullmatch(host) is None:
            remedy = "give a full host name in lower case, without scheme, port or wildcard"
            yield _finding(GuardRule.CATALOG_HOSTS, place, "is not a host name", remedy)
        elif host in hosts[:position]:
            yield _finding(GuardRule.CATALOG_DUPLICATE, place, f"has {host!r} again", "keep one of them")


def _entry_findings(
    place: str, entry: Mapping[str, object], hosts: frozenset[str] | None, *, listed: str
) -> Iterator[Finding]:
    for key in sorted(map(str, set(entry) - set(_REQUIRED))):
        yield _shape(f"{place}.{key}"[:120], "is not a key of an entry", f"use {', '.join(_REQUIRED)}")
    texts: dict[str, str] = {}
    for key in _REQUIRED:
        value = entry.get(key)
        if isinstance(value, str):
            texts[key] = value
        else:
            yield _shape(f"{place}.{key}", "is missing or not a text", "give a text")
    if "id" in texts and _ID.fullmatch(texts["id"]) is None:
        remedy = "use lower-case letters, digits, dots and dashes, at most 63"
        yield _finding(GuardRule.CATALOG_ID, f"{place}.id", "is not an id", remedy)
    if "version" in texts:
        yield from _version_findings(f"{place}.version", texts["version"])
    if "url" in texts:
        yield from _url_findings(f"{place}.url", texts["url"], hosts, listed)
    if "sha256" in texts:
        yield from _digest_findings(f"{place}.sha256", texts["sha256"])


def _version_findings(place: str, version: str) -> Iterator[Finding]:
    if is_floating(version):
        message, remedy = f"{version[:40]!r} is not an exact version", "give the exact version"
        yield _finding(GuardRule.CATALOG_FLOATING_VERSION, place, message, remedy)
    elif _VERSION.fullmatch(version) is None:
        remedy = "give the exact version, like 7.18.0"
        yield _finding(GuardRule.CATALOG_VERSION, place, f"{version[:40]!r} is not a version", remedy)


def _url_findings(place: str, url: str, hosts: frozenset[str] | None, listed: str) -> Iterator[Finding]:
    if not url.startswith("https://"):
        remedy = "give the https address of the file"
        yield _finding(GuardRule.CATALOG_URL_SCHEME, place, "is not an https address", remedy)
        return
    if len(url) > _URL_LENGTH or _URL.fullmatch(url) is None:
        # Not shown: it may hold a password.
        message = "has a user, a port, a query, a fragment or no plain path of a file"
        remedy = "give a plain, public address, like https://example.com/tool/1.2.3/tool.rpm"
        yield _finding(GuardRule.CATALOG_URL_FORM, place, message, remedy)
        return
    parts = urlsplit(url)
    if _FLOATING.search(parts.path):
        message, remedy = "names a floating version", "give the address of the exact version"
        yield _finding(GuardRule.CATALOG_FLOATING_VERSION, place, message, remedy)
    if hosts is not None and parts.netloc not in hosts:
        message = f"{parts.netloc[:80]} is not among {listed}"
        yield _finding(GuardRule.CATALOG_HOST, place, message, "list the host, or use a listed one")


def _digest_findings(place: str, digest: str) -> Iterator[Finding]:
    if _SHA256.fullmatch(digest) is None:
        remedy = "give 64 lower-case hexadecimal characters"
        yield _finding(GuardRule.CATALOG_SHA256_FORM, place, "is not a SHA-256", remedy)
    elif digest == _EMPTY_SHA256 or len(set(digest)) < 5 or digest[:16] * 4 == digest:
        remedy = "give the digest of the file itself"
        yield _finding(GuardRule.CATALOG_SHA256_PLACEHOLDER, place, "is a placeholder", remedy)


def _shape(place: str, message: str, remedy: str) -> Finding:
    return _finding(GuardRule.CATALOG_SHAPE, place, message, remedy)


def _finding(rule: GuardRule, place: str, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, place=place, message=message, remedy=remedy)
