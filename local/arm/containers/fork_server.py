"""Starts processes as forks of a process that has imported their modules already: less than a tenth of a start.

The imports are most of what a builder's start costs, and the main job starts 26 builders. A fork is given only
where nothing can tell it from a plain start (`zygote` says how). Everything else is started plainly: other programs,
other variables of the interpreter, systems on which a fork without a new program is not safe, and every program
while the server cannot serve.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from local.arm.containers.starts import PlainStarter, Program, Started, Starter, end_with_parent

# macOS: system libraries may refuse to work in a process that was forked and did not start a new program.
CAN_FORK: Final = sys.platform == "linux"
_PROGRAM: Final = Path(__file__).with_name("zygote.py")
_MESSAGE: Final = 64 * 1024
# Read once by an interpreter, its C library or its linker, before a forked process could set them.
_EARLY: Final = ("PYTHON", "LC_", "LANG", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_", "COVERAGE_")
_log = logging.getLogger(__name__)


class _Refused(Exception):
    """The server could not fork. The text says why."""


class _Changed(_Refused):
    """A loaded file has changed. A new server is needed."""


class _Server:
    """One server process and the processes that it has forked."""

    def __init__(self, early: Mapping[str, str]) -> None:
        self.early = early
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[int] = loop.create_future()
        self._starts: dict[int, asyncio.Future[int]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._count = 0
        self._child: asyncio.subprocess.Process | None = None
        self.is_over = False
        self.is_retired = False  # forks no more, and ends after its last process

    async def begin(self, folder: Path, modules: Sequence[str]) -> None:
        """Start the server and wait until it can fork. Raises OSError and _Refused."""
        home = folder / "fork-server"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = self._theirs.fileno()
        try:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_PROGRAM),
                str(folder),
                str(number),
                *modules,
                cwd=home,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), **self.early},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(number,),
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(signal.SIGKILL),
            )
        finally:
            self._theirs.close()
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        await self._ready

    async def fork(self, program: Program, output: int) -> "_Fork":
        """Fork one process. Raises OSError as a plain start does, and _Refused."""
        self._count += 1
        message = {
            "id": self._count,
            "words": program.command[2:],
            "environment": dict(program.environment),
            "folder": str(program.folder),
        }
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._ours, [json.dumps(message).encode()], [output])
        except OSError as error:  # closed, full, or too long for one message
            raise _Refused(str(error)) from error
        self._starts[self._count] = answer
        pid = await answer
        return _Fork(self, pid)

    async def wait(self, pid: int) -> int:
        """The end of a forked process, as `Started.wait`."""
        return await asyncio.shield(self._ends[pid])

    def reap(self, pid: int) -> None:
        """The id of an ended process may be given to another process from now on."""
        if self._ends.pop(pid, None) is not None:
            with contextlib.suppress(OSError):
                self._ours.send(json.dumps({"reap": pid}).encode())
        if self.is_retired:
            self.retire()

    def retire(self) -> None:
        """Fork no more, and end after the last process."""
        self.is_retired = True
        if not self._starts and not self._ends:
            self._end()

    async def close(self) -> None:
        """End the server. Safe to repeat."""
        self._end()
        if self._child is not None:
            await self._child.wait()

    def _read(self) -> None:
        try:
            content = self._ours.recv(_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._end()
            return
        message: dict[str, Any] = json.loads(content)
        if "ready" in message:
            self._ready.set_result(message["ready"])
        elif "ended" in message:
            found = self._ends.get(message["ended"])
            if found is not None and not found.done():
                found.set_result(message["code"])
        else:
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        answer = self._starts.pop(message["id"])
        if "pid" in message:
            self._ends[message["pid"]] = asyncio.get_running_loop().create_future()
        if answer.done():  # its caller was cancelled
            if "pid" in message:
                os.killpg(message["pid"], signal.SIGKILL)
                self.reap(message["pid"])
        elif "pid" in message:
            answer.set_result(message["pid"])
        elif "changed" in message:
            answer.set_exception(_Changed(f"{message['changed']} has changed"))
        else:
            answer.set_exception(OSError(*message["failure"]))

    def _end(self) -> None:
        """The server has ended or must end: the kernel sends SIGTERM to its processes, and their callers kill them."""
        if self.is_over:
            return
        self.is_over = True
        asyncio.get_running_loop().remove_reader(self._ours)
        self._ours.close()
        for waiting in (self._ready, *self._starts.values()):
            if not waiting.done():
                waiting.set_exception(_Refused("the fork server has ended"))
                waiting.exception()  # nobody may be waiting
        self._starts.clear()
        for ending in self._ends.values():
            if not ending.done():
                ending.set_result(-signal.SIGKILL)


class _Fork:
    """A forked process."""

    def __init__(self, server: _Server, pid: int) -> None:
        self._server = server
        self._pid = pid

    @property
    def pid(self) -> int:
        return self._pid

    async def wait(self) -> int:
        return await self._server.wait(self._pid)

    def release(self) -> None:
        self._server.reap(self._pid)


class ForkServer:
    """A starter for commands `PYTHON -m MODULE ...` of the given modules.

    `modules` maps each of them to what the server imports for it. The server begins with the first such command. A
    server that cannot serve from its beginning would only cost time at each start, so it is tried once.
    """

    def __init__(self, folder: Path, modules: Mapping[str, str], *, otherwise: Starter | None = None) -> None:
        self._folder = folder
        self._modules = modules
        self._plain = otherwise or PlainStarter()
        self._server: _Server | None = None
        self._retired: list[_Server] = []  # their processes may still run
        self._beginning = asyncio.Lock()
        self._is_useless = False

    async def start(self, program: Program, output: int) -> Started:
        """As `Starter`."""
        try:
            if CAN_FORK and not self._is_useless and self._knows(program.command):
                return await self._fork(program, output)
        except _Refused as error:
            _log.warning("a container is started plainly: %s", error)
        return await self._plain.start(program, output)

    async def close(self) -> None:
        """As `Starter`."""
        servers = [*self._retired, *([self._server] if self._server else [])]
        self._server = None
        self._retired = []
        await asyncio.gather(*(server.close() for server in servers))

    def _knows(self, command: Sequence[str]) -> bool:
        return (
            len(command) > 2 and tuple(command[:2]) == (sys.executable, "-m") and command[2] in self._modules
        )

    async def _fork(self, program: Program, output: int) -> Started:
        early = {name: value for name, value in program.environment.items() if name.startswith(_EARLY)}
        server = await self._serving(early)
        try:
            return await server.fork(program, output)
        except _Changed as error:
            _log.warning("the fork server begins again: %s", error)
            self._retire(server)
        server = await self._serving(early)
        try:
            return await server.fork(program, output)
        except _Changed:  # at once: the times of the files cannot be trusted here
            self._is_useless = True
            self._retire(server)
            raise

    async def _serving(self, early: Mapping[str, str]) -> _Server:
        """The server, ready to fork. Raises _Refused."""
        async with self._beginning:
            if self._server is not None and self._server.is_over:
                self._retire(self._server)
            if self._server is None:
                self._server = await self._new_server(early)
            if self._server.early != early:
                raise _Refused("its variables for the interpreter are not those of the fork server")
            return self._server

    async def _new_server(self, early: Mapping[str, str]) -> _Server:
        """Raises _Refused."""
        server: _Server | None = None
        try:
            server = _Server(early)
            await server.begin(self._folder, tuple(self._modules.values()))
        except (OSError, _Refused) as error:
            self._is_useless = True
            if server is not None:
                await server.close()
            raise _Refused(f"no fork server: {error}") from error
        return server

    def _retire(self, server: _Server) -> None:
        server.retire()
        if server is self._server:  # else another start has done this
            self._retired.append(server)
            self._server = None
