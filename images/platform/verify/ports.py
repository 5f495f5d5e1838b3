"""Holds what listens on the booted machine, and what its firewall lets in, against the ports of the definition.

`ports.py LISTENING ZONE SERVICES POLICIES SERVES OUT`: the lines of `ss`, those of `firewall-cmd --list-all` for the
default zone, of `--info-service` for what every zone has, of `--get-active-policies`, and IMAGEFACTORY_SERVES. Runs in
the guest with RHEL 9's own Python 3.9 and its standard library only. It writes findings with names, as of a failed test
of the platform: hygiene reports them, and a waiver can name them.
"""

import ipaddress
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# SSH, and the client of DHCP: these are open in every image.
OWN = frozenset({"22/tcp", "68/udp", "546/udp"})
OWN_SERVICES = {"dhcpv6-client": ["546/udp"], "ssh": ["22/tcp"]}
OWN_POLICIES = frozenset({"allow-host-ipv6"})  # firewalld's own
# Clients that ask by UDP have sockets that look as if they listened, on ports that the kernel picked.
PICKED = range(32768, 61000)
NAMED = re.compile(r'"([^"]{1,64})"')
WIDER = ("protocols", "source-ports", "modules", "includes", "helpers")  # what widens a service
# What opens a zone beside ports and services. The platform sets none of it.
OTHERS = ("protocols", "source-ports", "forward-ports", "rich rules", "sources")


def served(text: str) -> dict[str, str]:
    """The declared ports, as `8443/tcp`, with when each is served."""
    return dict(each.split("=", 1) for each in text.split())


def listening(lines: str) -> dict[str, str]:
    """The ports that others can reach if the firewall lets them, with the program that listens."""
    found: dict[str, str] = {}
    for line in lines.splitlines():
        fields = line.split()
        if len(fields) < 5 or fields[0] not in ("tcp", "udp"):
            continue
        address, _, number = fields[4].rpartition(":")
        if not number.isdecimal() or is_loopback(address):
            continue
        program = NAMED.search(line)
        found.setdefault(f"{number}/{fields[0]}", program[1] if program else "a program")
    return found


def is_loopback(address: str) -> bool:
    """Whether an address of `ss`, such as `127.0.0.1`, `[::1]` or `127.0.0.53%lo`, is this machine alone."""
    plain = address.strip("[]").partition("%")[0]
    try:
        parsed = ipaddress.ip_address(plain)
    except ValueError:
        return False  # `*` and all that is not known
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def zone(text: str) -> dict[str, list[str]]:
    """What the zone has of each kind. Rich rules are on lines of their own."""
    found: dict[str, list[str]] = {}
    kind = ""
    for line in text.splitlines():
        name, colon, rest = line.strip().partition(":")
        if line.startswith("\t") and kind:
            found[kind].append(line.strip())
        elif line.startswith("  ") and colon:
            kind = name
            found[kind] = rest.split()
    return found


def blocks(text: str) -> dict[str, str]:
    """The text of each name that begins a line, such as a service or a policy."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            name = line.split()[0]
            found[name] = ""
        elif name:
            found[name] += f"{line}\n"
    return found


def findings(lines: str, rules: str, services: str, policies: str, serves: str) -> Iterator[tuple[str, str]]:
    """A name and a sentence for each thing that is not as the definition says."""
    declared, heard, opened = served(serves), listening(lines), zone(rules)
    for port, program in sorted(heard.items()):
        number, _, protocol = port.partition("/")
        is_client = protocol == "udp" and int(number) in PICKED
        if port not in declared and port not in OWN and not is_client:
            text = f"{program} listens at {port}, which spec.serves does not name: add it, or listen on 127.0.0.1"
            yield f"Port: {port}: undeclared", text
    for port, when in sorted(declared.items()):
        # The builder cannot see from outside whether a datagram was read.
        if when == "boot" and port.endswith("/udp") and port not in heard:
            yield (
                f"Port: {port}: served",
                f"nothing listens at {port}: start its service when the machine boots",
            )
    if "ports" not in opened:
        yield "Firewall: firewalld: running", "firewalld does not answer: leave it as the platform sets it"
        return
    for port in sorted(set(opened["ports"]) - set(declared)):
        yield f"Firewall: {port}: undeclared", f"the firewall lets {port} in, which spec.serves does not name"
    for port in sorted(set(declared) - set(opened["ports"])):
        yield f"Firewall: {port}: open", f"spec.serves names {port}, and the firewall does not let it in"
    yield from beside(blocks(services), blocks(policies))
    for service in sorted(set(opened.get("services", [])) - set(OWN_SERVICES)):
        yield (
            f"Firewall: {service}: undeclared",
            f"the firewall lets the service {service} in: name its ports instead",
        )
    for kind in OTHERS:
        if opened.get(kind):
            yield f"Firewall: {kind}: none", f"the firewall has {kind} that the platform did not set"
    for kind in ("masquerade", "forward"):
        if opened.get(kind) == ["yes"]:
            yield f"Firewall: {kind}: off", f"the firewall has {kind} switched on"


def beside(services: dict[str, str], policies: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What lets in more under a name that every image has, or beside its zone."""
    for service, ports in sorted(OWN_SERVICES.items()):
        kinds = zone(services.get(service, ""))
        more = [kind for kind in WIDER if kinds.get(kind)]
        if kinds.get("ports") != ports or more:
            text = f"the service {service} must let in {ports[0]} alone: leave firewalld's file as it is"
            yield f"Firewall: {service}: {ports[0]}", text
    for policy in sorted(set(policies) - OWN_POLICIES):
        yield (
            f"Firewall: policy {policy}: none",
            f"the policy {policy} is active, which the platform did not set",
        )


def main(arguments: list[str]) -> None:
    """The program. It raises if it cannot look."""
    *paths, serves, output = arguments
    read = (Path(path).read_text(encoding="utf-8", errors="replace") for path in paths)
    found = [{"invariant": name, "what": what} for name, what in findings(*read, serves)]
    Path(output).write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
