"""A round over the whole fleet in slices: where the next slice begins, and when the next round may. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round by name of image. `after` is the last name that was looked at, empty at the beginning."""

    began_at: datetime
    after: str = ""
    is_over: bool = False


def resume(last: Round | None, now: datetime, every: timedelta) -> Round | None:
    """The round that a slice goes on with; None where the last one is over and the next one is not due.

    A round takes as long as it takes. The next one begins `every` after it began, or at its end where that is later.
    """
    if last is None:
        return Round(began_at=now)
    if not last.is_over:
        return last
    return Round(began_at=now) if last.began_at + every <= now else None


def advance(current: Round, after: str, *, is_over: bool) -> Round:
    """The round after a slice."""
    return replace(current, after=after, is_over=is_over)
