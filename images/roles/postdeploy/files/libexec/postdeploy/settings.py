"""What cloud-init wrote into /etc/imagefactory/postdeploy.json, with every mistake of it at once.

Nothing in the file can name a command, a folder or an address: services are names of units, files are names below
/etc/pki/imagefactory, the vault is a name of Azure's Key Vault. postdeploy.schema.json says the same for editors.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postdeploy import units
from postdeploy.failures import Exit, Failed

FILES = {"key": "key.pem", "certificate": "cert.pem", "chain": "chain.pem", "fullChain": "fullchain.pem"}
# `combined` is the key with the full chain, as HAProxy reads it. It is written only where it is named.
KINDS = (*FILES, "combined")
PATTERNS = {
    "vault": r"https://[a-z][a-z0-9-]{1,22}[a-z0-9]\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)",
    "clientId": r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "secret": r"[0-9a-zA-Z-]{1,127}",
    "version": r"[0-9a-f]{32}",
    "folder": r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "file": r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "account": r"[a-z_][a-z0-9_-]{0,31}",
    "mode": r"0(400|440|600|640)",
    "agent": r"[a-z0-9][a-z0-9-]{0,63}",
    # Not the units that give a shell, that end the machine or its sessions, that run at boot only (some of them restart
    # the machine, or replace its packages), or that are these two themselves.
    "unit": r"(?!systemd-|dbus|debug-shell|emergency|rescue|user@|user-runtime|init|console-|container-|certlc-|"
    r"agent-enroll|postdeploy-failed|autovt@|([a-z-]*)getty|([a-z]+-)?autorelabel|dracut-|cloud-(init|config|final)|"
    r"kdump|plymouth-|anaconda|ostree-|bootc-|([a-z0-9]+-)?(system-upgrade|offline-)|(packagekit|fwupd)-offline)"
    r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,99}\.service",
}
_LIMITS = {"waitSeconds": (0, 1500), "settleSeconds": (1, 300), "startSeconds": (1, 1800)}
_DEFAULTS = {"waitSeconds": 600, "settleSeconds": 10, "startSeconds": units.START_SECONDS}
# TimeoutStartSec= of certlc-run.service. A run that systemd ends cannot go back by itself, so a configuration must
# leave it the time for the worst case: no service comes up, neither with the new version nor with the former one.
RUN_SECONDS = 3 * 3600
_SPARE_SECONDS = 600  # for everything but waiting
_MOST = 32  # certificates, agents, services of a certificate
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class ServiceWish:
    """A service that reads a certificate: `action` is restart or reload.

    `start` is how many seconds that may take, `settle` how many the service must stay up after it.
    """

    unit: str
    action: str
    settle: int
    start: int


@dataclass(frozen=True)
class CertificateWish:
    """A certificate of the vault, and how it lies on this machine. Without a `version` the newest is wanted."""

    name: str
    version: str
    folder: str
    files: dict[str, str]
    owner: str
    group: str
    mode: int
    services: tuple[ServiceWish, ...]


@dataclass(frozen=True)
class AgentWish:
    """An agent to enrol, with the secret that holds its enrolment value, if it has one."""

    agent: str
    secret: str


@dataclass(frozen=True)
class Settings:
    """The whole file."""

    vault: str
    client_id: str
    wait_seconds: int
    certificates: tuple[CertificateWish, ...]
    agents: tuple[AgentWish, ...]


def read(path: Path) -> Settings:
    """The settings. Raises Failed with every mistake, each with its place in the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise _wrong(f"{path} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise _wrong(f"{path} must be a file of root that nobody else can write")
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise _wrong(f"{path} has more than {_LARGEST} bytes")
    try:
        document = json.loads(content, object_pairs_hook=_without_doubles)
    except ValueError as error:
        raise _wrong(f"{path} is not JSON: {error}") from None
    found = list(problems(document))
    if found:
        raise _wrong("; ".join(found))
    return _settings(document)


def _wrong(text: str) -> Failed:
    return Failed(Exit.CONFIGURATION, "configuration", text)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{doubled[0]} is given twice")
    return dict(pairs)


def problems(document: Any) -> Iterator[str]:
    """Every mistake, as `PLACE: what is wrong`."""
    keys = {"$schema", "vault", "clientId", "waitSeconds", "certificates", "agents"}
    if not isinstance(document, dict):
        yield "the file must hold one object"
        return
    yield from _unknown("", document, keys)
    yield from _text("", document, "vault", "vault", is_needed=True)
    yield from _text("", document, "clientId", "clientId")
    yield from _number("", document, "waitSeconds")
    yield from _list("", document, "certificates")
    for place, item in _items("", document, "certificates"):
        yield from _certificate(place, item)
    yield from _list("", document, "agents")
    for place, item in _items("", document, "agents"):
        yield from _unknown(place, item, {"agent", "secret"})
        yield from _text(place, item, "agent", "agent", is_needed=True)
        yield from _text(place, item, "secret", "secret")
    if not document.get("certificates") and not document.get("agents"):
        yield "certificates or agents must name something"
    yield from _twice(document, "certificates", lambda item: item.get("folder", item.get("name")), "folder")
    yield from _longest(document)
    yield from _twice(document, "agents", lambda item: item.get("agent"), "agent")


def _certificate(place: str, item: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(
        place, item, {"name", "version", "folder", "files", "owner", "group", "mode", "services"}
    )
    yield from _text(place, item, "name", "secret", is_needed=True)
    if "folder" not in item and len(str(item.get("name", ""))) > 64:
        yield f"{place}/folder: must be given where the name is longer than 64 characters"
    for key, pattern in (
        ("version", "version"),
        ("folder", "folder"),
        ("owner", "account"),
        ("group", "account"),
    ):
        yield from _text(place, item, key, pattern)
    yield from _text(place, item, "mode", "mode")
    files = item.get("files", FILES)
    if not isinstance(files, dict) or not files:
        yield f"{place}/files: must be an object that names at least one file"
    else:
        yield from _unknown(f"{place}/files", files, set(KINDS))
        for kind in files:
            yield from _text(f"{place}/files", files, kind, "file")
        if len({str(name) for name in files.values()}) < len(files):
            yield f"{place}/files: two files have one name"
    yield from _list(place, item, "services")
    for inner, service in _items(place, item, "services"):
        yield from _unknown(inner, service, {"unit", "action", "settleSeconds", "startSeconds"})
        yield from _text(inner, service, "unit", "unit", is_needed=True)
        if service.get("action", "restart") not in ("restart", "reload"):
            yield f"{inner}/action: must be restart or reload"
        yield from _number(inner, service, "settleSeconds")
        yield from _number(inner, service, "startSeconds")


def _longest(document: dict[str, Any]) -> Iterator[str]:
    """Whether the longest run would end in time."""
    seconds = _seconds(document, "waitSeconds") + _SPARE_SECONDS
    for _, item in _items("", document, "certificates"):
        for _, service in _items("", item, "services"):
            seconds += 2 * (_seconds(service, "startSeconds") + _seconds(service, "settleSeconds"))
    if seconds > RUN_SECONDS:
        yield (
            f"/certificates: a run could take {seconds} s and is ended after {RUN_SECONDS} s: lower waitSeconds, "
            "or startSeconds and settleSeconds of services, which count twice for the way back"
        )


def _seconds(item: dict[str, Any], key: str) -> int:
    value = item.get(key, _DEFAULTS[key])
    return value if type(value) is int else 0


def _unknown(place: str, item: dict[str, Any], keys: set[str]) -> Iterator[str]:
    for key in sorted(set(item) - keys):
        yield f"{place}/{key}: there is no such key; these are: {', '.join(sorted(keys - {'$schema'}))}"


def _text(
    place: str, item: dict[str, Any], key: str, pattern: str, *, is_needed: bool = False
) -> Iterator[str]:
    if key not in item:
        if is_needed:
            yield f"{place}/{key}: is missing"
    elif not isinstance(item[key], str) or not re.fullmatch(PATTERNS[pattern], item[key]):
        yield f"{place}/{key}: must be a text like {PATTERNS[pattern]}"


def _number(place: str, item: dict[str, Any], key: str) -> Iterator[str]:
    low, high = _LIMITS[key]
    value = item.get(key, low)
    if type(value) is not int or not low <= value <= high:
        yield f"{place}/{key}: must be a whole number of seconds from {low} to {high}"


def _list(place: str, item: dict[str, Any], key: str) -> Iterator[str]:
    value = item.get(key, [])
    if not isinstance(value, list) or len(value) > _MOST or not all(isinstance(each, dict) for each in value):
        yield f"{place}/{key}: must be a list of at most {_MOST} objects"


def _items(place: str, item: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a list, with its place."""
    value = item.get(key, [])
    for number, each in enumerate(value if isinstance(value, list) else []):
        if isinstance(each, dict):
            yield f"{place}/{key}/{number}", each


def _twice(document: dict[str, Any], key: str, name_of: Any, word: str) -> Iterator[str]:
    value = document.get(key)
    names = (
        [str(name_of(each)) for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    )
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"/{key}: {word} {name} is used twice"


def _settings(document: dict[str, Any]) -> Settings:
    return Settings(
        vault=document["vault"],
        client_id=document.get("clientId", ""),
        wait_seconds=_seconds(document, "waitSeconds"),
        certificates=tuple(_certificate_of(each) for each in document.get("certificates", [])),
        agents=tuple(
            AgentWish(agent=each["agent"], secret=each.get("secret", ""))
            for each in document.get("agents", [])
        ),
    )


def _certificate_of(item: dict[str, Any]) -> CertificateWish:
    return CertificateWish(
        name=item["name"],
        version=item.get("version", ""),
        folder=item.get("folder", item["name"]),
        files=dict(item.get("files", FILES)),
        owner=item.get("owner", "root"),
        group=item.get("group", "root"),
        mode=int(item.get("mode", "0600"), 8),
        services=tuple(
            ServiceWish(
                unit=each["unit"],
                action=each.get("action", "restart"),
                settle=_seconds(each, "settleSeconds"),
                start=_seconds(each, "startSeconds"),
            )
            for each in item.get("services", [])
        ),
    )
