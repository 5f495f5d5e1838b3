"""What lets a person in, or tells what a person did: passwords, authorised keys, sign-ins, histories of shells."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from scanner.finding import Finding, shown_name
from scanner.system import System, is_filled

_HISTORIES = (".*_history", ".local/share/fish/fish_history")
_SIGN_INS = (
    ".azure",
    ".aws/credentials",
    ".config/gcloud",
    ".docker/config.json",
    ".kube/config",
    ".netrc",
    ".git-credentials",
    ".pgpass",
    ".vault-token",
    ".pypirc",
)
_KEYS = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_KEYS_OF_ALL = ("/etc/ssh/authorized_keys", "/etc/ssh/authorized_keys.d/*")
# System folders do not count as homes.
_NO_HOMES = frozenset(("", "/bin", "/dev", "/proc", "/run", "/sbin", "/sys", "/usr/bin", "/usr/sbin"))
_NO_HOMES_BELOW = ("/dev/", "/proc/", "/run/", "/sys/")
# cloud-init gives root the provisioning key with a command that only prints which user to log in as.
_NOBODY = 'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo '
_SAYS = "Please login as the user"


def homes(system: System) -> list[str]:
    """Names of the homes of people, and of accounts with a home elsewhere, such as a service's."""
    found = ["/root"]
    with contextlib.suppress(OSError):
        found += sorted(f"/home/{entry.name}" for entry in os.scandir(system.path("/home")))
    for account in system.accounts:
        home = account.home.rstrip("/")
        if home not in found and home not in _NO_HOMES and not home.startswith(_NO_HOMES_BELOW):
            found.append(home)
    return [home for home in found if os.path.isdir(system.path(home))]


def judge(system: System) -> Iterator[Finding]:
    """Findings of the rules history, credentials, authorised-key and password."""
    for home in homes(system):
        for pattern in _HISTORIES:
            for path in _in_home(system, home, pattern):
                if is_filled(path):
                    yield system.finding(path, "history", "a shell history")
        for name in _SIGN_INS:
            path = system.path(f"{home}/{name}")
            if os.path.exists(path):
                yield system.finding(path, "credentials", "credentials of a person or a program")
        for name in _KEYS:
            path = system.path(f"{home}/{name}")
            if not _is_builders_own(system, home, path) and _lets_in(path, is_root=home == "/root"):
                yield system.finding(path, "authorised-key", "an authorised key")
    for pattern in _KEYS_OF_ALL:
        for path in system.matching(pattern):
            if _lets_in(path, is_root=False):
                yield system.finding(path, "authorised-key", "an authorised key")
    yield from _passwords(system)


def _in_home(system: System, home: str, pattern: str) -> list[str]:
    if not pattern.startswith(".*"):
        return [system.path(f"{home}/{pattern}")]
    ending = pattern[2:]
    names = os.listdir(system.path(home))
    return sorted(
        system.path(f"{home}/{name}") for name in names if name.startswith(".") and name.endswith(ending)
    )


def _is_builders_own(system: System, home: str, path: str) -> bool:
    """Deprovisioning removes the user of the build. On a booted machine Azure makes this user again."""
    if home != f"/home/{system.builder}":
        return False
    return not system.is_booted or not system.is_baked(path)


def _lets_in(path: str, *, is_root: bool) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if is_root and line.startswith(_NOBODY) and _SAYS in line:
                continue
            if line.strip() and not line.startswith("#"):
                return True
    return False


def _passwords(system: System) -> Iterator[Finding]:
    for line in system.lines("/etc/shadow"):
        name, _, rest = line.partition(":")
        password = rest.partition(":")[0]
        if not name or password.startswith(("!", "*")):
            continue
        what = f"the account {shown_name(name)} has a password"
        if not password:
            what = f"the account {shown_name(name)} has no password and is not locked"
        yield system.finding(system.path("/etc/shadow"), "password", what)
