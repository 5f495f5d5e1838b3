"""The rule of copies: a proven version is not built again because copying it failed."""

import contextlib
from collections.abc import Iterator

from pipeline_core.domain import replication
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _gives_up_copies() -> Iterator[None]:
    """The third failed copy ends the build."""

    with replaced(replication, "is_over", lambda tries: tries >= 3):
        yield


RULES = (Sabotage(rule="copies-are-tried-again", patch=_gives_up_copies, chapters=("copies",)),)
