"""A scanner in memory: it knows about a blob what a test, or the simulation, has put there."""

import threading

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.tools import ScanAnswer, ScanResult

NAME = "memory"
UNKNOWN = ScanAnswer(result=ScanResult.UNKNOWN, scanner=NAME, detail="has not scanned the file yet")


class MemoryScanner:
    """`usual` is the answer about a blob of which nothing was said."""

    def __init__(self, blobs: MemoryBlobs, usual: ScanAnswer = UNKNOWN) -> None:
        self._blobs = blobs
        self._answers: dict[tuple[str, str], ScanAnswer] = {}
        self._lock = threading.Lock()
        self.usual = usual

    def ask(self, container: str, name: str) -> ScanAnswer:
        """What is known about the blob now. Raises NotFound."""
        if self._blobs.find_facts(container, name) is None:
            raise NotFound(f"{container}/{name} does not exist")
        return self.said(container, name)

    def said(self, container: str, name: str) -> ScanAnswer:
        """The answer about the blob, also where it is not there. For tests and the simulation."""
        with self._lock:
            return self._answers.get((container, name), self.usual)

    def say(self, container: str, name: str, result: ScanResult, detail: str = "") -> None:
        """From now on this is the answer about the blob."""
        with self._lock:
            self._answers[container, name] = ScanAnswer(result=result, scanner=NAME, detail=detail)
