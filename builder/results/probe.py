"""Tries the ports of the booted machine over the network: a program of its own, which Packer runs beside the builder.

`python -I -S probe.py HOST ASKED FOUND`. ASKED is a JSON file of `asked`, FOUND is written in the form of `try_all`. It
needs only the standard library. It only looks: `builder.results.ports` judges what was found.
"""

import errno
import json
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

OPEN: Final = "open"  # somebody answered
REFUSED: Final = "refused"  # the machine itself refused: the way is open, and nothing listens
CLOSED: Final = "closed"  # a firewall said no, or nothing came back over TCP
SILENT: Final = (
    "silent"  # nothing came back over UDP, as of most services that get a datagram they cannot read
)

# What may be found at a port, by what the definition says of it. `never` is a port that it does not name.
GOOD: Final[Mapping[str, frozenset[str]]] = {
    "boot/tcp": frozenset({OPEN}),
    "deployed/tcp": frozenset({OPEN, REFUSED}),
    "boot/udp": frozenset({OPEN, SILENT}),
    "deployed/udp": frozenset({OPEN, REFUSED, SILENT}),
    "never/tcp": frozenset({CLOSED}),
}
PATIENCE: Final = 90.0  # seconds for a service to start: SSH answers earlier than most
_REFUSALS: Final = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
_ANSWER: Final = 5.0  # seconds for one answer
_PAUSE: Final = 1.0  # seconds between two tries
_AT_ONCE: Final = 16

Connect = Callable[[str, int, str], str]


def asked(ports: Iterable[tuple[int, str, str]], patience: float = PATIENCE) -> dict[str, Any]:
    """The question, for a file: number, protocol and `when` of each port."""
    rows = [{"port": number, "protocol": protocol, "when": when} for number, protocol, when in ports]
    return {"ports": rows, "patience": patience}


def connect(host: str, port: int, protocol: str) -> str:
    """What one try finds."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as tried:
        tried.settimeout(_ANSWER)
        try:
            tried.connect((host, port))
            if protocol == "tcp":
                return OPEN
            tried.send(b"\0")
            tried.recv(1)
        except OSError as error:
            return of_error(error, protocol)
        return OPEN


def of_error(error: OSError, protocol: str) -> str:
    """What an error of a try says. A firewall that rejects answers with ICMP, which the kernel reports at once."""
    if isinstance(error, TimeoutError):
        return CLOSED if protocol == "tcp" else SILENT
    return REFUSED if error.errno in _REFUSALS else CLOSED


def is_good(when: str, protocol: str, found: str) -> bool:
    """Whether a port may be found like this."""
    return found in GOOD.get(f"{when}/{protocol}", frozenset())


def try_all(
    host: str,
    question: Mapping[str, Any],
    *,
    connect: Connect = connect,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """What was found at each port: `{"ports": [{"port", "protocol", "when", "found"}]}`.

    A port that is not as it must be is tried again until the patience ends, all of them at the same time.
    """
    ends = now() + float(question["patience"])

    def find(port: Mapping[str, Any]) -> dict[str, Any]:
        number, protocol, when = int(port["port"]), str(port["protocol"]), str(port["when"])
        while True:
            found = connect(host, number, protocol)
            if is_good(when, protocol, found) or now() >= ends:
                return {"port": number, "protocol": protocol, "when": when, "found": found}
            sleep(_PAUSE)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {"ports": list(pool.map(find, question["ports"]))}


def lines_of(answer: Mapping[str, Any]) -> Iterable[str]:
    """One line for each port, for the log."""
    for each in answer["ports"]:
        yield f"ports: {each['port']}/{each['protocol']} ({each['when']}): {each['found']}"


def main(arguments: Sequence[str], connect: Connect = connect) -> int:
    """The program. Ends with 1 if it could not look, and with 0 whatever it found."""
    host, question, found = arguments
    try:
        answer = try_all(host, json.loads(Path(question).read_text(encoding="utf-8")), connect=connect)
        Path(found).write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"ports: could not be tried: {error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines_of(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
