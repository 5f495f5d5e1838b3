"""Turns: what a sweep does for a share of many things, another share each time, so that each has its turn."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

_TURN = 600  # seconds: the default schedule of the sweep

Thing = TypeVar("Thing")


def turn_of(now: datetime) -> int:
    """The number of the present turn. A sweep that runs more often repeats the same share."""
    return int(now.timestamp()) // _TURN


def share_of(ordered: Sequence[Thing], turn: int, most: int) -> list[Thing]:
    """At most `most` of the things, others in each turn, until each has had its turn. Their order must not change."""
    count = min(len(ordered), most)
    first = turn * most
    return [ordered[(first + number) % len(ordered)] for number in range(count)]
