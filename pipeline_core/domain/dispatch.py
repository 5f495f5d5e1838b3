"""Which pending builds start, and in what order. Pure: rows and capacity go in, a choice comes out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.domain.reasons import Lane

_HEIGHT_LIMIT = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBuild:
    """A build that waits for a slot; `key` sorts it among the others."""

    key: str
    build: BuildId
    team: TeamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What is free: numbers of free slots, slots in use per team, container creations left this hour."""

    free_slots: tuple[int, ...]
    by_team: Mapping[TeamName, int]
    creates_left: int


def priority_key(lane: Lane, height: int, created_at: datetime, build: BuildId) -> str:
    """Sorts by lane, then the longest chain of descendants first, then the oldest; unique by the build."""
    chain = _HEIGHT_LIMIT - min(height, _HEIGHT_LIMIT)
    return f"{lane.value}-{chain:02d}-{created_at:%Y%m%dT%H%M%S}-{build}"


def choose(
    pending: Iterable[PendingBuild], capacity: Capacity, team_limit: int
) -> tuple[tuple[PendingBuild, int], ...]:
    """Pairs of build and slot to start now. A team at its limit is passed over, so it starves nobody."""
    slots = list(capacity.free_slots)
    used = dict(capacity.by_team)
    left = capacity.creates_left
    chosen: list[tuple[PendingBuild, int]] = []
    for candidate in pending:
        if not slots or left <= 0:
            break
        if used.get(candidate.team, 0) >= team_limit:
            continue
        used[candidate.team] = used.get(candidate.team, 0) + 1
        left -= 1
        chosen.append((candidate, slots.pop(0)))
    return tuple(chosen)
