"""Child programs: each has its own process group and log file, is ready in bounded time, and is always stopped.

A child must not outlive us. `stop` ends its whole group, our exit stops all children, and on Linux the kernel kills a
child when we are killed. The kernel's guard depends on the *thread* that started the child. So start a child from a
thread that lives at least as long. This module does not know what the children do.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.02
_LAST_LINES = 15

Ready = Callable[[], bool]


class StartFailedError(Exception):
    """A program ended, or was not ready in time. The message holds the end of its log."""


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
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds. Returns the exit code. Safe to repeat."""
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
        """Send SIGKILL to the whole group, like a crash. For tests of a restart after it."""
        _signal_group(self.pid, signal.SIGKILL)
        self.child.wait(timeout=10)
        with contextlib.suppress(ValueError):
            _alive.remove(self)


_alive: list[Running] = []  # our exit stops these


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
    """Start `command` and wait until `ready()`. Raises StartFailedError if it ends first or takes too long.

    `environment`, if given, replaces ours. `folder` is its working directory. Its output is appended to `log`.
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
    except BaseException:  # an interrupt during the wait must end the child too
        running.stop(grace=1.0)
        raise


def _signal_group(group: int, number: signal.Signals) -> None:
    # PermissionError is how macOS says that only zombies are left in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _death_guard() -> Callable[[], None] | None:
    """The child calls this before it becomes its program. It asks the kernel to end it with us (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None  # other systems have only the exit hook
    library = ctypes.CDLL(None)
    parent = os.getpid()

    def guard() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died between the fork and the call
            os._exit(1)

    return guard
