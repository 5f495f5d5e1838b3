"""The rules of a definition that hold an image back: its window, and `suspend`."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline_core.domain import plan
from pipeline_core.domain.windows import Window
from simulation.sabotage.shape import Sabotage, replaced

_by_rule = plan._by_rule


@contextlib.contextmanager
def _is_always_open() -> Iterator[None]:
    """Every moment is inside of every window."""
    with replaced(Window, "contains", lambda window, now: True):
        yield


@contextlib.contextmanager
def _suspends_nothing() -> Iterator[None]:
    """An image that is suspended is built as any other."""

    def by_rule(snapshot: Any, head: Any, *given: Any) -> Any:
        registration = replace(head.registration, suspend=False)
        return _by_rule(snapshot, replace(head, registration=registration), *given)

    with replaced(plan, "_by_rule", by_rule):
        yield


RULES = (
    Sabotage(rule="window-is-kept", patch=_is_always_open, faults="light", chapters=("windows",)),
    Sabotage(rule="suspend-is-kept", patch=_suspends_nothing, faults="light", chapters=("windows",)),
)
