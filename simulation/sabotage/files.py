"""The rules of the tools' files: no build without an admitted file, and no admission without a scanner's answer."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline_core.domain.tools import ScanResult
from pipeline_core.state.catalog.tools import ToolStore
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _builds_with_any_file() -> Iterator[None]:
    """A build does not ask whether the files of its tools are admitted."""
    with replaced(ToolStore, "missing", lambda store, digests: ()):
        yield


@contextlib.contextmanager
def _takes_no_answer_for_a_yes() -> Iterator[None]:
    """A file that no scanner has an answer about is let in."""
    with replaced(ScanResult, "lets_in", property(lambda result: result is not ScanResult.FOUND)):
        yield


_WORLD: dict[str, Any] = {"faults": "light", "chapters": ("tool-files",)}
RULES = (
    # Without faults, so that the chapter can watch an image that waits.
    Sabotage(rule="only-admitted-files", patch=_builds_with_any_file, **_WORLD | {"faults": "none"}),
    Sabotage(rule="unknown-admits-nothing", patch=_takes_no_answer_for_a_yes, **_WORLD),
)
