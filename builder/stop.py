"""Being told to stop: SIGTERM and SIGINT become a flag and a wake-up. Stops nothing itself."""

import queue
import signal
from types import FrameType


class StopRequest:
    """True from the first signal on; `wait` ends early when a signal or a `wake` comes.

    A SimpleQueue and not an Event: its `put` may be called in a signal handler while the same thread waits.
    """

    def __init__(self) -> None:
        self.requested = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def install(self) -> None:
        """Listen to the signals; only in the main thread."""
        signal.signal(signal.SIGTERM, self._received)
        signal.signal(signal.SIGINT, self._received)

    def request(self) -> None:
        """Ask for the stop, as a signal does."""
        self.requested = True
        self.wake()

    def wake(self) -> None:
        """End a `wait` that is under way, or the next one."""
        self._wakes.put(None)

    def wait(self, seconds: float) -> None:
        """Sleep for at most `seconds`."""
        try:
            self._wakes.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        self.request()
