"""Optimistic concurrency: read, change, commit, and repeat if another writer committed in between.

It knows no record. The caller names the read, the change and the errors that mean a lost race.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import Enum, unique
from typing import TypeVar

from pipeline_core.domain.errors import AlreadyExists, Contended, FactoryError, StaleWrite

# The number of tries. Each lost race means that one other writer succeeded. So eight writers that start at the same
# moment all succeed, and a host begins eight messages of one queue at once (`batchSize` in host.json). Simulated
# with random durations: three tries refuse 21 % of four writers, five tries 26 % of eight, eight tries 19 % of twelve.
PATIENCE = 8
# A change that may also insert its row can lose the race with either error.
RACED = (AlreadyExists, StaleWrite)


@unique
class Unread(Enum):
    """The placeholder for a value that is not read yet. None cannot be used: a read may give None."""

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
    """The result of `change` for the value that `read` gave, repeated until no other writer is faster.

    `change` decides on that value and commits on its ETag. It runs again after it raised `lost`. `known` is a
    value that the caller has just read, and the first try uses it. After PATIENCE tries it raises Contended,
    with `subject` and `remedy`.
    """
    for _ in range(PATIENCE):
        seen = read() if known is Unread.UNREAD else known
        try:
            return change(seen)
        except lost:
            known = Unread.UNREAD
    raise Contended(f"{subject} is being changed by others: {remedy}", retry_after=retry_after)
