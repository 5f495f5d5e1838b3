"""What makes one machine this machine: its identity, its name, its network, and what Azure gave it when it was made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.finding import Finding
from scanner.search import matching
from scanner.system import System, is_filled

_BAKED = "older than this machine: it was baked"
_BUILT = "state of the machine that built this"


@dataclass(frozen=True)
class Baked:
    """Files that each machine makes for itself. They are findings on a booted machine, if they are of the image."""

    rule: str
    what: str
    patterns: tuple[str, ...]


BAKED = (
    Baked("host-key", _BAKED, ("/etc/ssh/ssh_host_*_key",)),
    Baked("machine-id", _BAKED, ("/etc/machine-id", "/var/lib/dbus/machine-id")),
    Baked(
        "cloud-init",
        _BUILT,
        (
            "/var/lib/cloud/data/*",
            "/var/lib/cloud/instances/*",
            "/var/lib/cloud/sem/*",
            "/var/lib/cloud/seed/*",
            "/var/lib/cloud/instance",
            "/var/log/cloud-init*.log",
        ),
    ),
    Baked(
        "waagent",
        _BUILT,
        (
            "/var/lib/waagent/provisioned",
            "/var/lib/waagent/ovf-env.xml",
            "/var/lib/waagent/SharedConfig.xml",
            "/var/lib/waagent/HostingEnvironmentConfig.xml",
            "/var/lib/waagent/history",
            "/var/lib/waagent/Certificates*",
            "/var/lib/waagent/GoalState*",
            "/var/lib/waagent/ExtensionsConfig*",
            "/var/lib/waagent/*.prv",
            "/var/lib/waagent/*.crt",
            "/var/lib/waagent/*.pem",
            "/var/lib/waagent/*.p7m",
            "/var/log/waagent.log",
        ),
    ),
    Baked(
        "machine-state",
        "a lease of the network of the build",
        ("/var/lib/NetworkManager/*.lease", "/var/lib/dhclient/*.lease*", "/var/lib/dhcpcd/*.lease*"),
    ),
    Baked("machine-state", "the secret of one machine's addresses", ("/var/lib/NetworkManager/secret_key",)),
    Baked(
        "machine-state", "the secret of one machine's credentials", ("/var/lib/systemd/credential.secret",)
    ),
    Baked("machine-state", "the name of one machine for iSCSI", ("/etc/iscsi/initiatorname.iscsi",)),
    Baked("machine-state", "the name of one machine for NVMe", ("/etc/nvme/hostnqn", "/etc/nvme/hostid")),
    # RHEL 9 looks for volumes on the listed disks only; a copy's disks have other names (libguestfs, sysprep of LVM).
    Baked("machine-state", "the disks of one machine", ("/etc/lvm/devices/system.devices",)),
)
_CONNECTIONS = (
    "/etc/NetworkManager/system-connections/*",
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/systemd/network/*",
)
# cloud-init writes the first for each machine, without a word on who wrote it. Deprovisioning removes both.
_NAMES_OF_CARDS = (
    "/etc/udev/rules.d/70-persistent-net.rules",
    "/etc/udev/rules.d/75-persistent-net-generator.rules",
)
# A card's address or a client's id.
_CARD = re.compile(
    r"(?im)^\s*(?:HWADDR|MACADDR|mac-address|cloned-mac-address|MACAddress|PermanentMACAddress)\s*=\s*"
    r"[\"']?[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
    r"|ATTR\{address\}==\"[0-9a-f]{2}:"
    r"|^\s*(?:DHCP_CLIENT_ID|DHCPV6_DUID|dhcp-client-id|dhcp-duid|DUIDRawData)\s*=\s*[\"']?(?:[0-9a-f]{2}:){3}"
)
# The name under which a machine asked for its address. The Azure agent writes it, and resets it when it deprovisions.
_ASKED_AS = re.compile(r"(?im)^\s*(?:DHCP_HOSTNAME|dhcp-hostname)\s*=\s*[\"']?(?!localhost)\S")
_CLOUD_INIT = re.compile(
    r"(?:Created|Generated) by cloud-init"
)  # its renderers for sysconfig and NetworkManager
# The Azure agent writes the name here, and resets it when it deprovisions. LVM notes in its backups, as on the disk
# itself, where a group of volumes was changed.
_RESET = ("/etc/hostname", "/etc/ssh/ssh_host_", "/etc/sysconfig/network-scripts/ifcfg-", "/etc/lvm/")
_NAMES_OF_NONE = ("localhost", "localhost.localdomain", "localhost4", "localhost6")
_BUILD_NAME = re.compile(r"\bpkrvm[0-9a-z]{6,}\b")  # how Packer's plugin for Azure names a machine
_SERVER = re.compile(r"(?m)^nameserver\s+(\S+)")
_AZURES_OWN = "168.63.129.16"  # the same in each network of Azure
_TEMPORARY = re.compile(r"azure_resource|/mnt/resource|/mnt/swap|/dev/disk/cloud/azure_resource")


def judge(system: System) -> Iterator[Finding]:
    """Findings of the rules host-key, machine-id, cloud-init, waagent, machine-state and machine-name."""
    if system.is_booted:
        for each in BAKED:
            for pattern in each.patterns:
                for path in system.matching(pattern):
                    if is_filled(path) and system.is_baked(path):
                        yield system.finding(path, each.rule, each.what)
    yield from _network(system)
    yield from _names(system)


def _network(system: System) -> Iterator[Finding]:
    for pattern in (*_CONNECTIONS, *(_NAMES_OF_CARDS if system.is_booted else ())):
        for path in system.matching(pattern):
            text = system.text(system.name(path))
            # cloud-init writes its own again for each machine, and deprovisioning removes them.
            is_remade = _CLOUD_INIT.search(text) and not system.is_booted
            is_own = _CARD.search(text) or (system.is_booted and _ASKED_AS.search(text))
            if is_own and not is_remade and system.is_baked(path):
                yield system.finding(path, "machine-state", "the network card or the name of one machine")
    path = system.path("/etc/resolv.conf")
    servers = set(_SERVER.findall(system.text("/etc/resolv.conf"))) - {_AZURES_OWN}
    is_written = "Generated by NetworkManager" in system.text("/etc/resolv.conf")
    if system.is_booted and servers and is_written and system.is_baked(path):
        yield system.finding(path, "machine-state", "the name servers of the network of the build")
    for line in system.lines("/etc/fstab"):
        is_remade = "comment=cloudconfig" in line
        if _TEMPORARY.search(line) and not line.lstrip().startswith("#") and not is_remade:
            yield system.finding(
                system.path("/etc/fstab"), "machine-state", "the temporary disk of one machine"
            )
            break


def _names(system: System) -> Iterator[Finding]:
    """The name of the build machine in a file that nobody writes again. On a booted machine only Packer's are known."""
    named = system.text("/etc/hostname").strip()
    path = system.path("/etc/hostname")
    if system.is_booted and named and named not in _NAMES_OF_NONE and system.is_baked(path):
        yield system.finding(path, "machine-name", "the name of the machine that built this")
    for path in _with_name(system):
        name = system.name(path)
        is_remade = not system.is_booted and _CLOUD_INIT.search(system.text(name))
        if not name.startswith(_RESET) and not is_remade and system.is_baked(path):
            yield system.finding(path, "machine-name", "names the machine that built this")


def _with_name(system: System) -> list[str]:
    folder = system.path("/etc")
    if not os.path.isdir(folder):
        return []
    if system.is_booted:
        texts = (
            (path, system.text(system.name(path)))
            for path in matching(["pkrvm"], [folder], "--fixed-strings")
        )
        return [
            path for path, text in texts if any(found != system.host for found in _BUILD_NAME.findall(text))
        ]
    host = system.host.partition(".")[0]
    if len(host) < 6 or system.host in _NAMES_OF_NONE:
        return []  # a short name is a word of many files
    return matching([host], [folder], "--fixed-strings", "--word-regexp", "--no-messages")
