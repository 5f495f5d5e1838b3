"""The firewall of an image, with firewalld's own programs: as files, and running between two network namespaces, where
the builder's probe tries it from the other side. firewalld is Debian's; of RHEL's zone `public` it lacks cockpit, which
the test puts there.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builder.results import probe
from tests import optional_tools
from tests.unit.images.places import IMAGES
from tools.content import guest

pytestmark = [pytest.mark.timeout(600), pytest.mark.content]

SCRIPT = IMAGES / "platform" / "after" / "70-firewall.sh"
SERVES = "8443/tcp=boot 8200/tcp=deployed 53/udp=boot"
ZONE = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <service name="ssh"/><service name="http"/><service name="cockpit"/>
  <port port="9999" protocol="tcp"/>
  <rule><service name="https"/><accept/></rule>
</zone>
"""
# systemd does not run here. What is asked of it is kept.
SYSTEMCTL = '#!/bin/sh\necho "$*" >>"$CALLS"\n[ "$1" = is-enabled ] && echo enabled\nexit 0\n'
# rpm's answers about firewalld come from dpkg, and from what the test says was changed.
RPM = r"""#!/bin/bash
case "$1 $2" in
  "--query --list") dpkg --listfiles firewalld ;;
  "--query firewalld") printf '%s\n' "$2" "$3" ;;
  "--query --file") dpkg --search "$4" >/dev/null 2>&1 ;;
  "--verify --nomtime") echo "S.5....T.  c /etc/firewalld/firewalld.conf"; cat "$CHANGED"; exit 1 ;;
  *) exit 9 ;;
esac
"""
OFFLINE = (
    'mount --bind "$1" /etc/firewalld && mount --bind "$LIB" /usr/lib/firewalld && mount -t tmpfs made /run && '
    'exec bash "$2"'
)
# A machine with firewalld, and a neighbour with the probe. The listeners are on all addresses of the machine.
RUNNING = r"""
set -eu
mount --bind "$1" /etc/firewalld
mount --bind "$LIB" /usr/lib/firewalld
mount -t tmpfs made /run
mkdir /run/dbus
unshare --net sleep 300 &
neighbour=$!
trap 'kill $neighbour' EXIT
ip link set lo up
ip link add eth0 type veth peer name eth1
own=$(readlink /proc/self/ns/net)
for try in $(seq 100); do [ "$(readlink /proc/$neighbour/ns/net)" != "$own" ] && break; sleep 0.1; done
ip link set eth1 netns $neighbour
ip address add 10.66.0.4/24 dev eth0
ip link set eth0 up
nsenter --net=/proc/$neighbour/ns/net sh -c 'ip address add 10.66.0.5/24 dev eth1; ip link set eth1 up'
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/run/firewalld.log 2>&1 &
for try in $(seq 100); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.2; done
firewall-cmd --state
bash "$2"
"$3" -c "$4" &
for try in $(seq 100); do [ -e /run/listening ] && break; sleep 0.1; done
firewall-cmd --zone=public --list-all >"$5/zone"
firewall-cmd --get-zone-of-interface=lo >"$5/loopback"
nsenter --net=/proc/$neighbour/ns/net "$3" -I -S "$6" 10.66.0.4 "$5/asked.json" "$5/found.json"
"""
LISTENERS = """\
import pathlib, socket, time
made = [socket.socket() for _ in range(4)]
for each, port in zip(made, (22, 8443, 9090, 9999)):
    each.bind(("0.0.0.0", port)); each.listen()
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); heard.bind(("0.0.0.0", 53))
pathlib.Path("/run/listening").touch()
while True:
    content, sender = heard.recvfrom(64); heard.sendto(content, sender)
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A folder that stands for /etc/firewalld, as a step of a team left it."""
    for program, package in (
        ("firewall-offline-cmd", "firewalld"),
        ("dbus-daemon", "dbus-daemon"),
        ("ip", "iproute2"),
    ):
        if not optional_tools.is_here(program):
            optional_tools.missing("firewalld", f"{program} is missing: install Debian's {package}")
    why = guest.obstacle()
    if why:
        optional_tools.missing("firewalld", why)
    folder = tmp_path / "firewalld"
    shutil.copytree("/etc/firewalld", folder)
    for name in ("public.xml", "internal.xml"):
        (folder / "zones" / name).write_text(ZONE, encoding="utf-8")
    shutil.copytree("/usr/lib/firewalld", tmp_path / "lib")
    (tmp_path / "changed").touch()
    (tmp_path / "bin").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("rpm", RPM)):
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return folder


