"""People work in the live gallery itself: they delete versions, take them out of `latest` and let them in again.

Changes of `latest` are slow, and some fail on the platform's side. Definitions and platform steps are taken back
while their builds are on their way.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.attempts import PROVENANCE_TAG
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import VersionState
from simulation import world
from simulation.chapters.chapter import Chapter, Happening
from simulation.world import ADMIN, LIVE

if TYPE_CHECKING:
    from simulation.story import SeedStory

_SLOW = timedelta(minutes=2)
_COPIES = timedelta(minutes=40)  # somebody waits so long for a copy


class ByHand(Chapter):
    """No event of the gallery reaches the factory: the timer alone finds what was done."""

    name: ClassVar[str] = "by-hand"
    rate: ClassVar[float] = 0.4
    needs_sweep: ClassVar[bool] = True

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._copied: dict[tuple[str, str], Mapping[str, str]] = {}  # the tags that a copy began with
        self._out: set[tuple[str, GalleryVersion]] = set()  # taken out, and not let in again by a person

    def happenings(self) -> Sequence[Happening]:
        """Mostly one version at a time."""
        return [
            (2, self._delete),
            (3, self._take_out),
            (2, self._let_in),
            (1, self._include),
            (1, self._slow),
            (1, self._fail),
            (3, self._edit_and_revert),
            (1, self._platform_and_back),
            (2, self._forge),
        ]

    def end(self) -> None:
        """The platform is well again."""
        self.world.ports.galleries.updating = timedelta(0)
        self.world.ports.galleries.update_failures.clear()

    def people_look(self) -> int:
        """SecOps find an alarm about many differences, and know that it is true."""
        if not self.world.factory.suspicion.seen().are_too_many:
            return 0
        self.story.insist(lambda: self.world.factory.suspicion.accept(ADMIN, "it is true"))
        return 1

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(20) The factory never lets a version in that a person took out, and that no person has let in again.

        (39) Nor one whose tags are not those that its copy began with.
        """
        if name == "galleries.begin_copy":
            self._copied[str(given[0].image), str(given[0].version)] = dict(given[0].tags)
        if name == "galleries.set_excluded" and not named["excluded"] and given[0] == LIVE:
            key = (str(given[1]), given[2])
            if key in self._out:
                self.world.blame(
                    f"(20) {given[1]}@{given[2]} was let in again, although a person took it out"
                )
            self._demand_tags(given[1], given[2])

    def _demand_tags(self, image: ImageName, version: GalleryVersion) -> None:
        copied = self._copied.get((str(image), str(version)))
        shown = self.world.ports.galleries.find_version(LIVE, image, version)
        if copied is not None and shown is not None and dict(shown.tags) != copied:
            self.world.blame(f"(39) {image}@{version} is in latest with tags that its copy did not have")

    def _forge(self) -> None:
        """Somebody gives a version the statement of another one while it is copied to the live gallery."""
        until = self.world.ports.clock.now() + _COPIES
        while self.world.ports.clock.now() < until:
            for build in self.world.safety.builds.values():
                if build.phase == "publishing" and self._exchange(build.image, build.version):
                    return
            self.world.run_until(self.world.ports.clock.now() + _SLOW)

    def _exchange(self, name: str, number: str | None) -> bool:
        """True where the version was on its way, and has another's statement now."""
        galleries, image = self.world.ports.galleries, ImageName(name)
        others = [each.tags for each in galleries.list_versions(LIVE, image) if str(each.version) != number]
        shown = None
        if number is not None:
            shown = galleries.find_version(LIVE, image, GalleryVersion.parse(number))
        if shown is None or shown.state is not VersionState.CREATING or not others:
            return False
        tags = {**shown.tags, PROVENANCE_TAG: others[-1].get(PROVENANCE_TAG, "")}
        galleries.add_version(replace(shown, state=VersionState.READY, tags=tags))
        return True

    def _current(self) -> tuple[ImageName, GalleryVersion] | None:
        """A live version that `latest` gives."""
        image = ImageName(self.chance.choice(sorted(self.story.parents)))
        latest = self.world.ports.galleries.latest(LIVE, image)
        return None if latest is None else (image, latest)

    def _delete(self) -> None:
        found = self._current()
        if found is not None:
            self._note(*found)
            self.world.ports.galleries.begin_delete(LIVE, *found)

    def _take_out(self) -> None:
        found = self._current()
        if found is None or not self._mark(*found, excluded=True):
            return
        self._note(*found)
        self._out.add((str(found[0]), found[1]))

    def _let_in(self) -> None:
        found = min(self._out, key=str, default=None)
        if found is not None and self._mark(ImageName(found[0]), found[1], excluded=False):
            self._out.discard(found)
            self._give_back(*found)

    def _include(self) -> None:
        """By the command instead."""
        found = min(self._out, key=str, default=None)
        if found is None:
            return
        self._out.discard(found)

        def include() -> None:
            self.world.factory.readmission.include(ImageName(found[0]), found[1], ADMIN, "it was good")
            self._give_back(*found)

        self.story.insist(include)

    def _mark(self, image: ImageName, version: GalleryVersion, *, excluded: bool) -> bool:
        """True where the gallery takes the change at once; a version that is busy is left alone."""
        galleries = self.world.ports.galleries
        kept, galleries.updating = galleries.updating, timedelta(0)
        failures, galleries.update_failures = galleries.update_failures, []
        try:
            found = galleries.find_version(LIVE, image, version)
            if found is None or found.state is not VersionState.READY:
                return False
            galleries.set_excluded(LIVE, image, version, excluded=excluded)
        finally:
            galleries.updating, galleries.update_failures = kept, failures
        return True

    def _note(self, image: ImageName, version: GalleryVersion) -> None:
        self.world.safety.take_away((str(image), str(version)))

    def _give_back(self, image: str, version: GalleryVersion) -> None:
        self.world.safety.give_back((image, str(version)))

    def _slow(self) -> None:
        self.world.ports.galleries.updating = self.chance.choice((timedelta(0), _SLOW))

    def _fail(self) -> None:
        self.world.ports.galleries.update_failures.append("InternalError: the region was lost")

    def _edit_and_revert(self) -> None:
        """A person sees the mistake some minutes or an hour later."""
        name = self.chance.choice(sorted(self.story.parents))
        before = self.story.texts.get(name, "content")
        self.story.texts[name] = f"mistake-{self.chance.randrange(3)}"
        self.story.register(name)
        self._wait()
        if name in self.story.parents:
            self.story.texts[name] = before
            self.story.register(name)

    def _platform_and_back(self) -> None:
        before = self.world.steps
        self.story.insist(lambda: world.put_platform(self.world, "a bad step"))
        self._wait()
        self.story.insist(lambda: world.put_platform(self.world, before))

    def _wait(self) -> None:
        pause = timedelta(minutes=self.chance.choice((1, 10, 40)))
        self.world.run_until(self.world.ports.clock.now() + pause)
