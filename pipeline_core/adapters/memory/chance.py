"""Repeatable randomness: the same seed gives the same numbers."""

import random


class SeededChance:
    """For tests and the simulation only: its nonces can be guessed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it must be repeatable

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def nonce(self) -> str:
        """Sixteen hexadecimal characters."""
        return f"{self._random.getrandbits(64):016x}"
