"""Notices messages that this process puts into queues. So their listeners look at once, and otherwise less often.

The real host does the same for its output bindings. Python's HTTP client raises an audit event for each request, and
this event shows what an app sends with the storage SDK. Nothing is changed or delayed. Messages of other processes are
found by polling.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

_EVENT = "http.client.send"
_SEND = re.compile(rb"POST (?:/[^/? ]+)?/([a-z0-9-]{3,63})/messages(?:\?([^ ]*))? HTTP/")
_DELAY = re.compile(rb"(?:^|&)visibilitytimeout=(\d{1,7})(?:&|$)")

Notice = Callable[[str, float], None]


class SendWatch:
    """Calls `notice` with the queue and the seconds until the message is visible, on the thread that sends it."""

    def __init__(self, notice: Notice) -> None:
        self._notice: Notice | None = notice

    def begin(self) -> None:
        """Begin to watch. Call this once."""
        sys.addaudithook(self._hear)

    def end(self) -> None:
        """Stop watching. The hook itself stays as long as the process, because Python cannot remove it."""
        self._notice = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != _EVENT or self._notice is None or len(arguments) < 2:
            return
        found = parse(arguments[1])
        if found is not None:
            self._notice(*found)


def parse(sent: object) -> tuple[str, float] | None:
    """Queue and delay of a request that puts a message into a queue. None for any other request."""
    if not isinstance(sent, bytes | bytearray):
        return None
    found = _SEND.match(sent)
    if found is None:
        return None
    delay = _DELAY.search(found[2] or b"")
    return found[1].decode("ascii"), float(delay[1]) if delay else 0.0
