"""Reads that do not depend on each other: at the same time in threads, or one after the other as the twins need it."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")
_THREADS = 8  # for all requests of a process; an HTTP client keeps ten connections


class ThreadedReads:
    """Each read in a thread of a small pool, which begins with the first one. A log line keeps its correlation."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        """Begin the read. The answer waits for its end, and raises its error."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="reads")
        return self._pool.submit(contextvars.copy_context().run, read).result


class ReadsInTurn:
    """Each read at once, in the thread that asks: a simulation replays the same order of calls."""

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        """Read. An error is raised here."""
        found = read()
        return lambda: found
