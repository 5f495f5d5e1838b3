"""The rules of retention: what is used stays, and nothing goes before its grace period is over."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline_core.domain import retention
from pipeline_core.domain.retention import KeepRule, Removal
from pipeline_core.services.versions.retention import RetentionPlans
from simulation.sabotage.shape import Sabotage, replaced

_reasons, _step = retention._reasons_of_use, retention._step


def _without(*kept: KeepRule) -> contextlib.AbstractContextManager[object]:
    """Retention does not know these reasons."""

    def reasons(*given: Any) -> Any:
        return [each for each in _reasons(*given) if each.by not in kept]

    return replaced(retention, "_reasons_of_use", reasons)


@contextlib.contextmanager
def _spares_no_current() -> Iterator[None]:
    with _without(KeepRule.CURRENT, KeepRule.LAST_GOOD):
        yield


@contextlib.contextmanager
def _spares_no_last_good() -> Iterator[None]:
    with _without(KeepRule.LAST_GOOD):
        yield


@contextlib.contextmanager
def _asks_no_children() -> Iterator[None]:
    """Retention looks at no child of the image."""
    with replaced(RetentionPlans, "_children", lambda self, image: iter(())):
        yield


@contextlib.contextmanager
def _knows_no_grace() -> Iterator[None]:
    """What was excluded is deleted by the next look."""

    def step(*given: Any) -> Any:
        found = _step(*given)
        return replace(found, removal=Removal.DELETE) if found.removal is Removal.EXCLUDE else found

    with replaced(retention, "_step", step):
        yield


_STORY: dict[str, Any] = {"faults": "light", "images": 6, "chapters": ("retention",), "days": 8}
RULES = (
    Sabotage(rule="retention-spares-the-current", patch=_spares_no_current, **_STORY),
    Sabotage(rule="retention-spares-the-last-good", patch=_spares_no_last_good, **_STORY),
    Sabotage(rule="retention-asks-the-children", patch=_asks_no_children, **_STORY),
    Sabotage(rule="retention-waits-for-its-grace", patch=_knows_no_grace, **_STORY),
)
