"""What a process has of its own: the time, chance, lines in the log, and reads at the same time."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        ...


class Chance(Protocol):
    """The only source of randomness."""

    def fraction(self) -> float:
        """A number in [0, 1)."""
        ...

    def nonce(self) -> str:
        """Sixteen hexadecimal characters that nobody can guess and that never repeat."""
        ...


class Logs(Protocol):
    """Structured lines: a constant message and fixed fields."""

    def note(self, event: str, **fields: str | float | bool | None) -> None:
        """Write one line."""
        ...


class Reads(Protocol):
    """Begins reads that do not depend on each other, for an answer to a person who waits."""

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        """Begin a read, which itself begins none. What comes back waits for its end, and gives its answer.

        An error of the read is raised here or there.
        """
        ...
