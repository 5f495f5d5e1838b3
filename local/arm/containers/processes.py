"""A container as a process: in its own process group and folder, with an environment that is given whole.

Nothing of the host's environment leaks in. Only programs from a fixed table are ever started; a command that
is not in it fails as an executable that an image does not have.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

LOG_LIMIT: Final = 4 * 1024 * 1024  # what Azure keeps of a running container's log
STOPPED_LOG_LIMIT: Final = 16 * 1024  # and of a stopped one's
_CHUNK: Final = 64 * 1024
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """A running program with its log; `ended` is called with the exit code when all of it is gone."""

    def __init__(self, folder: Path, ended: Callable[[int], None]) -> None:
        self._folder = folder
        self._ended = ended
        self._log = bytearray()
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.finished = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id, or None before the start."""
        return self._child.pid if self._child else None

    def log(self) -> str:
        """What is kept of the output."""
        return self._log.decode("utf-8", errors="replace")

    async def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start and follow to the end; raises OSError where it cannot start."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A pipe of our own: with asyncio's, the end would be seen only when every descendant has closed it.
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._read, reading)
        try:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=self._folder,
                    env=dict(environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    start_new_session=True,
                    # Should the emulator be killed, the builder is told to stop and takes its own children along.
                    preexec_fn=_end_with_parent if _LIBC else None,
                )
            finally:
                os.close(writing)
            if self._stopping:  # told to stop while it was being started
                self._signal(signal.SIGTERM)
            code = await self._child.wait()
            self._kill_all()  # a container takes with it what its first process left behind
            while self._read(reading):
                pass
            del self._log[:-STOPPED_LOG_LIMIT]
            self._ended(128 - code if code < 0 else code)
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            shutil.rmtree(self._folder, ignore_errors=True)
            self.finished.set()

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM, and SIGKILL after the grace period; returns when it is gone."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.finished.wait(), grace_seconds)
        except TimeoutError:
            self._kill_all()
            await self.finished.wait()

    def _kill_all(self) -> None:
        """SIGKILL to the group, and to every other group of the session: Packer runs in one of its own."""
        self._signal(signal.SIGKILL)
        if self._child is None:
            return
        for pid in _session(self._child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is None:
            return
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:  # macOS says so of a group of zombies
            return

    def _read(self, reading: int) -> bool:
        """Take what is there; False where nothing more is."""
        try:
            chunk = os.read(reading, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:  # every writer is gone; without this the loop would be called for ever
            asyncio.get_running_loop().remove_reader(reading)
            return False
        self._log += chunk
        del self._log[:-LOG_LIMIT]
        return True


def _session(leader: int) -> list[int]:
    """The processes of a session, where the system tells (Linux); elsewhere none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found.append(int(stat.parent.name))
    return found


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
