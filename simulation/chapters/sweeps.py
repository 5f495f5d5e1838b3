"""A sweep of a world at rest asks for nothing and stays within its bound, whatever holds its images back."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pipeline_core.wire.messages import REBUILD_REQUESTS
from simulation.chapters.chapter import Chapter
from simulation.world import SWEEP

_FIXED = 12  # table operations: its scans, the platform, the sources, the policy
_DUE = 3  # sweeps at most that may begin a build before the one that is counted


class SweepCosts(Chapter):
    """It does nothing in the story. At rest, owners suspend and edit what has no children; then two sweeps follow.

    The first may repair a last copy that lags. The second is counted. A sweep that finds a refresh which fell due is no
    sweep of a world at rest, and neither is the next one: the builds took their time, in which another refresh may
    fall due, and what their end has opened (a feed for each receiver of their events) is closed by that next sweep.
    So there is one sweep more for each that began a build.
    """

    name: ClassVar[str] = "sweeps"

    def violations(self) -> Sequence[str]:
        """(28) Rule 17 of the engine: resting costs nothing."""
        twins, injector = self.world.ports, self.world.injector
        was_enabled, injector.enabled = injector.enabled, False
        try:
            self._suspend()
            tables = self._swept()
            asked = len(twins.queues.messages(REBUILD_REQUESTS))
        finally:
            injector.enabled = was_enabled
        bound = _FIXED + len(self.world.registered)
        found = (
            []
            if tables <= bound
            else [f"(28) a sweep at rest took {tables} operations, {bound} are its bound"]
        )
        if asked:
            found.append(f"(28) a sweep at rest asked for {asked} looks at images that rest")
        return found

    def _suspend(self) -> None:
        """Images without children are edited, and rest."""
        parents = self.story.parents
        for image in sorted(set(parents) - set(parents.values())):
            keys: dict[str, Any] = {}
            for chapter in self.story.chapters:
                keys |= chapter.document(image)
            self.world.register(image, parents[image], text="rests", **{**keys, "suspend": True})
        self.world.drain()

    def _swept(self) -> int:
        """The table operations of a sweep behind one that began no build. It follows at once: no time passes."""
        tables, sweep = self.world.ports.tables, self.world.factory.sweeper.sweep
        self.world.ports.clock.advance(SWEEP)
        for _ in range(_DUE):
            known = len(self.world.safety.builds)
            sweep()
            self.world.drain()
            if len(self.world.safety.builds) == known:
                break
        before = tables.operations
        sweep()
        return tables.operations - before
