"""Copies to the live gallery fail for a while, as where a region is short of room. Nothing is built again for that."""

from collections.abc import Sequence
from typing import ClassVar

from pipeline_core.domain.builds import Result
from simulation.chapters.chapter import Chapter, Happening


class FailingCopies(Chapter):
    """A copy that fails waits for its next try. When copies work again, what was proven is published."""

    name: ClassVar[str] = "copies"
    rate: ClassVar[float] = 0.3

    def happenings(self) -> Sequence[Happening]:
        """Mostly copies work."""
        return [(1, self._fail), (2, self.end)]

    def end(self) -> None:
        """Copies work again."""
        self.world.ports.galleries.fails_with = ""

    def violations(self) -> Sequence[str]:
        """No build has ended because its copy failed: the story is shorter than the week of its tries."""
        found = []
        for image in sorted(self.world.registered, key=str):
            for build in self.world.base.records.images.list_builds(image, limit=1000):
                failure = build.failure
                if (
                    build.result is Result.FAILED
                    and failure is not None
                    and "be replicated" in failure.message
                ):
                    found.append(f"build {build.id} ended because its proven version could not be copied")
        return found

    def _fail(self) -> None:
        self.world.ports.galleries.fails_with = "InternalError: the region is short of room"
