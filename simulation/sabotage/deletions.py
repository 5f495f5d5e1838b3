"""The rules of deletions: asked once, and within the budget."""

import contextlib
from collections.abc import Iterator
from datetime import datetime

from pipeline_core.domain import deletions
from pipeline_core.domain.names import BuildId
from pipeline_core.state.capacity import CapacityStore
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _asks_at_each_look() -> Iterator[None]:
    """Each look at a group that is being deleted asks for its deletion again."""

    with replaced(deletions, "is_due", lambda asked, now, look: True):
        yield


@contextlib.contextmanager
def _deletes_without_budget() -> Iterator[None]:
    """Deletions are not counted."""

    def exchange(store: CapacityStore, build: BuildId, attempt: str, now: datetime) -> object:
        return store.buy_creation(build, attempt, now), True

    with (
        replaced(CapacityStore, "buy_deletion", lambda store, now: None),
        replaced(CapacityStore, "buy_exchange", exchange),
    ):
        yield


RULES = (
    Sabotage(rule="rule-21-asked-once", patch=_asks_at_each_look),
    Sabotage(rule="rule-21-budget", patch=_deletes_without_budget, images=20, slots=8),
)
