"""The rules of shares: no team takes every slot."""

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


RULES = (Sabotage(rule="team-limit", patch=_knows_no_team, faults="light", chapters=("teams",)),)
