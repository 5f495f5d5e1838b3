"""Child programs with an end: own process group, log file, ready in bounded time, surely stopped.

A child must not outlive us: `stop` ends its whole group, an exit of ours stops what still runs, and on Linux
the kernel kills it when we are killed. That last guard is tied to the *thread* that started the child, so
start children from a thread that lives as long as they should. Nothing here knows what the children do.
"""

import atexit
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import ports

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.02
_LAST_LINES = 15

Ready = Callable[[], bool]


class StartFailedError(Exception):
    """A program ended, or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A child that has started. `log` holds its output and errors together."""

    name: str
    child: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its group."""
        return self.child.pid

    def is_alive(self) -> bool:
        """Whether the child itself still runs."""
        return self.child.poll() is None

    def stop(self, *, grace: float = 5.0) -> int:
        """SIGTERM to the group, after `grace` seconds SIGKILL. Returns the exit code; safe to repeat."""
        if self.is_alive():
            _signal_group(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(timeout=grace)
        # Also after a clean end: a grandchild may have ignored the first signal.
        _signal_group(self.pid, signal.SIGKILL)
        code = self.child.wait(timeout=10)
        with contextlib.suppress(ValueError):
            _alive.remove(self)
        return code

    def kill(self) -> None:
        """SIGKILL to the whole group, as a crash would; for tests of what survives one."""
        _signal_group(self.pid, signal.SIGKILL)
        self.child.wait(timeout=10)
        with contextlib.suppress(ValueError):
            _alive.remove(self)


_alive: list[Running] = []  # what an exit of ours has to stop


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Ready,
    timeout: float = 30.0,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Running:
    """Start `command` and wait until `ready()`; raises StartFailedError when it ends first or takes too long.

    `environment` replaces ours where it is given; `folder` is its working directory; `log` is appended to.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                preexec_fn=_death_guard(),
            )
        except OSError as error:
            raise StartFailedError(f"{name} could not be started: {error}") from error
    running = Running(name=name, child=child, log=log)
    if not _alive:
        atexit.register(stop_all)
    _alive.append(running)
    _wait_until_ready(running, ready, timeout)
    return running


def stop_all() -> None:
    """Stop every child that still runs, the youngest first."""
    for running in reversed(tuple(_alive)):
        running.stop(grace=3.0)


def file_ready(path: Path) -> Ready:
    """Ready once `path` exists; its writer must create it whole, by renaming."""
    return path.exists


def port_ready(port: int) -> Ready:
    """Ready once somebody answers on the loopback port."""
    return lambda: ports.is_open(port)


def line_ready(log: Path, pattern: str) -> Ready:
    """Ready once a line of `log` matches the regular expression."""
    expression = re.compile(pattern, re.MULTILINE)
    return lambda: log.exists() and expression.search(log.read_text("utf-8", "replace")) is not None


def last_lines(log: Path) -> str:
    """The end of a log, for a message to a person."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])


def _wait_until_ready(running: Running, ready: Ready, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    try:
        while not ready():
            if not running.is_alive():
                raise StartFailedError(
                    f"{running.name} ended with exit code {running.child.returncode} before it was ready:\n"
                    f"{last_lines(running.log)}"
                )
            if time.monotonic() > deadline:
                raise StartFailedError(
                    f"{running.name} was not ready within {timeout:g} s:\n{last_lines(running.log)}"
                )
            time.sleep(_LOOK_EVERY)
    except BaseException:  # an interrupt while waiting must not leave the child either
        running.stop(grace=1.0)
        raise


def _signal_group(group: int, number: signal.Signals) -> None:
    # PermissionError is how macOS says that only zombies are left in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _death_guard() -> Callable[[], None] | None:
    """What the child does before it becomes its program: ask the kernel to die with us (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None  # elsewhere the exit hook has to do
    library = ctypes.CDLL(None)
    parent = os.getpid()

    def guard() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died between the fork and the call
            os._exit(1)

    return guard
