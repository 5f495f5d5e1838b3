"""Creations of container groups against Azure's rolling limits, per hour and per five minutes. Pure.

Azure limits deletions in the same way, and counts them apart. So the same functions count them, in their own value.

Creations are counted by the minute. A limit holds in any 60 minutes and in any five minutes, at whatever second they
begin. So a minute counts as a whole until its last second is outside.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain.pauses import UNTIL_RESUMED

HOUR, BURST = 60, 5  # minutes in which a limit holds
UNLIMITED = 1_000_000  # creations: where there is no stated limit
LONGEST_PAUSE = timedelta(hours=1)
_ABOUT = timedelta(seconds=30)
_KEPT = 90  # minutes that are remembered: clocks of two hosts may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many creations, or how many deletions, the region allows, at least one each."""

    per_hour: int
    per_burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was created, or deleted: pairs of minute and count, oldest first. `starts` counts every build that began.

    Nothing is created before `paused_until`: the platform has refused a creation. And nothing is created while
    `is_halted`: SecOps have paused the factory.
    """

    minutes: tuple[tuple[int, int], ...] = ()
    starts: int = 0
    paused_until: datetime | None = None
    is_halted: bool = False


def left(spent: Spent, budget: Budget, now: datetime) -> int:
    """How many creations are allowed now."""
    if paused_for(spent, now):
        return 0
    return max(0, min(limit - _within(spent, span, now).total() for limit, span in _limits(budget)))


def paused_for(spent: Spent, now: datetime) -> timedelta:
    """How long nothing is created at all; zero where there is no pause. One of SecOps is `UNTIL_RESUMED`."""
    if spent.is_halted:
        return UNTIL_RESUMED
    if spent.paused_until is None or spent.paused_until <= now:
        return timedelta(0)
    return spent.paused_until - now


def wait(spent: Spent, budget: Budget, now: datetime) -> timedelta:
    """How long it takes until a creation is allowed, if no other host takes it first; zero where one is allowed now."""
    waits = [_wait_within(spent, limit, span, now) for limit, span in _limits(budget)]
    return max(paused_for(spent, now), *waits)


def spend(spent: Spent, now: datetime, *, is_start: bool = False) -> Spent:
    """One more creation; `is_start` where a build begins with it."""
    minute = _minute(now)
    counts = {each: count for each, count in spent.minutes if each > minute - _KEPT}
    counts[minute] = counts.get(minute, 0) + 1
    return replace(spent, minutes=tuple(sorted(counts.items())), starts=spent.starts + is_start)


def pause(spent: Spent, now: datetime, length: timedelta) -> Spent:
    """Create nothing for `length`, at most an hour. A pause that already ends at about that time, or later, stays."""
    until = now + min(length, LONGEST_PAUSE)
    if spent.paused_until is not None and spent.paused_until + _ABOUT >= until:
        return spent
    return replace(spent, paused_until=until)


def _limits(budget: Budget) -> Iterator[tuple[int, int]]:
    yield budget.per_hour, HOUR
    yield budget.per_burst, BURST


def _within(spent: Spent, span: int, now: datetime) -> Counter[int]:
    first = _minute(now) - span
    return Counter({minute: count for minute, count in spent.minutes if minute >= first})


def _wait_within(spent: Spent, limit: int, span: int, now: datetime) -> timedelta:
    recent = _within(spent, span, now)
    too_many = recent.total() - limit + 1
    if too_many <= 0:
        return timedelta(0)
    last = next(itertools.islice(recent.elements(), too_many - 1, None))  # the last that must be outside
    return datetime.fromtimestamp((last + span + 1) * 60, tz=now.tzinfo) - now


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60
