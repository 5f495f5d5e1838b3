"""Storage for a builder whose identity got its roles a moment ago: refusals are asked again for a bounded time.

It knows no SDK. Any other error passes at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from builder.ports import Blobs, Events
from pipeline_core.domain import propagation
from pipeline_core.domain.errors import NotAllowed

_PAUSE_SECONDS = 5.0

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalWait:
    """The bound counts from the start of the builder: its roles are older than its container."""

    began: float
    is_stopped: Callable[[], bool]
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def of(self, call: Callable[[], Given]) -> Given:
        """What `call` gives. Raises PermanentError (permission) if it is refused until the bound, or at a stop."""
        while True:
            try:
                return call()
            except NotAllowed as error:
                if self.is_stopped():
                    raise
                if self.now() >= self.began + propagation.GRANT.total_seconds():
                    raise propagation.believed(error) from error
            self.sleep(_PAUSE_SECONDS)


class PatientBlobs:
    """`Blobs` that wait for their roles."""

    def __init__(self, blobs: Blobs, wait: RefusalWait) -> None:
        self._blobs, self._wait = blobs, wait

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """As `ports.Blobs`."""
        return self._wait.of(lambda: self._blobs.read(container, name, limit=limit))

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """As `ports.Blobs`."""
        self._wait.of(lambda: self._blobs.create(container, name, content, media_type=media_type))

    def create_log(self, container: str, name: str) -> None:
        """As `ports.Blobs`."""
        self._wait.of(lambda: self._blobs.create_log(container, name))

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """As `ports.Blobs`."""
        self._wait.of(lambda: self._blobs.append(container, name, content, offset=offset))


class PatientEvents:
    """`Events` that wait for their role. A refused message was certainly not sent."""

    def __init__(self, events: Events, wait: RefusalWait) -> None:
        self._events, self._wait = events, wait

    def send(self, text: str) -> None:
        """As `ports.Events`."""
        self._wait.of(lambda: self._events.send(text))
