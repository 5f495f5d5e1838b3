"""The build's log as an append blob, in blocks. Its time of last change is the build's heartbeat.

A failed write never fails a build. If storage refuses a block, the lines are kept (up to a limit) and written later.
The lines are cleaned before they come here. One background thread writes, and `close` ends it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from builder.ports import Blobs
from pipeline_core.domain.errors import FactoryError

LOG_LIMIT = 50 * 1024 * 1024  # bytes of one attempt's log
_BLOCK = 64 * 1024
_BLOCK_LIMIT = 1024 * 1024  # one append; Azure takes 4 MiB and more
_PENDING_LIMIT = 4 * 1024 * 1024  # kept while storage does not answer
_CLOSE_TRIES = 3


class LogStream:
    """Takes lines and writes blocks. Use it as a context manager: the blob is created on entry."""

    def __init__(
        self,
        blobs: Blobs,
        name: str,
        *,
        echo: Callable[[str], None],
        every_seconds: float = 2.0,
        silence_seconds: float = 30.0,
        limit: int = LOG_LIMIT,
    ) -> None:
        self._blobs = blobs
        self._name = name
        self._echo = echo
        self._every = every_seconds
        self._silence = silence_seconds
        self._limit = limit
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._pending = bytearray()
        self._block = (
            b""  # sent, and not known to be there: the same bytes are sent until an answer settles it
        )
        self._accepted = 0
        self._lost = 0
        self._offset = 0
        self._started = time.monotonic()
        self._written = self._started
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._blobs.create_log("builds", self._name)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def line(self, text: str) -> None:
        """Take one cleaned line. Never waits for storage."""
        self.lines([text])

    def lines(self, texts: Sequence[str]) -> None:
        """Take several cleaned lines. Never waits for storage."""
        if not texts:
            return
        whole = "\n".join(texts)
        self._echo(whole)
        content = f"{whole}\n".encode()
        with self._lock:
            if self._has_room(len(content)):
                self._accept(content)
            else:
                for text in texts:
                    self._accept(f"{text}\n".encode())
            is_full = len(self._pending) >= _BLOCK
        if is_full:
            self._wake.set()

    def say(self, text: str) -> None:
        """Take one line of the builder's own."""
        self.line(f"imagefactory: {text}")

    def _has_room(self, size: int) -> bool:
        return self._accepted + size <= self._limit and len(self._pending) + size <= _PENDING_LIMIT

    def _accept(self, content: bytes) -> None:
        if self._accepted > self._limit:
            return
        if self._accepted + len(content) > self._limit:
            content = f"imagefactory: the log is cut here, at {self._limit} bytes\n".encode()
            self._accepted = self._limit + 1
        elif len(self._pending) + len(content) > _PENDING_LIMIT:
            self._lost += 1
            return
        self._accepted += len(content)
        self._pending += content

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._every)
            self._wake.clear()
            self._beat()
            self._flush()
        for _ in range(_CLOSE_TRIES):
            if self._flush():
                return
            time.sleep(self._every / 4)

    def _beat(self) -> None:
        """Add a line when there is no output, so that the blob changes. It does not count towards the limit."""
        now = time.monotonic()
        with self._lock:
            if not self._pending and now - self._written >= self._silence:
                self._pending += f"imagefactory: ... still running ({now - self._started:.0f} s)\n".encode()

    def _flush(self) -> bool:
        """Append the pending lines. True if none is left."""
        while True:
            with self._lock:
                # A block whose answer was lost may be there. Another block at its offset would be refused for ever.
                self._block = self._block or bytes(self._pending[:_BLOCK_LIMIT])
            if not self._block:
                return True
            try:
                self._blobs.append("builds", self._name, self._block, offset=self._offset)
            except FactoryError as error:
                self._echo(f"imagefactory: the log could not be written yet: {error}")
                return False
            self._offset += len(self._block)
            self._written = time.monotonic()
            with self._lock:
                del self._pending[: len(self._block)]
                self._block = b""
                if self._lost:
                    note = f"imagefactory: {self._lost} lines were lost while storage did not answer\n"
                    self._pending += note.encode()
                    self._lost = 0
