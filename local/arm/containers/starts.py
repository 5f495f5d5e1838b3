"""How a container's first process starts, and the plain way: a new program, as a child of the emulator.

Each way gives the same process: its own session, a folder, an environment, no input, one pipe as output. It gets
SIGTERM when the emulator dies (Linux).
"""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start: the words of a command, its whole environment, its working directory."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


class Started(Protocol):
    """A started process. It leads its own session and its own group."""

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its group and session."""
        ...

    async def wait(self) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        ...

    def release(self) -> None:
        """Call this after the end, when nothing needs the process id any more. Safe to repeat."""
        ...


class Starter(Protocol):
    """A way to start processes."""

    async def start(self, program: Program, output: int) -> Started:
        """Start `program` with the file descriptor `output` as its output and errors. Raises OSError."""
        ...

    async def close(self) -> None:
        """Give back what the starter holds. The processes have ended before."""
        ...


class PlainStarter:
    """Each process is a new program."""

    async def start(self, program: Program, output: int) -> Started:
        """As `Starter`."""
        child = await asyncio.create_subprocess_exec(
            *program.command,
            cwd=program.folder,
            env=dict(program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # If the emulator is killed, the builder gets SIGTERM and ends its own children.
            preexec_fn=end_with_parent if _LIBC else None,
        )
        return _Child(child)

    async def close(self) -> None:
        """As `Starter`."""


class _Child:
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        return self._child.pid

    async def wait(self) -> int:
        return await self._child.wait()

    def release(self) -> None:
        """Nothing to do: the wait has taken the process's end already."""


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Ask the kernel to send this signal to this process when its parent dies (Linux). For the time after a fork."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
