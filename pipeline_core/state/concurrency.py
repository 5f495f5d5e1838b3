"""Optimistic concurrency: read, change, commit, and again where another writer committed in between.

It knows no record. What is read, what is changed and which error means a lost race are the caller's.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import Enum, unique
from typing import TypeVar

from pipeline_core.domain.errors import AlreadyExists, Contended, FactoryError, StaleWrite

# Tries in all. Each lost race means that one other writer got through: of eight that start at the same moment all
# get through, and eight messages of one queue are what a host begins at once (`batchSize` in host.json). Simulated
# with random durations: three tries refuse 21 % of four writers, five tries 26 % of eight, eight tries 19 % of twelve.
PATIENCE = 8
# A change that may also insert its row loses the race by either.
RACED = (AlreadyExists, StaleWrite)


@unique
class Unread(Enum):
    """What stands for a value that nobody has read yet; None is a value that may be read."""

    UNREAD = "unread"


Seen = TypeVar("Seen")
Done = TypeVar("Done")


def changing(
    read: Callable[[], Seen],
    change: Callable[[Seen], Done],
    *,
    subject: str,
    remedy: str = "try again",
    known: Seen | Unread = Unread.UNREAD,
    lost: type[FactoryError] | tuple[type[FactoryError], ...] = StaleWrite,
    retry_after: timedelta | None = None,
) -> Done:
    """What `change` gives for what `read` gave, as soon as no other writer is faster.

    `change` decides on what it gets and commits on its ETag; it runs again after it raised `lost`. `known` is what
    the caller has just read: the first try takes it. Raises Contended, with `subject` and `remedy`, when the
    patience is used up.
    """
    for _ in range(PATIENCE):
        seen = read() if known is Unread.UNREAD else known
        try:
            return change(seen)
        except lost:
            known = Unread.UNREAD
    raise Contended(f"{subject} is being changed by others: {remedy}", retry_after=retry_after)
