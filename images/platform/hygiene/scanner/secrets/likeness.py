"""Tells a random value from one that a person wrote to show how a value looks."""

from __future__ import annotations

import math
import re
from collections import Counter

# Six letters or more, but for a few: a short word is in a random value by chance.
_WORDS = re.compile(rb"(?i)example|sample|placeholder|redacted|changeme|dummy|notreal|x{6}|\.{5}|_{5}|-{5}")
_FLOORS = ((36, 3.0), (0, 2.4))  # from so many characters on, so many bits in each


def entropy(value: bytes) -> float:
    """Bits per character, as far as the counts of the characters tell."""
    total = len(value)
    return (
        -sum(count / total * math.log2(count / total) for count in Counter(value).values()) if total else 0.0
    )


def is_made_up(value: bytes) -> bool:
    """True for a value that no program drew by chance: it says so, repeats itself, or counts up."""
    if _WORDS.search(value) or _repeats(value) or _counts_up(value):
        return True
    return entropy(value) < next(floor for length, floor in _FLOORS if len(value) >= length)


def _repeats(value: bytes) -> bool:
    """True for `abcabcabc`, also if the last turn is cut."""
    half = len(value) // 2
    return any(value[period:] == value[:-period] for period in range(1, half + 1))


def _counts_up(value: bytes) -> bool:
    """True for `abcdef0123456789` and the like: most characters are the ones after those before them."""
    pairs = list(zip(value, value[1:]))
    ups = sum(1 for before, after in pairs if after - before == 1 or (before, after) == (0x39, 0x30))
    return bool(pairs) and ups > len(pairs) / 2
