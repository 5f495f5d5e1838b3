"""The rules of changes: their lanes, refreshes of whole chains, and the order of moves."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline_core.domain import claims, fingerprint, lanes, wishes
from pipeline_core.services.images import observe
from pipeline_core.services.images.forest import Forest
from pipeline_core.services.images.places import Places
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _takes_the_last_lane() -> Iterator[None]:
    """A child takes the lane of its parent's last build, whatever came before it."""

    def last(head: Any, parent: Any) -> Any:
        return None if parent.current is None else parent.current.lane

    with replaced(lanes, "_lane_of_parent", last):
        yield


_in_period = observe._in_period  # before it is replaced


@contextlib.contextmanager
def _refreshes_alone() -> Iterator[None]:
    """Only an image itself is in its new period, and none of its ancestors."""
    with replaced(observe, "move_chain", _alone):
        yield


def _alone(heads: Any, root: Any, now: Any) -> Any:
    image = next(iter(heads))
    return {**heads, image: _in_period(heads[image], root, now)}


@contextlib.contextmanager
def _refreshes_nothing() -> Iterator[None]:
    """No new period begins for any image."""
    with replaced(fingerprint, "refresh_period", lambda root, now, max_age: 0):
        yield


@contextlib.contextmanager
def _waits_without_a_bound() -> Iterator[None]:
    """A security change waits for an ancestor for as long as that one is stale."""
    with replaced(lanes, "is_overdue", lambda *given: False):
        yield


@contextlib.contextmanager
def _moves_without_an_order() -> Iterator[None]:
    """Nothing is asked again when a move begins, and the ledger is not written before the image."""

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(Places, "begin", lambda places, image, before, after: None))
        stack.enter_context(replaced(Forest, "demand_still", lambda forest, image: None))
        yield


@contextlib.contextmanager
def _keeps_limits() -> Iterator[None]:
    """A failed input stays blocked, whatever limits it has now."""
    read = claims.read_claim

    def read_claim(
        claim: Any, now: Any, gates: Any = "", floor: Any = None, limits: Any = "", *more: Any
    ) -> Any:
        return read(claim, now, gates, floor, "", *more)

    with replaced(claims, "read_claim", read_claim):
        yield


@contextlib.contextmanager
def _judges_at_leisure() -> Iterator[None]:
    """A changed `verify` makes no wish."""
    with replaced(wishes, "to_be_judged", lambda head, **given: head):
        yield


_EDITS: dict[str, Any] = {"faults": "light", "chapters": ("edits",)}
RULES = (
    Sabotage(rule="limits-renew-a-failure", patch=_keeps_limits, **_EDITS),
    Sabotage(rule="verify-makes-a-wish", patch=_judges_at_leisure, **_EDITS),
    Sabotage(rule="rule-14-lane-of-a-change", patch=_takes_the_last_lane, chapters=("windows",)),
    Sabotage(
        rule="rule-14-bounded-wait",
        patch=_waits_without_a_bound,
        faults="light",
        images=6,
        slots=3,
        chapters=("fixes",),
    ),
    Sabotage(
        rule="rule-19-whole-chain",
        patch=_refreshes_alone,
        faults="none",
        images=8,
        chapters=("refreshes",),
        days=7,
    ),
    Sabotage(
        rule="refreshed-by-max-age",
        patch=_refreshes_nothing,
        faults="none",
        images=4,
        chapters=("refreshes",),
    ),
    Sabotage(
        rule="rule-20-order-of-moves",
        patch=_moves_without_an_order,
        faults="light",
        chapters=("editors",),
        directed="without an order, index rows form a circle in which messages never end, so a seed never ends",
    ),
)
