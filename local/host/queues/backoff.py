"""The wait before the next look at an empty queue: exponential from 100 ms with jitter. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

SHORTEST = timedelta(milliseconds=100)
_JITTER = 0.2
_EXPONENT_LIMIT = 20  # far beyond any maximum, and far below overflow


@dataclass(slots=True, kw_only=True)
class PollBackoff:
    """Doubles the wait from SHORTEST to `longest`. `fraction` returns numbers in [0, 1)."""

    longest: timedelta
    fraction: Callable[[], float]
    _exponent: int = 0

    def reset(self) -> None:
        """Begin again with the shortest wait, because a look found a message."""
        self._exponent = 0

    def rest(self) -> None:
        """Wait the longest time from now on, because no message is expected."""
        self._exponent = _EXPONENT_LIMIT

    def next_delay(self) -> timedelta:
        """The wait after another look that found nothing."""
        factor = 1 - _JITTER + 2 * _JITTER * self.fraction()
        delay = SHORTEST + SHORTEST * (factor * float(2**self._exponent - 1))
        self._exponent = min(self._exponent + 1, _EXPONENT_LIMIT)
        return min(delay, self.longest)
