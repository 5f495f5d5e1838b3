"""Versions as numbers: Marketplace versions of RHEL and gallery versions. All comparison is numeric."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from pipeline_core.domain.errors import InvalidValue

INT32_MAX = 2_147_483_647  # a part of a gallery version is a 32-bit integer (Compute SDK docstring)


def _up_to(most: int) -> str:
    """A pattern of the integers from 0 to `most`, which has at least two digits; none has a leading zero."""
    digits = str(most)
    same_length = [
        f"{digits[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if int(digit) > (lowest := int(place == 0))
    ]
    return "(?:" + "|".join(["0", f"[1-9][0-9]{{0,{len(digits) - 2}}}", *same_length, digits]) + ")"


def _three(part: str) -> re.Pattern[str]:
    """Three parts with dots between them, at most 64 characters."""
    return re.compile(rf"{part}\.{part}\.{part}(?<!.{{65}})", re.ASCII)


def _parts(kind: str, text: str, rule: str, pattern: re.Pattern[str]) -> tuple[int, int, int]:
    if pattern.fullmatch(text) is None:
        raise InvalidValue(kind, text, rule)
    major, middle, last = text.split(".")
    return int(major), int(middle), int(last)


@dataclass(frozen=True, slots=True, order=True)
class MarketplaceVersion:
    """`major.minor.release` as the Marketplace lists it, for example 9.6.2025112113.

    The third part is not bounded to 32 bits: 7.9.20230301107 was published. `pattern` is of every text that `parse`
    takes.
    """

    pattern: ClassVar[re.Pattern[str]] = _three("(?:0|[1-9][0-9]*)")
    major: int
    minor: int
    release: int

    @classmethod
    def parse(cls, text: str) -> "MarketplaceVersion":
        """Raise InvalidValue where `text` is not three dotted integers."""
        return cls(*_parts("a release", text, "three integers with dots, like 9.6.2025112113", cls.pattern))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.release}"


@dataclass(frozen=True, slots=True, order=True)
class GalleryVersion:
    """`major.YYYYMMDD.sequence`: a gallery demands three parts that are 32-bit integers.

    `pattern` is of every text that `parse` takes.
    """

    pattern: ClassVar[re.Pattern[str]] = _three(_up_to(INT32_MAX))
    major: int
    day: int
    sequence: int

    def __post_init__(self) -> None:
        if not all(0 <= part <= INT32_MAX for part in (self.major, self.day, self.sequence)):
            raise InvalidValue("a version of an image", str(self), f"three integers from 0 to {INT32_MAX}")

    @classmethod
    def parse(cls, text: str) -> "GalleryVersion":
        """Raise InvalidValue where `text` is not three dotted 32-bit integers."""
        rule = f"three integers from 0 to {INT32_MAX} with dots, like 9.20261121.1"
        return cls(*_parts("a version of an image", text, rule, cls.pattern))

    def __str__(self) -> str:
        return f"{self.major}.{self.day}.{self.sequence}"


def newest(versions: Iterable[MarketplaceVersion]) -> MarketplaceVersion | None:
    """The numerically highest version, or None without any: `latest` on Azure compares numbers, not text."""
    return max(versions, default=None)


def next_version(major: int, today: date, last: GalleryVersion | None) -> GalleryVersion:
    """The first version of `today` that is above `last`, the highest one ever allotted to the image.

    Its day never falls: a clock that went back must not make a version that looks older than its predecessor.
    Raises InvalidValue where `major` is below the one in use: a version may never go back.
    """
    day = today.year * 10_000 + today.month * 100 + today.day
    if last is None:
        return GalleryVersion(major, day, 1)
    if last.major > major:
        raise InvalidValue(
            f"a version that may follow {last}", f"{major}.{day}.1", f"a major of at least {last.major}"
        )
    if (last.major, last.day) < (major, day) and last.day <= day:
        return GalleryVersion(major, day, 1)
    return GalleryVersion(major, last.day, last.sequence + 1 if last.major == major else 1)
