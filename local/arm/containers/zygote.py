"""`python zygote.py FOLDER CHANNEL MODULE...`: imports the modules once, then forks one process for each request.

A forked process replaces everything that it has from here by what the request gives (environment, folder, output,
session) and then runs its module as `python -m` does. What it cannot replace, it gets only if it is the same: the
caller compares the variables that an interpreter reads at its start. The loaded code is the code on the disk: this
program refuses to fork as soon as the file of a loaded module has changed. Random numbers are new in each process
(Python and OpenSSL see the fork); only the seed of hashes is the same.

FOLDER says whose server this is. CHANNEL is a socket of whole messages (JSON), and its end is the end of this
program. This is a program of its own and imports nothing of ours, so that no process inherits our modules.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

_PR_SET_PDEATHSIG = 1
_MESSAGE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A request, in the process that has to become the program of the request."""

    module: str
    arguments: list[str]


class ForkingError(Exception):
    """This process cannot be forked as it is. The text says why."""


class _LoadedFiles:
    """The files of the loaded modules, as they were after the import."""

    def __init__(self, began: float) -> None:
        paths = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
        self._files = {path: _state(path) for path in paths if path}
        # A file that was written during the import may have been read before.
        self._early = next(
            (path for path, state in self._files.items() if state and state[0] >= int(began * 1e9)), ""
        )

    def changed(self) -> str:
        """A file that is not what was loaded, or an empty text."""
        return self._early or next((path for path, old in self._files.items() if _state(path) != old), "")


class _Zygote:
    """Takes requests and tells the ends of the processes, on one channel."""

    def __init__(self, channel: socket.socket, files: _LoadedFiles) -> None:
        self._channel = channel
        self._files = files
        self._alive: set[int] = set()  # forked, and not reported as ended
        self._ended_reading, self._ended_writing = os.pipe()
        for end in (self._ended_reading, self._ended_writing):
            os.set_blocking(end, False)

    @property
    def descriptors(self) -> set[int]:
        """The file descriptors that belong to this object."""
        return {self._channel.fileno(), self._ended_reading, self._ended_writing}

    def serve(self) -> _Wanted | None:
        """Returns None at the end of the channel, and a request in each forked process."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._ended_writing, warn_on_full_buffer=False)
        self._tell({"ready": os.getpid()})
        waiting = select.poll()
        waiting.register(self._channel, select.POLLIN)
        waiting.register(self._ended_reading, select.POLLIN)
        while True:
            for descriptor, _ in waiting.poll():
                if descriptor == self._ended_reading:
                    self._tell_ends()
                    continue
                wanted = self._take()
                if wanted is not None or self._channel.fileno() < 0:
                    return wanted

    def _take(self) -> _Wanted | None:
        """Take one message. The channel is closed at its end, and in a forked process."""
        content, descriptors, _, _ = socket.recv_fds(self._channel, _MESSAGE, 1)
        if not content:
            self._channel.close()  # the kernel ends the forked processes when this one has ended
            return None
        message = json.loads(content)
        if "reap" in message:
            os.waitpid(message["reap"], 0)  # has ended, or was killed just before
            self._alive.discard(message["reap"])
            return None
        output = descriptors[0]
        try:
            return self._fork(message, output)
        finally:
            if self._channel.fileno() >= 0:  # not in the forked process, which has closed it
                os.close(output)

    def _fork(self, message: dict[str, Any], output: int) -> _Wanted | None:
        changed = self._files.changed()
        if changed:
            self._tell({"id": message["id"], "changed": changed})
            return None
        reading, writing = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._forget()
            return _become(message, output, writing, parent)
        os.close(writing)
        with os.fdopen(reading, "rb") as failed:
            failure = failed.read()  # empty as soon as the process has its session, folder and output
        if failure:
            os.waitpid(pid, 0)
            self._tell({"id": message["id"], "failure": json.loads(failure)})
            return None
        self._alive.add(pid)
        self._tell({"id": message["id"], "pid": pid})
        return None

    def _forget(self) -> None:
        """In a forked process: give up all that belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._alive.clear()
        self._channel.close()
        os.close(self._ended_reading)
        os.close(self._ended_writing)

    def _tell_ends(self) -> None:
        """Tell each end once. The process stays a zombie until `reap`, so nobody else gets its id before."""
        try:
            while os.read(self._ended_reading, 4096):
                pass
        except BlockingIOError:
            pass
        for pid in sorted(self._alive):
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                self._alive.discard(pid)
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                self._tell({"ended": pid, "code": code})

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the emulator has ended, and the channel ends next
            self._channel.send(json.dumps(message).encode())


def _become(message: dict[str, Any], output: int, writing: int, parent: int) -> _Wanted:
    """In a forked process: take the request's session, environment, folder and output."""
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request for the signal
            os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.chdir(message["folder"])
        os.environ.clear()
        os.environ.update(message["environment"])
    except OSError as error:
        os.write(writing, json.dumps([error.errno, error.strerror]).encode())
        os._exit(1)
    time.tzset()
    importlib.invalidate_caches()
    module, *arguments = message["words"]
    os.close(writing)
    return _Wanted(module=module, arguments=arguments)


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _demand_forkable(known: set[int]) -> None:
    """Raises ForkingError if a process forked now would share a thread or an open file with this one."""
    threads = (
        len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
    )
    if threads != 1:
        raise ForkingError(f"the imported modules have started threads: there are {threads}")
    foreign = sorted(number for number in range(3, 1024) if number not in known and _is_open(number))
    if foreign:
        raise ForkingError(f"the imported modules have opened files: {foreign}")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def main(words: list[str]) -> None:
    """Serve. In a forked process: run the module, and end as `python -m` ends."""
    _folder, number, *modules = words
    began = time.time()
    del sys.path[0]  # the folder of this file
    for module in modules:
        importlib.import_module(module)
    zygote = _Zygote(socket.socket(fileno=int(number)), _LoadedFiles(began))
    _demand_forkable(zygote.descriptors)
    gc.collect()
    gc.freeze()  # a collection in a forked process does not touch, and so copy, what it shares
    wanted = zygote.serve()
    if wanted is not None:
        sys.path.insert(0, os.getcwd())  # as `python -m` does
        sys.argv = [wanted.module, *wanted.arguments]
        runpy.run_module(wanted.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
