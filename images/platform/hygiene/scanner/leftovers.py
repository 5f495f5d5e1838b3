"""What is left of accounts that are gone, and of the user of the build: rules of sudo, jobs, mail, homes, groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime

from scanner.finding import Finding, shown_name
from scanner.system import SLACK, System

_SUDOERS = ("/etc/sudoers", "/etc/sudoers.d/*", "/usr/local/etc/sudoers", "/usr/local/etc/sudoers.d/*")
# Files that are named for their account.
_NAMED = (
    ("/var/spool/cron/*", "a crontab"),
    ("/var/spool/mail/*", "a mailbox"),
    ("/var/lib/systemd/linger/*", "services that go on without a session"),
    ("/var/lib/AccountsService/users/*", "settings of a desktop"),
    ("/var/db/sudo/lectured/*", "a record of sudo"),
)
_LISTED = ("/etc/subuid", "/etc/subgid")
_CREATED = re.compile(r"# Created by cloud-init v\. \S+ on (.{20,40})")
_NO_USER = re.compile(r"[%+#]|ALL$|[A-Z][A-Z0-9_]*$")  # a group, a netgroup, a number, everybody, an alias
_WORDS = re.compile(r"(?:User|Runas|Host|Cmnd|Cmd)_Alias\b|Defaults|[@#]include")


def judge(system: System) -> Iterator[Finding]:
    """Findings of the rule leftover."""
    yield from _sudo_rules(system)
    for pattern, what in _NAMED:
        for path in system.matching(pattern):
            account = os.path.basename(path)
            if _is_left(system, account, path) and not account.startswith("."):
                yield system.finding(path, "leftover", f"{what} of {_who(system, account)}")
    for path in [*system.matching("/var/spool/at/[!.]*"), *system.matching("/home/*")]:
        if os.path.lexists(path) and not os.path.islink(path):
            yield from _owned(system, path)
    for name in _LISTED:
        for account in _first_fields(system, name):
            if not account.isdigit() and _is_left(system, account, system.path(name)):
                yield system.finding(
                    system.path(name), "leftover", f"subordinate ids of {_who(system, account)}"
                )
    yield from _groups(system)


def users_in(text: str) -> Iterator[str]:
    """The users that rules of sudo name. Groups, aliases and numbers are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#") or _WORDS.match(rule) or "=" not in rule:
            continue
        before = rule.split("=", 1)[0].replace(" ,", ",").replace(", ", ",").split()
        for user in before[0].split(",") if before else ():
            user = user.strip('"!')
            if user and not _NO_USER.match(user):
                yield user


def _sudo_rules(system: System) -> Iterator[Finding]:
    for pattern in _SUDOERS:
        for path in system.matching(pattern):
            text = system.text(system.name(path))
            is_old = _is_written_before_boot(system, text)
            for user in sorted(set(users_in(text))):
                if _is_left(system, user, path) or (is_old and user == system.builder):
                    yield system.finding(path, "leftover", f"a rule of sudo for {_who(system, user)}")


def _is_written_before_boot(system: System, text: str) -> bool:
    """cloud-init adds to a file that it finds, so the file looks new. Its head has the day of the first rule."""
    made = _CREATED.search(text)
    if made is None or not system.is_booted:
        return False
    try:
        return datetime.strptime(made[1], "%a, %d %b %Y %H:%M:%S %z").timestamp() < system.booted - SLACK
    except ValueError:
        return False


def _is_left(system: System, account: str, path: str) -> bool:
    """True for what belongs to an account that is gone, or to the user of the build and is part of the image.

    Deprovisioning removes that user. Azure makes a user of this name again on each machine, after its boot.
    """
    if not system.knows(account):
        return True
    return system.is_booted and account == system.builder and system.is_baked(path)


def _who(system: System, account: str) -> str:
    if system.knows(account):
        return f"{shown_name(account)}, the user of the build"
    return f"{shown_name(account)}, an account that does not exist"


def _owned(system: System, path: str) -> Iterator[Finding]:
    """A home or a job of `at` whose owner is gone."""
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return
    is_home = system.name(path).startswith("/home/")
    name = os.path.basename(path)
    is_builders = is_home and name == system.builder
    if all(account.uid != owner for account in system.accounts) or (is_builders and not system.knows(name)):
        what = "a home" if is_home else "a job of at"
        yield system.finding(path, "leftover", f"{what} of an account that does not exist")


def _first_fields(system: System, name: str) -> list[str]:
    return sorted({line.split(":")[0] for line in system.lines(name) if line and not line.startswith("#")})


def _groups(system: System) -> Iterator[Finding]:
    """Members that do not exist, and the group of the build's user."""
    for name in ("/etc/group", "/etc/gshadow"):
        path = system.path(name)
        gone = set()
        for line in system.lines(name):
            group, colon, rest = line.partition(":")
            members = rest.rpartition(":")[2] if colon else ""
            gone |= {member for member in members.split(",") if member and not system.knows(member)}
            if group == system.builder and not system.knows(group):
                gone.add(group)
        for account in sorted(gone):
            yield system.finding(path, "leftover", f"a group of {_who(system, account)}")
