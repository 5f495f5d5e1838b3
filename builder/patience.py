"""Storage for a builder that must not lose an hour's work: what may end by itself is asked again for a bounded time.

A refusal may come from a role that was granted a moment ago. An outage may last longer than the retries of the SDK.
It knows no SDK. Any other error passes at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder.ports import Blobs, Events
from pipeline_core.domain import propagation
from pipeline_core.domain.errors import NotAllowed, TransientError

_PAUSE_SECONDS = 5.0
# An outage of storage: 20 minutes of its own, and no longer. The group and its lease outlive the build's time by half
# an hour, and an attempt that is tried again is worth more than one that waits. Short pauses at its end count: the
# factory gives up a container whose log is silent for ten minutes as soon as it can look again.
OUTAGE_SECONDS = 20 * 60.0
_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 10.0

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalWait:
    """The bound counts from the start of the builder: its roles are older than its container."""

    began: float
    is_stopped: Callable[[], bool]
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def through_outage(self, call: Callable[[], Given]) -> Given:
        """As `of`, and through an outage of storage: the call must be safe to repeat. A stop ends the wait at once."""
        until: float | None = None
        pause = _FIRST_SECONDS
        while True:
            try:
                return self.of(call)
            except TransientError:
                until = self.now() + OUTAGE_SECONDS if until is None else until
                if self.is_stopped() or self.now() + pause > until:
                    raise
            self.sleep(pause)
            pause = min(pause * 2, _LONGEST_SECONDS)

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
    """`Blobs` that wait for their roles and, once the attempt has its marker, for storage too.

    Before the marker nothing is lost: the container ends, and shows at once that storage is out of reach. The log
    keeps its lines and asks again by itself.
    """

    def __init__(self, blobs: Blobs, wait: RefusalWait) -> None:
        self._blobs, self._wait = blobs, wait
        self._has_begun = False

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """As `ports.Blobs`."""
        return self._patiently(lambda: self._blobs.read(container, name, limit=limit))

    def fetch(self, container: str, name: str, into: Path, *, limit: int) -> str:
        """As `ports.Blobs`."""
        return self._patiently(lambda: self._blobs.fetch(container, name, into, limit=limit))

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """As `ports.Blobs`."""
        self._patiently(lambda: self._blobs.create(container, name, content, media_type=media_type))
        self._has_begun = True

    def create_log(self, container: str, name: str) -> None:
        """As `ports.Blobs`."""
        self._patiently(lambda: self._blobs.create_log(container, name))

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """As `ports.Blobs`."""
        self._wait.of(lambda: self._blobs.append(container, name, content, offset=offset))

    def _patiently(self, call: Callable[[], Given]) -> Given:
        return self._wait.through_outage(call) if self._has_begun else self._wait.of(call)


class PatientEvents:
    """`Events` that wait for their role. A refused message was certainly not sent."""

    def __init__(self, events: Events, wait: RefusalWait) -> None:
        self._events, self._wait = events, wait

    def send(self, text: str) -> None:
        """As `ports.Events`."""
        self._wait.of(lambda: self._events.send(text))
