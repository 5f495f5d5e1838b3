"""A container as a process, in its own process group and folder. The caller gives its whole environment.

No variable of the host's environment enters it. Only programs from a fixed table are started. Any other command
fails like an executable that an image does not have.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from local.arm.containers.starts import PlainStarter, Program, Started, Starter

LOG_LIMIT: Final = 4 * 1024 * 1024  # the part of a running container's log that Azure keeps
STOPPED_LOG_LIMIT: Final = 16 * 1024  # the same for a stopped container
_CHUNK: Final = 64 * 1024


class Process:
    """A running program with its log; `ended` is called with the exit code when all its processes have ended."""

    def __init__(self, folder: Path, ended: Callable[[int], None], starter: Starter | None = None) -> None:
        self._folder = folder
        self._ended = ended
        self._starter = starter or PlainStarter()
        self._log = bytearray()
        self._child: Started | None = None
        self._stopping = False
        self.finished = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id, or None before the start."""
        return self._child.pid if self._child else None

    def log(self) -> str:
        """The part of the output that is kept."""
        return self._log.decode("utf-8", errors="replace")

    async def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program and follow it to its end. Raises OSError if it cannot start."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The pipe is our own. With asyncio's pipe the end is seen only after every descendant has closed it.
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self._read, reading)
        try:
            try:
                program = Program(command=tuple(command), environment=environment, folder=self._folder)
                self._child = await self._starter.start(program, writing)
            finally:
                os.close(writing)
            if self._stopping:  # the stop came during the start
                self._signal(signal.SIGTERM)
            code = await self._child.wait()
            self._kill_all()  # the end of a container ends all processes that its first process left
            self._child.release()
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
        """Send SIGTERM, and SIGKILL after the grace period. Returns after the program has ended."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.finished.wait(), grace_seconds)
        except TimeoutError:
            self._kill_all()
            await self.finished.wait()

    def _kill_all(self) -> None:
        """Send SIGKILL to the group and to all other groups of the session, because Packer has its own group."""
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
        except PermissionError:  # macOS raises it for a group of zombies
            return

    def _read(self, reading: int) -> bool:
        """Read one part of the pipe's content. False if the pipe is empty now."""
        try:
            chunk = os.read(reading, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:  # all writers have ended; if the reader stayed, the loop would call it without end
            asyncio.get_running_loop().remove_reader(reading)
            return False
        self._log += chunk
        del self._log[:-LOG_LIMIT]
        return True


def _session(leader: int) -> list[int]:
    """The processes of a session, if the system lists them (Linux). No process on other systems."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found.append(int(stat.parent.name))
    return found
