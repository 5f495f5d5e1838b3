"""Waits for the news that a build has begun or ended, from the log of the Functions host.

A look at the API costs the factory a dozen storage operations. So the story looks when there is something to see, and
otherwise seldom. The news only shortens a wait: a look decides, and a lost line costs nothing but time.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOK_EVERY: Final = 2.0  # seconds at most between two looks of the main job
_NEWS: Final = (b'"event": "build-started"', b'"event": "build-ended"')
_GLANCE: Final = 0.05  # seconds between two glances at the log
_AFTERWARDS: Final = 0.05  # the factory writes the line before it has done all that follows from it


@dataclass(slots=True, kw_only=True)
class HostNews:
    """The part of a log that is not read yet. The log may not exist yet, and only grows."""

    log: Path
    _offset: int = 0

    def wait(self, seconds: float) -> None:
        """Wait for news, `seconds` at most."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._has_come():
                time.sleep(min(left, _AFTERWARDS))
                return
            time.sleep(min(left, _GLANCE))

    def _has_come(self) -> bool:
        """Whether the whole lines since the last call hold news."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(self._offset)
                new = stream.read()
        except FileNotFoundError:
            return False
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return any(each in whole for each in _NEWS)
