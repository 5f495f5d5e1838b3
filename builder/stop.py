"""The request to stop: SIGTERM and SIGINT set a flag and wake a waiting thread. Stops nothing itself."""

import queue
import signal
from types import FrameType


class StopRequest:
    """`requested` is true from the first signal on. `wait` ends early when a signal or a `wake` comes.

    It uses a SimpleQueue and not an Event, because a signal handler may call `put` while the same thread waits.
    """

    def __init__(self) -> None:
        self.requested = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def install(self) -> None:
        """Listen to the signals. Call it only in the main thread."""
        signal.signal(signal.SIGTERM, self._received)
        signal.signal(signal.SIGINT, self._received)

    def request(self) -> None:
        """Ask for the stop, as a signal does."""
        self.requested = True
        self.wake()

    def wake(self) -> None:
        """End the current `wait`, or the next one."""
        self._wakes.put(None)

    def wait(self, seconds: float) -> None:
        """Sleep for at most `seconds`."""
        try:
            self._wakes.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        self.request()
