"""The guard for the steps that a definition runs in the guest, and for the addresses of its webhooks.

Pure. Registration, the command and the builder (with the steps of its job) apply the same rules.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from pipeline_core.domain.definitions import FileStep, Provisioner, ShellStep, Webhook
from pipeline_core.guard import catalog, secrets
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule
from pipeline_core.guard.secrets import Form

_VERSION_NAME = re.compile(r"(?:^|_)(?:VERSION|TAG|RELEASE)$", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"[*^~<>]|(?:^|\.)[xX](?:\.|$)|,", re.ASCII)
_NAMED_LATEST = re.compile(r"[:@/_-]latest(?:$|[/@?&\s\"'.])", re.ASCII | re.IGNORECASE)
_HTTP = re.compile(r"(?i)\bhttp://(?!localhost\b|127\.0\.0\.1\b|\[::1\])", re.ASCII)
_PROXY_NAME = re.compile(r"(?:^|_)PROXY$", re.ASCII | re.IGNORECASE)
# Folders that no image keeps, that each machine makes again, or that belong to the platform.
_FORBIDDEN_FOLDERS = (
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/var/run",
    "/opt/stage",
    "/var/lib/cloud",
    "/var/lib/waagent",
)
_FORBIDDEN_FILES = re.compile(
    r"/etc/(?:shadow-?|gshadow-?|machine-id|ssh/ssh_host_[^/]*)|/(?:root|home/[^/]+)/\.ssh/authorized_keys2?"
)


def check_steps(steps: Sequence[Provisioner], forms: Sequence[Form]) -> Iterator[Finding]:
    """Findings in values and destinations of a team's steps."""
    for position, step in enumerate(steps):
        place = f"spec.build.provisioners[{position}]"
        if isinstance(step, ShellStep):
            for name, value in step.env:
                yield from _value_findings(f"{place}.env.{name}", name, value, forms)
        elif isinstance(step, FileStep):
            yield from _destination_findings(f"{place}.destination", step.destination)


def check_webhooks(webhooks: Sequence[Webhook]) -> Iterator[Finding]:
    """Findings in the addresses that events are sent to: they are called from inside the network."""
    for position, hook in enumerate(webhooks):
        host = (urlsplit(hook.url).hostname or "").rstrip(".")
        if _is_address(host) or "." not in host or host.endswith((".internal", ".local", ".localhost")):
            yield Finding(
                rule=GuardRule.WEBHOOK_ADDRESS,
                place=f"spec.notify[{position}].webhook",
                message="names a machine by its IP address or by a name of the internal network",
                remedy="give the full, public name of the receiver, like https://hooks.example.com/images",
            )


def _value_findings(place: str, name: str, value: str, forms: Sequence[Form]) -> Iterator[Finding]:
    yield from secrets.findings_in_texts([(place, value)], forms)
    if secrets.is_secret_name(name) and value:
        yield Finding(
            rule=GuardRule.SECRET_NAME,
            place=place,
            message="has the name of a secret and a value",
            remedy="remove it: the values of a build stay readable; machines get secrets at run time",
        )
    is_version = _VERSION_NAME.search(name) is not None
    is_range = is_version and (catalog.is_floating(value) or _RANGE.search(value) is not None)
    if is_range or value.lower() == "latest" or _NAMED_LATEST.search(value):
        yield Finding(
            rule=GuardRule.FLOATING_VERSION,
            place=place,
            message="names a version that changes by itself",
            remedy="give the exact version, so that the same inputs give the same image",
        )
    if _HTTP.search(value) and not _PROXY_NAME.search(name):
        yield Finding(
            rule=GuardRule.HTTP_URL,
            place=place,
            message="holds an http address: anybody on the network path can change its answer",
            remedy="give the https address",
        )


def _destination_findings(place: str, destination: str) -> Iterator[Finding]:
    # As the guest's system reads it: `//etc/./shadow` is `/etc/shadow`.
    plain = "/" + "/".join(part for part in destination.split("/") if part not in ("", "."))
    folder = next((each for each in _FORBIDDEN_FOLDERS if f"{plain}/".startswith(f"{each}/")), None)
    if folder is not None:
        message = f"lies below {folder}, which no team may write"
    elif _FORBIDDEN_FILES.fullmatch(plain):
        message = "is a file that each machine makes for itself, or that holds its accounts"
    else:
        return
    remedy = "choose another place, like /etc/NAME or /opt/NAME"
    yield Finding(rule=GuardRule.DESTINATION, place=place, message=message, remedy=remedy)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # 2130706433 and 0x7f.1 are addresses for some clients.
        return re.fullmatch(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+))*", host) is not None
    return True
