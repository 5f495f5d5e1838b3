"""Versions as numbers: Marketplace versions of RHEL and gallery versions. All comparison is numeric."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pipeline_core.domain.errors import InvalidValue

INT32_MAX = 2_147_483_647  # a part of a gallery version is a 32-bit integer (Compute SDK docstring)

_THREE_PARTS = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)


def _parts(kind: str, text: str, rule: str) -> tuple[int, int, int]:
    found = _THREE_PARTS.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        raise InvalidValue(kind, text, rule)
    return int(found[1]), int(found[2]), int(found[3])


@dataclass(frozen=True, slots=True, order=True)
class MarketplaceVersion:
    """`major.minor.release` as the Marketplace lists it, for example 9.6.2025112113.

    The third part is not bounded to 32 bits: 7.9.20230301107 was published.
    """

    major: int
    minor: int
    release: int

    @classmethod
    def parse(cls, text: str) -> "MarketplaceVersion":
        """Raise InvalidValue where `text` is not three dotted integers."""
        return cls(*_parts("a release", text, "three integers with dots, like 9.6.2025112113"))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.release}"


@dataclass(frozen=True, slots=True, order=True)
class GalleryVersion:
    """`major.YYYYMMDD.sequence`: a gallery demands three parts that are 32-bit integers."""

    major: int
    day: int
    sequence: int

    def __post_init__(self) -> None:
        if not all(0 <= part <= INT32_MAX for part in (self.major, self.day, self.sequence)):
            raise InvalidValue("a version of an image", str(self), f"three integers from 0 to {INT32_MAX}")

    @classmethod
    def parse(cls, text: str) -> "GalleryVersion":
        """Raise InvalidValue where `text` is not three dotted 32-bit integers."""
        return cls(*_parts("a version of an image", text, "three integers with dots, like 9.20261121.1"))

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
