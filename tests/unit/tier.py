"""The promise of the unit tier, held by a check: no test in it starts a process or opens a port.

Python reports such calls to audit hooks, whichever library makes them. The hook of this module refuses them while a
watched test and its fixtures run; at any other time it does nothing. It must not touch what a test patches.
"""

import multiprocessing.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import urllib3.util.connection  # noqa: F401 - binds a socket when it is loaded, to see whether IPv6 works

PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
)
# A datagram opens a port too. `listen` without `bind` is not reported: no test of ours has a use for it.
PORTS = frozenset({"socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg"})


class NotAUnitTestError(RuntimeError):
    """A test of the unit tier started a process or opened a port."""


class Watch:
    """Which test runs now, and what was refused to it: a test that catches the refusal fails all the same."""

    def __init__(self) -> None:
        self.test = ""
        self.refused: list[str] = []

    @contextmanager
    def over(self, test: str) -> Generator[None]:
        """Refuse processes and ports to one test."""
        self.test = test
        self.refused.clear()
        try:
            yield
        finally:
            self.test = ""

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by Python for every audited event."""
        if not self.test:
            return
        if event in PROCESSES or (
            event in PORTS and isinstance(arguments[1], tuple)
        ):  # a Unix socket is not a port
            self.refuse(event)

    def refuse(self, asked: str) -> None:
        """Raise, and remember it."""
        if self.test:
            remedy = "mark a test that needs a process or a port with pytest.mark.process"
            message = f"{self.test} asked for {asked}: {remedy}"
            self.refused.append(message)
            raise NotAUnitTestError(message)


WATCH = Watch()
sys.addaudithook(WATCH.hear)

# A process that multiprocessing spawns is the one kind that Python does not report.
_spawn = multiprocessing.util.spawnv_passfds


def _watched_spawn(path: Any, args: Any, passfds: Any) -> int:
    WATCH.refuse("multiprocessing")
    return _spawn(path, args, passfds)


multiprocessing.util.spawnv_passfds = _watched_spawn
