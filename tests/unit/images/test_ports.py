"""What listens on the booted machine and what its firewall lets in, held against the ports of the definition."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.images.places import IMAGES
from tests.unit.images.test_verify import SSHD, Guest


def _module() -> ModuleType:
    found = importlib.util.spec_from_file_location(
        "verify_ports", IMAGES / "platform" / "verify" / "ports.py"
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


PORTS = _module()
SSH = 'tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=1021,fd=3))'
SSH6 = 'tcp   LISTEN 0      128             [::]:22           [::]:*    users:(("sshd",pid=1021,fd=4))'
DHCP = (
    'udp   UNCONN 0      0      10.0.0.4%eth0:68        0.0.0.0:*    users:(("NetworkManager",pid=9,fd=26))'
)
CHRONY = 'udp   UNCONN 0      0          127.0.0.1:323       0.0.0.0:*    users:(("chronyd",pid=700,fd=5))'
CHRONY6 = 'udp   UNCONN 0      0              [::1]:323          [::]:*    users:(("chronyd",pid=700,fd=6))'
RESOLVER = 'udp   UNCONN 0      0            0.0.0.0:41234      0.0.0.0:*    users:(("app",pid=7,fd=6))'
USUAL = (SSH, SSH6, DHCP, CHRONY, CHRONY6, RESOLVER)
JAVA = 'tcp   LISTEN 0      100                *:8443             *:*    users:(("java",pid=7,fd=9))'
MAPPED = 'tcp   LISTEN 0      100  [::ffff:127.0.0.1]:8005        *:*    users:(("java",pid=7,fd=9))'
NOBODY = "tcp   LISTEN 0      100       10.0.0.4:50000           *:*"
SYSLOG = 'udp   UNCONN 0      0            0.0.0.0:514        0.0.0.0:*    users:(("rsyslogd",pid=7,fd=6))'


def zone(**kinds: str) -> str:
    """What `firewall-cmd --list-all` prints, as firewalld 1.3 writes it."""
    given = {
        "target": "default",
        "interfaces": "eth0",
        "sources": "",
        "services": "dhcpv6-client ssh",
        "ports": "",
        "protocols": "",
        "forward": "no",
        "masquerade": "no",
        "forward-ports": "",
        "source-ports": "",
        "icmp-blocks": "",
        "rich rules": "",
        **{kind.replace("_", " "): value for kind, value in kinds.items()},
    }
    lines = [f"  {kind}: {value}" for kind, value in given.items() if kind != "rich rules"]
    return "\n".join(["public (active)", *lines, "  rich rules: ", *given["rich rules"].splitlines()]) + "\n"


OWN = "dhcpv6-client\n  ports: 546/udp\n  destination: ipv6:fe80::/64\nssh\n  ports: 22/tcp\n  includes: \n"
POLICIES = "allow-host-ipv6\n  ingress-zones: ANY\n  egress-zones: HOST\n"
CASES: dict[str, tuple[tuple[str, ...], str, str, list[str]]] = {
    "nothing but SSH": ((), zone(), "", []),
    "served as declared": ((JAVA,), zone(ports="8443/tcp"), "8443/tcp=boot", []),
    "served later": ((), zone(ports="8443/tcp"), "8443/tcp=deployed", []),
    "on the loopback": ((MAPPED,), zone(), "", []),
    "listens undeclared": ((JAVA,), zone(), "", ["Port: 8443/tcp: undeclared"]),
    "TCP on a high port": ((NOBODY,), zone(), "", ["Port: 50000/tcp: undeclared"]),
    "UDP undeclared": ((SYSLOG,), zone(), "", ["Port: 514/udp: undeclared"]),
    "UDP as declared": ((SYSLOG,), zone(ports="514/udp"), "514/udp=boot", []),
    "UDP that nobody reads": ((), zone(ports="514/udp"), "514/udp=boot", ["Port: 514/udp: served"]),
    "open undeclared": ((), zone(ports="9999/tcp"), "", ["Firewall: 9999/tcp: undeclared"]),
    "closed although declared": ((JAVA,), zone(), "8443/tcp=boot", ["Firewall: 8443/tcp: open"]),
    "cockpit": ((), zone(services="cockpit dhcpv6-client ssh"), "", ["Firewall: cockpit: undeclared"]),
    "a rich rule": ((), zone(rich_rules="\trule service name=\"http\" accept"), "", ["Firewall: rich rules: none"]),
    "masquerade": ((), zone(masquerade="yes"), "", ["Firewall: masquerade: off"]),
    "forwarding": ((), zone(forward="yes"), "", ["Firewall: forward: off"]),
    "a source": ((), zone(sources="10.0.0.0/8"), "", ["Firewall: sources: none"]),
    "no firewall": ((), "", "", ["Firewall: firewalld: running"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_difference_has_a_name(case: str) -> None:
    heard, rules, serves, names = CASES[case]
    found = list(PORTS.findings("\n".join([*USUAL, *heard]), rules, OWN, POLICIES, serves))
    assert [name for name, _ in found] == names
    assert all(what for _, what in found)


def test_the_program_that_listens_is_named_where_it_is_known() -> None:
    ((_, what),) = PORTS.findings(JAVA, zone(), OWN, POLICIES, "")
    assert what.startswith("java listens at 8443/tcp, which spec.serves does not name")
    ((_, what),) = PORTS.findings(NOBODY, zone(), OWN, POLICIES, "")
    assert what.startswith("a program listens at 50000/tcp")


BESIDE: dict[str, tuple[str, str, list[str]]] = {
    "a port in the service ssh": (OWN.replace("22/tcp", "22/tcp 9100/tcp"), POLICIES, ["Firewall: ssh: 22/tcp"]),
    "another service in ssh": (OWN.replace("includes: ", "includes: http"), POLICIES, ["Firewall: ssh: 22/tcp"]),
    "another port": (OWN.replace("546/udp", "53/udp"), POLICIES, ["Firewall: dhcpv6-client: 546/udp"]),
    "no service ssh": (OWN.partition("ssh")[0], POLICIES, ["Firewall: ssh: 22/tcp"]),
    "a policy": (OWN, POLICIES + "open (active)\n  ingress-zones: ANY\n", ["Firewall: policy open: none"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BESIDE)
def test_what_lets_in_more_beside_the_zone_has_a_name(case: str) -> None:
    services, policies, names = BESIDE[case]
    found = list(PORTS.findings(SSH, zone(), services, policies, ""))
    assert [name for name, _ in found] == names


@pytest.mark.process
def test_the_booted_machine_is_asked_for_its_services_and_policies(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.zone(services="dhcpv6-client ssh", ssh="22/tcp 9100/tcp", policy="open\n  ingress-zones: ANY")
    assert guest.verify().returncode == 0
    assert [rule for _, rule, _ in guest.named()] == ["Firewall: ssh: 22/tcp", "Firewall: policy open: none"]


@pytest.mark.process
def test_ports_that_differ_from_the_definition_are_named_findings_of_hygiene(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.listening(SSHD, 'tcp LISTEN 0 50 *:8443 *:* users:(("java",pid=9,fd=7))')
    guest.zone(services="dhcpv6-client ssh", ports="9999/tcp")
    done = guest.verify(serves="8443/tcp=boot")
    assert done.returncode == 0, done.stderr
    assert guest.named() == [
        ("invariant", "Firewall: 9999/tcp: undeclared", ""),
        ("invariant", "Firewall: 8443/tcp: open", ""),
    ]


@pytest.mark.process
def test_a_firewall_that_does_not_answer_is_a_finding_and_no_failure(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.zone(code=252)
    assert guest.verify().returncode == 0
    assert guest.named() == [("invariant", "Firewall: firewalld: running", "")]
