"""Finds in the output of a failed step that a package mirror or an update server could not be reached. Pure.

A missing file or a wrong address is not an outage. So the clear words of a client count alone: no answer, a broken
connection, or a status of a server that is overloaded or broken.
"""

import re
from dataclasses import dataclass

_LINES = 30  # before the end of a step: a client that gave up is the last that speaks
_LINE = 300  # characters of a line in a message

# curl's exit codes (curl.se, libcurl-errors): 5 and 6 a name, 7 no connection, 16, 18, 52, 55, 56 and 92 a connection
# that broke, 28 time, 35 TLS. dnf names them as "Curl error (28)" (rpm-software-management/librepo, handle.c).
_BROKEN = r"(?:7|16|18|28|52|55|56|92)"
_CLEAR = re.compile(
    rf"Curl error \({_BROKEN}\)|curl: \({_BROKEN}\)"
    r"|Status code: (?:429|5\d\d) for|returned error: (?:429|5\d\d)|ERROR (?:429|50[0234]):"
    r"|Temporary failure in name resolution|EAI_AGAIN|ETIMEDOUT|ECONNRESET"
    r"|Read timed out|ReadTimeoutError|ConnectTimeoutError|Connection timed out"
)
# The addresses of the platform's steps are reviewed and pinned, so a name that is not found is an outage too. A team
# may have mistyped it.
_OURS = re.compile(r"[Cc]url(?: error|:) \((?:5|6|35)\)|Could not resolve host|No more mirrors to try")
_HOST = re.compile(r"https?://([A-Za-z0-9.-]+)|(?:host:?|connect to) ([A-Za-z0-9-]+\.[A-Za-z0-9.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What the client said, and the host that it names; empty where it names none."""

    said: str
    host: str


def find(output: str, *, is_ours: bool) -> Outage | None:
    """The outage that the end of a step's output tells; `is_ours` for a step of the platform."""
    lines = output.splitlines()[-_LINES:]
    clear = next((line for line in reversed(lines) if _is_clear(line, is_ours=is_ours)), None)
    if clear is None:
        return None
    found = _HOST.search(clear)
    host = "" if found is None else (found[1] or found[2]).strip(".").lower()
    return Outage(said=" ".join(clear.split())[:_LINE], host=host)


def _is_clear(line: str, *, is_ours: bool) -> bool:
    return _CLEAR.search(line) is not None or (is_ours and _OURS.search(line) is not None)
