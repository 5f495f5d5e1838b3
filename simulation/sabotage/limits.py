"""The rules of shares: no team takes every slot, and no lane takes every turn."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline_core.domain import dispatch
from simulation.sabotage.shape import Sabotage, replaced

_choose = dispatch.choose


@contextlib.contextmanager
def _knows_no_team() -> Iterator[None]:
    """A team may start as many builds as there are slots."""

    def choose(*given: Any, **named: Any) -> Any:
        pending, capacity, _, *others = given
        return _choose(pending, capacity, 1_000, *others, **named)

    with replaced(dispatch, "choose", choose):
        yield


@contextlib.contextmanager
def _knows_no_age() -> Iterator[None]:
    """No start is for the build that has waited longest."""
    with replaced(dispatch, "LATE_EVERY", 1_000_000):
        yield


RULES = (
    Sabotage(rule="team-limit", patch=_knows_no_team, faults="light", chapters=("teams",)),
    Sabotage(rule="late-turns", patch=_knows_no_age, faults="light", images=6, slots=2, chapters=("late",)),
)
