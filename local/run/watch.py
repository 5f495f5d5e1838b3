"""Watches the programs of a run, and says within a second which one has ended.

Without it, the run would wait for an answer of a program that is gone, and then report something else. The watch
interrupts the main thread wherever it waits. It restarts nothing.
"""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_LOOK_EVERY = 0.2  # seconds
_LAST_LINES = 5


class PartDiedError(Exception):
    """A program of the run has ended. The text names it, its end, and its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedProgram:
    """One program: its name for people, its process, its log."""

    name: str
    child: "subprocess.Popen[bytes]"
    log: Path


Parts = Callable[[], Sequence[WatchedProgram]]


def find_dead(parts: Sequence[WatchedProgram]) -> str:
    """Which programs have ended, and how; empty while all run."""
    return "; ".join(_describe(each) for each in parts if each.child.poll() is not None)


@contextlib.contextmanager
def watching(parts: Parts) -> Iterator[None]:
    """Raise PartDiedError in the main thread, which must be the caller, as soon as one of the programs has ended."""
    ended = threading.Event()
    found: list[str] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if found and not ended.is_set():
            raise PartDiedError(found[0])

    main = threading.get_ident()

    def look() -> None:
        while not ended.wait(_LOOK_EVERY):
            dead = find_dead(parts())
            if dead:
                ended.wait(_LOOK_EVERY)  # others may have died with it: name them all
                found.append(find_dead(parts()) or dead)
                signal.pthread_kill(main, signal.SIGUSR1)
                return

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def _describe(part: WatchedProgram) -> str:
    code = part.child.poll()
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    lines = part.log.read_text("utf-8", "replace").splitlines() if part.log.exists() else []
    last = f"; its last lines: {' | '.join(lines[-_LAST_LINES:])}" if lines else ""
    return f"{part.name} {how} (log: {part.log}){last}"
