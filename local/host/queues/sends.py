"""Notices what this process puts into queues, so that their listeners look at once and else may look less often.

The real host does the same for its output bindings. An app that sends with the storage SDK is seen by the audit
event that Python's own HTTP client raises for each request. Nothing is changed or held up by it; what other
processes send is found by polling, as ever.
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
    """Calls `notice` with queue and seconds until the message can be seen, on the thread that begins to send it."""

    def __init__(self, notice: Notice) -> None:
        self._notice: Notice | None = notice

    def begin(self) -> None:
        """From now on; to be called once."""
        sys.addaudithook(self._hear)

    def end(self) -> None:
        """No more; the hook itself stays for as long as the process, since Python cannot take one away."""
        self._notice = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != _EVENT or self._notice is None or len(arguments) < 2:
            return
        found = parse(arguments[1])
        if found is not None:
            self._notice(*found)


def parse(sent: object) -> tuple[str, float] | None:
    """Queue and delay of a request that puts a message into a queue; None for everything else that is sent."""
    if not isinstance(sent, bytes | bytearray):
        return None
    found = _SEND.match(sent)
    if found is None:
        return None
    delay = _DELAY.search(found[2] or b"")
    return found[1].decode("ascii"), float(delay[1]) if delay else 0.0
