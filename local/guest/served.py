"""The ports of an emulated machine: real listeners on free loopback ports, and the answers of an emulated firewall.

The builder's own probe runs against them. A machine serves what its definition declares, unless the scenario says
otherwise: `fail-ports` (the first declared port is not served; without one, an undeclared port answers) and
`fail-undeclared` (an undeclared port answers). Its platform steps decide whether its firewall is set at all. For a real
Packer: `python -m local.guest.served SCENARIO ASKED FOUND HOST`. It needs only the standard library and the probe.
"""

import json
import socket
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from builder.results import probe

ADDRESS: Final = "127.0.0.1"
PLATFORM: Final = Path("platform.tar.gz")  # in the folder where Packer works
_COCKPIT: Final = (9090, "tcp")
_Port = tuple[int, str]


def sets_firewall(platform: Path) -> bool:
    """Whether the platform steps of this archive set the firewall of the image."""
    with tarfile.open(platform) as archive:
        return any("platform/after/" in name and "firewall" in name for name in archive.getnames())


def fates(question: Mapping[str, Any], scenario: str, *, is_set: bool) -> dict[_Port, str]:
    """What a try at each port finds, in the probe's words. Pure.

    A firewall that no step has set is Red Hat's zone `public`: it lets in cockpit, and no port of the definition.
    """
    if not is_set:
        ports = [_port(each) for each in question["ports"]]
        return {port: probe.REFUSED if port == _COCKPIT else probe.CLOSED for port in ports}
    usual = {"boot": probe.OPEN, "deployed": probe.REFUSED, "never": probe.CLOSED}
    found = {_port(each): usual[each["when"]] for each in question["ports"]}
    declared = [each for each in question["ports"] if each["when"] != "never"]
    others = [each for each in question["ports"] if each["when"] == "never"]
    if scenario == "fail-ports" and declared:
        is_started = declared[0]["when"] == "boot"
        found[_port(declared[0])] = probe.REFUSED if is_started else probe.CLOSED
    elif scenario in ("fail-ports", "fail-undeclared") and others:
        found[_port(others[0])] = probe.OPEN
    return found


@contextmanager
def machine(wanted: Mapping[_Port, str]) -> Iterator[probe.Connect]:
    """What connects to the machine, in place of the network. Its sockets are closed at the end."""
    with ExitStack() as sockets:
        places: dict[_Port, int] = {}
        for (number, protocol), fate in wanted.items():
            if fate != probe.CLOSED:
                places[number, protocol] = _bound(sockets, protocol, is_open=fate == probe.OPEN)

        def connect(host: str, port: int, protocol: str) -> str:
            place = places.get((port, protocol))
            return probe.CLOSED if place is None else probe.connect(ADDRESS, place, protocol)

        yield connect


def answer(question: Mapping[str, Any], scenario: str, *, is_set: bool) -> dict[str, Any]:
    """What the probe finds. It does not wait: an emulated machine does not change."""
    with machine(fates(question, scenario, is_set=is_set)) as connect:
        return probe.try_all(ADDRESS, {**question, "patience": 0}, connect=connect)


def main(arguments: Sequence[str]) -> int:
    """The probe's program, against the emulated machine. It must be given the address that all of them have."""
    scenario, asked, found, host = arguments
    if host != ADDRESS:
        sys.stderr.write(f"ports: {host!r} is not the address of an emulated machine\n")
        return 1
    question = json.loads(Path(asked).read_text(encoding="utf-8"))
    told = answer(question, scenario, is_set=sets_firewall(PLATFORM))
    Path(found).write_text(json.dumps(told) + "\n", encoding="utf-8")
    sys.stdout.writelines(f"{line} (emulated)\n" for line in probe.lines_of(told))
    return 0


def _bound(sockets: ExitStack, protocol: str, *, is_open: bool) -> int:
    """A free port that is taken for the length of the run. It listens if `is_open`, and else refuses."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    made = sockets.enter_context(socket.socket(socket.AF_INET, kind))
    made.bind((ADDRESS, 0))
    port: int = made.getsockname()[1]
    if protocol == "tcp" and is_open:
        made.listen()
    elif protocol == "udp" and is_open:
        threading.Thread(target=_echo, args=(made,), daemon=True).start()
    elif protocol == "udp":
        made.close()  # a bound socket would swallow the datagram, and the kernel refuses for a free port
    return port


def _echo(served: socket.socket) -> None:
    try:
        while True:
            content, sender = served.recvfrom(64)
            served.sendto(content, sender)
    except OSError:
        return  # closed: the run has ended


def _port(asked: Mapping[str, Any]) -> _Port:
    return int(asked["port"]), str(asked["protocol"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
