"""What a process has of its own: the time, chance, and lines in the log."""

from datetime import datetime
from typing import Protocol


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
