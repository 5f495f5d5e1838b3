"""Retention as often as the timer allows, with nothing kept but the newest, and edits that make old versions current.

No current version is removed, nor the last good one beside it, nor one that the current version of a child is built
from; and none before it was out of `latest` for its grace period. All of this is read from the galleries and the
rows at the moment of the call.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.attempts import PROVENANCE_TAG
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.retention import list_fallbacks
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.version_records import Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, TableWrite, VersionState, WriteKind
from pipeline_core.services.versions.retention import listed_version
from pipeline_core.state.galleries.versions import VersionStore
from pipeline_core.state.images import ImageStore
from pipeline_core.wiring.foundation import foundation_of
from simulation import rows
from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

GRACE = timedelta(hours=1)
_ROUND = timedelta(hours=21)  # longer than the pause between two rounds
_ROUNDS = 4  # after the faults: look, exclude again, delete, delete again
_SKEW = timedelta(minutes=3)  # of clocks that differ
_RECORD = "version:"  # how the key of a version's record begins
_WHOLE = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})

Place = tuple[str, str]  # image, version


class RetentionRuns(Chapter):
    """The timer of retention, several times a day; each round is over after a few slices."""

    name: ClassVar[str] = "retention"
    rate: ClassVar[float] = 0.8

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._left_latest: dict[Place, datetime] = {}
        self._held: set[str] = set()  # children that stay on an old version of their parent

    def begin(self) -> None:
        """A grace period that a story of some days sees the end of."""
        base = self.world.base
        limits = replace(base.limits, retention_grace=GRACE)
        self.world.rewire(foundation_of(base.ports, base.deployment, limits))

    def document(self, image: str) -> Mapping[str, Any]:
        """Only the newest is kept, and unknown use keeps nothing. Some children are suspended for days."""
        kept = {"retention": {"keep": 1, "keepInUse": False}}
        return {**kept, "suspend": True} if image in self._held else kept

    def happenings(self) -> Sequence[Happening]:
        """Mostly the timer. Sometimes an image gets back the content of an old version, which is current again."""
        return [(3, self._prune), (2, self._go_back), (1, self._hold)]

    def end(self) -> None:
        """What was decided during the faults is carried out. The days between cost little."""
        self.world.dozes = True
        self._let_go()
        for _ in range(_ROUNDS):
            self.world.run_until(self.world.ports.clock.now() + _ROUND)
            self._prune()

    def _hold(self) -> None:
        """A team suspends its image, and lets the one before go on: the parent has newer versions meanwhile."""
        self._let_go()
        children = sorted(name for name, parent in self.story.parents.items() if parent is not None)
        if children:
            self._held = {self.chance.choice(children)}
            self.story.register(*self._held)

    def _let_go(self) -> None:
        held, self._held = self._held, set()
        for name in sorted(held & self.story.parents.keys()):
            self.story.register(name)

    def violations(self) -> Sequence[str]:
        """(22) A version whose removal was decided is gone; the current one is not among those."""
        found = []
        for name in sorted(self.world.registered, key=str):
            head = ImageStore(self.world.ports.tables).find_head(name)
            records = VersionStore(self.world.ports.tables).of_image(name)
            current = None if head is None or head.value.current is None else head.value.current.version
            for version, stored in records.items():
                if stored.value.standing is not Standing.PRUNED or head is None:
                    continue
                shown = self.world.ports.galleries.find_version(
                    head.value.registration.gallery, name, version
                )
                if shown is not None and version == current:
                    found.append(f"(22) the current {name}@{version} is called removed")
        return found

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(22) Look at what leaves `latest`, and at each removal of a version that was ever live."""
        now = self.world.ports.clock.now()
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                self._look_at_decision(write, now)
        elif name == "galleries.set_life":
            wanted: GalleryImageVersion = given[0]
            place = (str(wanted.image), str(wanted.version))
            if wanted.excluded_from_latest:
                self._left_latest.setdefault(place, now)
                self._look_at_exclusion(wanted)
            else:
                self._left_latest.pop(place, None)
        elif name == "galleries.begin_delete" and str(given[0]) in self.world.safety.live:
            self._look_at_removal(given[0], given[1], given[2], now)

    def _look_at_decision(self, write: TableWrite, now: datetime) -> None:
        """A version whose removal is decided while it is out of `latest` anyway is out from then on.

        The request that repeats this mark and adds the end of life may be lost, and machines were made from the
        version neither before nor after. Before the decision nobody knew that the version would go, so the time out
        of `latest` until then does not count.
        """
        if write.verb is WriteKind.DELETE or not write.row.key.startswith(_RECORD):
            return
        said = rows.said_by(write.row)
        if said["standing"] != Standing.PRUNING.value:
            return
        image, version = ImageName(said["image"]["value"]), GalleryVersion(**said["version"])
        for gallery in self.world.live:
            shown = self.world.ports.galleries.find_version(gallery, image, version)
            if shown is not None and shown.excluded_from_latest:
                self._left_latest.setdefault((str(image), str(version)), now)

    def _look_at_exclusion(self, wanted: GalleryImageVersion) -> None:
        """A version that the image could fall back to leaves `latest` only if another one is left for that."""
        shown = self.world.ports.galleries.list_versions(wanted.gallery, wanted.image)
        before = next((each for each in shown if each.version == wanted.version), None)
        head = ImageStore(self.world.ports.tables).find_head(wanted.image)
        current = None if head is None or head.value.current is None else head.value.current.version
        if before is None or before.excluded_from_latest or current is None or wanted.version > current:
            return
        records = VersionStore(self.world.ports.tables).of_image(wanted.image)
        kept = records.get(wanted.version)
        if kept is None or kept.value.was_standing is not Standing.LIVE or kept.value.was_excluded:
            return
        listed = [listed_version(each, records.get(each.version), current) for each in shown]
        if not set(list_fallbacks(listed, current)) - {wanted.version}:
            text = f"(22) {wanted.image}@{wanted.version} left latest"
            self.world.blame(f"{text}, and no other is left to fall back to from {current}")

    def _look_at_removal(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion, now: datetime
    ) -> None:
        place = (str(image), str(version))
        if place not in self.world.safety.published or self._is_of_a_stopping_build(*place):
            return  # the copy of a build that stops, perhaps just after it was included
        text = f"(22) {image}@{version} was removed"
        since = self._left_latest.get(place)
        if since is None or now - since < GRACE - _SKEW:
            self.world.blame(f"{text} before its grace period was over")
        images = ImageStore(self.world.ports.tables)
        head = images.find_head(image)
        current = None if head is None or head.value.current is None else head.value.current.version
        if current == version:
            self.world.blame(f"{text} while it is current")
        if current is not None and not self._has_another(gallery, image, current):
            self.world.blame(f"{text}, and no good version is left beside {current}")
        for child in self._heads(images):
            origin = None if child.current is None else child.current.inputs.origin
            if isinstance(origin, ParentVersion) and (origin.image, origin.version) == (image, version):
                self.world.blame(f"{text} while the current version of {child.name} is built from it")

    def _is_of_a_stopping_build(self, image: str, version: str) -> bool:
        builds = self.world.safety.builds.values()
        return any((each.image, each.version) == (image, version) and each.is_stopping for each in builds)

    def _has_another(self, gallery: GalleryName, image: ImageName, current: GalleryVersion) -> bool:
        listed = self.world.ports.galleries.list_versions(gallery, image)
        return any(
            each.version != current and each.state in _WHOLE and each.tags.get(PROVENANCE_TAG)
            for each in listed
        )

    def _heads(self, images: ImageStore) -> Sequence[ImageHead]:
        found = (images.find_head(name) for name in self.world.registered)
        return [head.value for head in found if head is not None]

    def _prune(self) -> None:
        self.world.host.fire("prune", self.world.factory.pruner.prune)

    def _go_back(self) -> None:
        """A person takes back an edit, while the timer is at work."""
        name = self.chance.choice(sorted(self.story.parents))
        self.story.texts[name] = f"edit-{self.chance.randrange(3)}"
        self.story.register(name)
