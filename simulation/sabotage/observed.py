"""The rules of what is observed and wanted: looks at galleries, marks of other people, changes that were taken back."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline_core.domain import wanted
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.sources import OriginVersion, ParentVersion
from pipeline_core.domain.staleness import World
from pipeline_core.domain.version_records import Standing
from pipeline_core.domain.wanted import Answer, Wish
from pipeline_core.services.images import reuse
from pipeline_core.services.upkeep.galleries import GallerySweep
from pipeline_core.services.versions import falls
from pipeline_core.services.versions.lost_parents import LostParents
from pipeline_core.services.versions.turns import Turns
from simulation.sabotage.shape import Sabotage, replaced

_CHAPTERS = ("by-hand",)


@contextlib.contextmanager
def _looks_at_nothing() -> Iterator[None]:
    """The factory believes what it remembers about the galleries."""

    with replaced(GallerySweep, "observe", lambda self: 0):
        yield


@contextlib.contextmanager
def _wants_everything() -> Iterator[None]:
    """A build that has begun is wanted for ever."""

    with replaced(wanted, "judge", lambda *given: Answer(wish=Wish.ASKED)):
        yield


_parts = wanted._parts


@contextlib.contextmanager
def _keeps_old_steps() -> Iterator[None]:
    """A build is wanted although the platform steps that it began under were taken back."""

    def parts(*given: Any) -> Any:
        return [each for each in _parts(*given) if each[0] != "the platform steps"]

    with replaced(wanted, "_parts", parts):
        yield


_lost_parent = wanted._lost_parent


@contextlib.contextmanager
def _asks_only_what_is_current() -> Iterator[None]:
    """A build is withdrawn where its parent has fallen to an older version, and not where that version is just lost."""

    def lost(head: ImageHead, built: OriginVersion, world: World) -> str:
        parent = world.heads.get(built.image) if isinstance(built, ParentVersion) else None
        current = None if parent is None or parent.current is None else parent.current.version
        has_fallen = isinstance(built, ParentVersion) and current is not None and current < built.version
        return _lost_parent(head, built, world) if has_fallen else ""

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(wanted, "_lost_parent", lost))
        stack.enter_context(replaced(LostParents, "find", lambda *given: ""))
        yield


@contextlib.contextmanager
def _creates_what_waited() -> Iterator[None]:
    """A build that got its slot gets its container, however long that took and whatever was taken away meanwhile."""

    with replaced(Turns, "find_unwanted", lambda *given: None):
        yield


@contextlib.contextmanager
def _owns_every_mark() -> Iterator[None]:
    """A version that a person took out of latest is taken for one of the factory's own."""

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(reuse, "standing_of", lambda *given, **named: Standing.LIVE))
        outcomes = dict.fromkeys(falls._OUTCOME, Outcome.SUCCEEDED)
        stack.enter_context(replaced(falls, "_OUTCOME", outcomes))
        yield


RULES = (
    Sabotage(rule="rule-12-observed", patch=_looks_at_nothing, faults="none", images=6, chapters=_CHAPTERS),
    Sabotage(rule="rule-12-by-hand", patch=_owns_every_mark, faults="none", images=6, chapters=_CHAPTERS),
    Sabotage(rule="rule-13-wanted", patch=_wants_everything, faults="none", images=6, chapters=_CHAPTERS),
    Sabotage(rule="rule-13-platform", patch=_keeps_old_steps, faults="none", images=6, chapters=_CHAPTERS),
    Sabotage(
        rule="rule-13-parent",
        patch=_asks_only_what_is_current,
        directed="it needs a parent without a good version, and a copy of half a day: one seed in a hundred",
    ),
    Sabotage(
        rule="rule-13-after-a-wait",
        patch=_creates_what_waited,
        directed="it needs a parent that is lost, and a wait of half a day for a container: one seed in hundreds",
    ),
)
