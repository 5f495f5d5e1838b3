"""Runs Packer as a child in its own process group, with a clean environment and a bounded life.

It reports how a run ended and gives every line to its caller. It knows nothing about templates or results.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import IO

from builder.credential import PACKER_VARIABLE, TOKEN_VARIABLE
from builder.packer import die_with_parent
from builder.stop import StopRequest
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError, TransientError

RECORDED = "recorded"  # the version that the recorded Packer prints
STOP_GRACE_SECONDS = 25.0  # for Packer's clean-up when the container is stopped
TIMEOUT_GRACE_SECONDS = 300.0  # for Packer's clean-up when only the run's time is over
_SHORT_SECONDS = 120.0  # for `version` and `validate`
_LINE_BYTES = 64 * 1024
_VERSION = re.compile(r"Packer v(\S+)")
_PASSED_ON = frozenset(
    {
        *("PATH", "LANG", "LC_ALL", "TZ", "PACKER_PLUGIN_PATH", "IF_RECORDED_SCENARIO"),
        *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
    }
)


@unique
class RunEnd(Enum):
    """Why a run of Packer has ended."""

    BY_ITSELF = "by itself"  # its exit code counts
    STOPPED = "stopped"  # the container got the signal to stop
    TIMED_OUT = "timed out"  # it ran longer than its time


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerRun:
    """The end of one run."""

    ended: RunEnd
    exit_code: int

    @property
    def succeeded(self) -> bool:
        """True if Packer ended by itself, with success."""
        return self.ended is RunEnd.BY_ITSELF and self.exit_code == 0

    @property
    def killed_by(self) -> str:
        """The signal that somebody else sent, for a person; empty where none ended it. -9 and 137 are both SIGKILL."""
        return signal_of(self.exit_code) if self.ended is RunEnd.BY_ITSELF else ""


class Packer:
    """The program at `program`, run in `folder`. Its output goes to `take`, all available lines in one call.

    `about_to_end` is called before a run is interrupted: what comes after is about Packer's clean-up.
    """

    def __init__(
        self,
        *,
        program: str,
        folder: Path,
        environ: Mapping[str, str],
        stop: StopRequest,
        take: Callable[[Sequence[str]], None],
        about_to_end: Callable[[], None] = lambda: None,
        stop_grace_seconds: float = STOP_GRACE_SECONDS,
        timeout_grace_seconds: float = TIMEOUT_GRACE_SECONDS,
    ) -> None:
        self._program = program
        self._folder = folder
        self._environment = clean_environment(environ, folder)
        self._stop = stop
        self._take = take
        self._about_to_end = about_to_end
        self._stop_grace = stop_grace_seconds
        self._timeout_grace = timeout_grace_seconds

    def version(self) -> str:
        """Packer's version, for example 1.16.0, or `recorded`.

        Raises PermanentError if there is no version, and TransientError (eviction) if the program was killed.
        """
        lines: list[str] = []
        run = self._run(["version"], _short, lines.extend)
        found = _VERSION.search("".join(lines))
        if found is not None or self._stop.requested:
            return "" if found is None else found[1]
        if run.killed_by or run.ended is RunEnd.TIMED_OUT:
            how = f"was killed by {run.killed_by}" if run.killed_by else "did not answer in time"
            raise TransientError(ErrorClass.EVICTION, f"Packer {how} when it was asked for its version")
        text = f"{self._program} does not answer as Packer does: see the builder's image"
        raise PermanentError(ErrorClass.TEMPLATE, text, owner=Owner.PLATFORM)

    def validate(self, template: str) -> PackerRun:
        """`packer validate`. It changes nothing."""
        return self._run(["validate", template], _short, self._take)

    def build(self, template: str, *, limit: Callable[[], float]) -> PackerRun:
        """`packer build`. After `limit()` seconds it is interrupted, and later killed. The limit may rise meanwhile."""
        arguments = ["build", "-color=false", "-timestamp-ui", template]
        return self._run(arguments, limit, self._take)

    def _run(
        self, arguments: list[str], limit: Callable[[], float], take: Callable[[Sequence[str]], None]
    ) -> PackerRun:
        if self._stop.requested:
            return PackerRun(ended=RunEnd.STOPPED, exit_code=-1)
        program = shutil.which(self._program, path=self._environment.get("PATH"))
        if program is None:
            text = f"{self._program} is not a program of this container: see the builder's image"
            raise PermanentError(ErrorClass.TEMPLATE, text, owner=Owner.PLATFORM)
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), program, *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        waiter = threading.Thread(target=self._await, args=(child,), daemon=True)
        reader = threading.Thread(target=_read, args=(child.stdout, take), daemon=True)
        waiter.start()
        reader.start()
        ended = self._follow(child, limit)
        if ended is not RunEnd.BY_ITSELF:
            self._end(child, waiter)
        _signal(child, signal.SIGKILL)  # what Packer left running in its process group
        reader.join(5.0)
        return PackerRun(ended=ended, exit_code=child.returncode)

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        self._stop.wake()

    def _follow(self, child: subprocess.Popen[bytes], limit: Callable[[], float]) -> RunEnd:
        started = time.monotonic()
        while True:
            if child.returncode is not None:  # set before the stop request wakes this thread
                return RunEnd.BY_ITSELF
            if self._stop.requested:
                return RunEnd.STOPPED
            left = started + limit() - time.monotonic()
            if left <= 0:
                return RunEnd.TIMED_OUT
            self._stop.wait(min(left, 1.0))

    def _end(self, child: subprocess.Popen[bytes], waiter: threading.Thread) -> None:
        """Interrupt once, wait, kill. A second interrupt would make Packer skip its clean-up."""
        self._about_to_end()
        _signal(child, signal.SIGINT)
        started = time.monotonic()
        while waiter.is_alive():
            grace = self._stop_grace if self._stop.requested else self._timeout_grace
            left = started + grace - time.monotonic()
            if left <= 0:
                break
            waiter.join(min(left, 0.2))
        _signal(child, signal.SIGKILL)
        waiter.join()


def signal_of(exit_code: int) -> str:
    """The signal that ended a program with this exit code, and what sends it; empty where none did.

    A shell reports 128 and the number of the signal. Packer itself ends with 0, 1 or 2.
    """
    try:
        name = signal.Signals(-exit_code if exit_code < 0 else exit_code - 128).name
    except ValueError:
        return ""
    memory = ", as for want of memory" if name == "SIGKILL" else ""
    return f"{name} (exit code {exit_code}{memory})"


def _short() -> float:
    return _SHORT_SECONDS


def clean_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Packer's environment: paths, proxies, trusted certificates, its identity. No variable changes its behaviour."""
    passed = {name: value for name, value in environ.items() if name in _PASSED_ON}
    if TOKEN_VARIABLE in environ:
        # The token is not in the template, because that is a file. The template declares this variable as sensitive.
        passed[f"PKR_VAR_{PACKER_VARIABLE}"] = environ[TOKEN_VARIABLE]
    return {
        **passed,
        "CHECKPOINT_DISABLE": "1",
        "HOME": str(folder),
        "PACKER_CACHE_DIR": str(folder / "packer-cache"),
        "PACKER_CONFIG_DIR": str(folder / "packer-config"),
        "PACKER_NO_COLOR": "1",
        "TMPDIR": str(folder),
    }


def _read(stream: IO[bytes] | None, take: Callable[[Sequence[str]], None]) -> None:
    """Give on whole lines with their ends. A line longer than `_LINE_BYTES` comes in pieces."""
    if stream is None:
        return
    held = b""
    with stream:
        while chunk := os.read(stream.fileno(), _LINE_BYTES):
            whole, end, held = (held + chunk).rpartition(b"\n")
            if end:
                lines = whole.decode("utf-8", errors="replace").split("\n")
                take([f"{line}\n" for line in lines])
            if len(held) >= _LINE_BYTES:
                take([held.decode("utf-8", errors="replace")])
                held = b""
    if held:
        take([held.decode("utf-8", errors="replace")])


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
        return
