"""A base is edited again and again for hours, behind a release: the release reaches its children all the same."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from pipeline_core.domain import plan
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import DoNothing, RestReason
from pipeline_core.domain.sources import ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.state.images import ImageStore
from simulation.chapters.chapter import Chapter, Happening
from simulation.world import SOURCE

if TYPE_CHECKING:
    from simulation.story import SeedStory

_BOUND = timedelta(hours=4)  # after which a security change waits for no ancestor
# The sweep finds that the bound is over. It comes every ten minutes, and a timer that failed comes again.
_FOUND = timedelta(minutes=45)
_BUILT = timedelta(
    hours=2
)  # in which the release becomes the base's version, or does not for its own reasons
_APART = timedelta(minutes=8)  # shorter than a build, so that each build of the base is outdated at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fix:
    """The base has the release since this version, and since when."""

    base: ImageName
    version: GalleryVersion
    at: datetime


class LastingEdits(Chapter):
    """At most once in a story, SecOps try something out in a base, and each try is an edit."""

    name: ClassVar[str] = "fixes"
    rate: ClassVar[float] = 0.1
    needs_sweep: ClassVar[bool] = True  # no event says that the bound is over

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._is_left = True

    def happenings(self) -> Sequence[Happening]:
        """At most one such day."""
        return ((1, self._try_things),) if self._is_left else ()

    def _try_things(self) -> None:
        """(41) Each child is planned with the release within four hours and a sweep."""
        parents = self.story.parents
        bases = sorted({each for each in parents.values() if each is not None and parents[each] is None})
        if not bases:
            return
        self._is_left, base = False, self.chance.choice(bases)
        self.story.release()
        release, begun = self.world.ports.marketplace.newest_offered(SOURCE), self.world.ports.clock.now()
        if release is None:
            return
        fix: _Fix | None = None
        children: set[str] = set()
        for number in range(1, 100):
            self.story.texts[base] = f"try-{number}"
            self.story.register(base)
            self.world.run_until(self.world.ports.clock.now() + _APART)
            now = self.world.ports.clock.now()
            if fix is None:
                fix = self._find(ImageName(base), release, now)
                if fix is not None:
                    children = {name for name, parent in parents.items() if parent == base}
                elif now > begun + _BUILT:
                    return
                continue
            children = {name for name in children if self._lacks(ImageName(name), fix)}
            if not children or now > fix.at + _BOUND + _FOUND:
                break
        if fix is not None:
            self._demand(fix, children)

    def _demand(self, fix: _Fix, children: set[str]) -> None:
        for name in sorted(children):
            why = self._what_holds(ImageName(name))
            if why is RestReason.WAITS_FOR_ANCESTOR:
                text = f"(41) {name} waits for an ancestor, and the fix in {fix.base}@{fix.version}"
                self.world.blame(f"{text} has not reached it since {fix.at:%d %H:%M}")

    def _find(self, base: ImageName, release: MarketplaceVersion, now: datetime) -> _Fix | None:
        """The base's version with the release; None while it has none."""
        head = self._head(base)
        if head is None or head.current is None:
            return None
        origin = head.current.inputs.origin
        if (
            not isinstance(origin, SourceVersion)
            or origin.source.key != SOURCE.key
            or origin.version < release
        ):
            return None
        return _Fix(base=base, version=head.current.version, at=now)

    def _lacks(self, child: ImageName, fix: _Fix) -> bool:
        """True where a version of the child is older than the fix, and no build brings it."""
        head = self._head(child)
        if head is None or head.current is None or head.registration.parent != fix.base:
            return False
        origin = head.current.inputs.origin
        if isinstance(origin, ParentVersion) and origin.image == fix.base and origin.version >= fix.version:
            return False
        builds = (each for each in self.world.safety.builds.values() if each.image == str(child))
        parents = [each.parent for each in builds if each.parent is not None]
        return not any(
            image == str(fix.base) and GalleryVersion.parse(version) >= fix.version
            for image, version in parents
        )

    def _what_holds(self, child: ImageName) -> RestReason | None:
        """Why no build of the child is planned, by the factory; None where one would be, or nobody can say."""
        injector, now = self.world.injector, self.world.ports.clock.now()
        was_enabled, injector.enabled = injector.enabled, False
        try:
            decision = plan.plan(self.world.parts.images.observer.observe(child, now).snapshot, now)
        except UnreadableRow:
            return None
        finally:
            injector.enabled = was_enabled
        return decision.why if isinstance(decision, DoNothing) else None

    def _head(self, image: ImageName) -> ImageHead | None:
        try:
            found = ImageStore(self.world.ports.tables).find_head(image)
        except UnreadableRow:
            return None
        return None if found is None else found.value