def _run(etc: Path, script: str, *words: str, serves: str, namespaces: tuple[str, ...] = ()) -> str:
    done = _ended(etc, script, *words, serves=serves, namespaces=namespaces)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _ended(
    etc: Path, script: str, *words: str, serves: str, namespaces: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    whole = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        *namespaces,
        "sh",
        "-c",
        script,
        "sh",
        str(etc),
    ]
    environment = {
        "PATH": f"{etc.parent / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "CALLS": str(etc.parent / "calls"),
        "CHANGED": str(etc.parent / "changed"),
        "LIB": str(etc.parent / "lib"),
        "LC_ALL": "C.UTF-8",
        "IMAGEFACTORY_SERVES": serves,
    }
    return subprocess.run(
        [*whole, str(SCRIPT), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _zone(etc: Path, name: str = "public") -> str:
    return (etc / "zones" / f"{name}.xml").read_text(encoding="utf-8")


def test_the_files_let_in_what_is_declared_and_what_a_step_opened_is_closed_and_named(etc: Path) -> None:
    said = _run(etc, OFFLINE, serves=SERVES).splitlines()
    assert "firewall: closed 9999/tcp: name it in spec.serves if the image serves it" in said
    assert "firewall: closed the service http: name its ports in spec.serves if the image serves them" in said
    assert 'firewall: removed from the zone public: rule service name="https" accept' in said
    assert not any("cockpit" in line for line in said)  # Red Hat's own
    written = {line.strip() for line in _zone(etc).splitlines() if "name=" in line or "port=" in line}
    assert written == {
        '<service name="ssh"/>',
        '<service name="dhcpv6-client"/>',
        '<port port="53" protocol="udp"/>',
        '<port port="8200" protocol="tcp"/>',
        '<port port="8443" protocol="tcp"/>',
    }
    assert sorted(path.name for path in (etc / "zones").iterdir()) == ["public.xml", "trusted.xml"]
    asked = (etc.parent / "calls").read_text(encoding="utf-8").splitlines()
    assert {"unmask firewalld", "enable firewalld", "disable --now cockpit.socket"} <= set(asked)


def test_the_loopback_has_a_zone_of_its_own_with_the_rules_of_the_benchmark(etc: Path) -> None:
    _run(etc, OFFLINE, serves="")
    found = "".join(line.strip() for line in _zone(etc, "trusted").splitlines())
    assert '<interface name="lo"/>' in found
    for family, address in (("ipv4", "127.0.0.1"), ("ipv6", "::1")):
        rule = f'<rule family="{family}"><source address="{address}"/><destination address="{address}" invert="True"/>'
        assert rule + "<drop/></rule>" in found


def test_a_second_run_changes_nothing_and_another_list_replaces_the_first(etc: Path) -> None:
    _run(etc, OFFLINE, serves=SERVES)
    first = _zone(etc)
    said = _run(etc, OFFLINE, serves=SERVES)
    assert _zone(etc) == first
    assert "removed" not in said
    said = _run(etc, OFFLINE, serves="8200/tcp=deployed")  # a child does not inherit
    assert "firewall: closed 8443/tcp" in said
    assert "8443" not in _zone(etc)
    assert 'port="8200"' in _zone(etc)


def test_cockpit_stays_where_its_port_is_declared(etc: Path) -> None:
    _run(etc, OFFLINE, serves="9090/tcp=boot")
    assert "cockpit" not in (etc.parent / "calls").read_text(encoding="utf-8")
    assert 'port="9090"' in _zone(etc)


WIDE = '<service><port port="22" protocol="tcp"/><port port="9100" protocol="tcp"/></service>'
OPEN = '<policy target="ACCEPT"><ingress-zone name="ANY"/><egress-zone name="HOST"/></policy>'
ADDED = {
    "/etc/firewalld/services/ssh.xml": WIDE,
    "/etc/firewalld/ipsets/mine.xml": '<ipset type="hash:ip"><entry>10.0.0.1</entry></ipset>',
    "/etc/firewalld/policies/open.xml": OPEN,
    "/usr/lib/firewalld/services/mine.xml": WIDE,
    "/usr/lib/firewalld/policies/open.xml": OPEN,
}


def test_what_lets_in_more_beside_the_zone_is_removed_and_named(etc: Path) -> None:
    added = {}
    for real, text in ADDED.items():
        path = Path(
            real.replace("/etc/firewalld", str(etc)).replace("/usr/lib/firewalld", f"{etc.parent}/lib")
        )
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        added[real] = path
    conf = etc / "firewalld.conf"
    usual = conf.read_text(encoding="utf-8")
    conf.write_text(usual.replace("FirewallBackend=nftables", "FirewallBackend=iptables"), encoding="utf-8")
    said = _run(etc, OFFLINE, serves="")
    assert [real for real in ADDED if f"firewall: removed {real}: " not in said] == []
    assert [path for path in added.values() if path.exists()] == []
    assert "firewall: set FirewallBackend=nftables" in said
    assert conf.read_text(encoding="utf-8") == usual
    kept = {path.relative_to(etc.parent / "lib") for path in (etc.parent / "lib").rglob("*.xml")}
    assert kept == {
        path.relative_to("/usr/lib/firewalld") for path in Path("/usr/lib/firewalld").rglob("*.xml")
    }


@pytest.mark.parametrize("told", [True, False])
def test_a_changed_file_of_firewalld_ends_the_build(etc: Path, *, told: bool) -> None:
    """By rpm, or by what firewalld makes of it where rpm's own records were changed too."""
    (etc.parent / "lib" / "services" / "ssh.xml").write_text(WIDE, encoding="utf-8")
    line = "S.5......    /usr/lib/firewalld/services/ssh.xml\n"
    (etc.parent / "changed").write_text(line if told else "", encoding="utf-8")
    done = _ended(etc, OFFLINE, serves="")
    assert done.returncode == 1
    assert ("a step has changed files of firewalld" in done.stderr) is told
    assert (line in done.stderr) is told
    assert told or "the service ssh lets in more or less than 22/tcp" in done.stderr


def test_a_running_firewalld_lets_the_builder_in_as_declared_and_nowhere_else(etc: Path) -> None:
    folder = etc.parent
    rows = [
        (8443, "tcp", "boot"),
        (8200, "tcp", "deployed"),
        (53, "udp", "boot"),
        (22, "tcp", "boot"),
        (9090, "tcp", "never"),  # cockpit listens here, and the firewall does not let anybody in
        (9999, "tcp", "never"),  # a team's step had opened it, and something listens
        (65533, "tcp", "never"),
    ]
    (folder / "asked.json").write_text(json.dumps(probe.asked(rows, patience=20)), encoding="utf-8")
    words = (sys.executable, LISTENERS, str(folder), str(probe.__file__))
    _run(
        etc,
        RUNNING,
        *words,
        serves=SERVES,
        namespaces=("--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
    )
    told = json.loads((folder / "found.json").read_text(encoding="utf-8"))["ports"]
    assert {f"{each['port']}/{each['protocol']}": each["found"] for each in told} == {
        "8443/tcp": probe.OPEN,
        "8200/tcp": probe.REFUSED,
        "53/udp": probe.OPEN,
        "22/tcp": probe.OPEN,
        "9090/tcp": probe.CLOSED,
        "9999/tcp": probe.CLOSED,
        "65533/tcp": probe.CLOSED,
    }
    assert (folder / "loopback").read_text(encoding="utf-8").strip() == "trusted"
    assert "  services: dhcpv6-client ssh\n" in (folder / "zone").read_text(encoding="utf-8")
