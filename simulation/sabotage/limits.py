"""The rules of shares: no team takes every slot, no lane takes every turn, and in a pause nobody takes anything."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.domain import capacity, creations, dispatch
from pipeline_core.domain.capacity import Capacity
from pipeline_core.domain.creations import Spent
from pipeline_core.domain.names import TeamName
from pipeline_core.services.outages.pauses import Pauses
from simulation.sabotage.shape import Sabotage, replaced

_choose = dispatch.choose
_paused_for = creations.paused_for


@contextlib.contextmanager
def _knows_no_team() -> Iterator[None]:
    """A team may start as many builds as there are slots."""

    def choose(*given: Any, **named: Any) -> Any:
        pending, capacity, _, *others = given
        return _choose(pending, capacity, 1_000, *others, **named)

    with replaced(dispatch, "choose", choose):
        yield


@contextlib.contextmanager
def _counts_no_cores() -> Iterator[None]:
    """Every build has cores, whatever its team uses."""
    with replaced(Capacity, "fits", lambda *given: True), replaced(Capacity, "is_full", _has_all_slots):
        yield


def _has_all_slots(free: Capacity, team: TeamName, team_limit: int) -> bool:
    return free.by_team.get(team, 0) >= free.team_slots.within(team, team_limit)


@contextlib.contextmanager
def _counts_no_day() -> Iterator[None]:
    """A team begins builds although those of the day have begun."""
    with replaced(Capacity, "is_spent", lambda *given: False):
        yield


@contextlib.contextmanager
def _knows_no_age() -> Iterator[None]:
    """No start is for the build that has waited longest."""
    with replaced(dispatch, "LATE_EVERY", 1_000_000), replaced(capacity, "LATE_EVERY", 1_000_000):
        yield


@contextlib.contextmanager
def _knows_no_pause() -> Iterator[None]:
    """A handler that pays for a creation does not know that SecOps have paused the factory."""

    def paused_for(spent: Spent, now: datetime) -> timedelta:
        return _paused_for(replace(spent, is_halted=False), now)

    with replaced(creations, "paused_for", paused_for):
        yield


@contextlib.contextmanager
def _leaves_what_was_paid() -> Iterator[None]:
    """A pause stops payments, and looks for no creation that was paid for before."""
    with replaced(Pauses, "_close", lambda *given: False):
        yield


RULES = (
    Sabotage(rule="team-limit", patch=_knows_no_team, faults="light", chapters=("teams",)),
    Sabotage(
        rule="team-cores", patch=_counts_no_cores, faults="light", images=24, slots=8, chapters=("teams",)
    ),
    Sabotage(rule="team-day", patch=_counts_no_day, faults="light", slots=8, chapters=("teams",)),
    Sabotage(rule="late-turns", patch=_knows_no_age, faults="light", images=6, slots=2, chapters=("late",)),
    Sabotage(rule="pause-is-kept", patch=_knows_no_pause, faults="light", chapters=("pauses",)),
    Sabotage(
        rule="pause-closes-what-was-paid",
        patch=_leaves_what_was_paid,
        directed="a pause must come between the payment and the call: 50 seeds had no such moment",
    ),
)
