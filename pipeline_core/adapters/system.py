"""The machine's own time and randomness."""

import random
import secrets
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        return datetime.now(UTC)


class SystemChance:
    """The operating system's randomness."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def nonce(self) -> str:
        """Sixteen hexadecimal characters that nobody can guess and that never repeat."""
        return secrets.token_hex(8)
