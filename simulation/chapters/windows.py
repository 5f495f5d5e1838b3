"""Windows and suspended images: a security change reaches a child at once all the same, and no input is built twice.

The chapter keeps its own record of how the current version of each image changed, from the rows as they are written.
It reads windows by a calendar of its own.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from pipeline_core.ports import TableWrite, WriteKind
from simulation import rows
from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

_WINDOWS = ("Mon-Fri 06:00-20:00 Europe/Amsterdam", "Sat-Sun 00:00-23:00 UTC", "Mon-Sun 01:00-04:00 UTC")
# What the windows say: days of the week (0 is Monday), first and last hour, time zone.
_HOURS: Mapping[str, tuple[range, int, int, str]] = dict(
    zip(
        _WINDOWS,
        (
            (range(5), 6, 20, "Europe/Amsterdam"),
            (range(5, 7), 0, 23, "UTC"),
            (range(7), 1, 4, "UTC"),
        ),
        strict=True,
    )
)
# A build that was wanted when its slot was looked for begins within this time: clocks differ, and handlers take long.
_BEGINS = timedelta(minutes=10)
# Changes that wait for a window, but for those of a parent, which have the lane of what changed it.
_CALM = frozenset(
    {"definition-changed", "bundle-changed", "refresh-due", "source-withdrawn", "parent-changed"}
)
_CALM_PARTS = frozenset({"bundle", "recipe", "period", "origin"})  # of inputs, as the kinds above
_URGENT = frozenset({"source-changed", "platform-changed", "catalog-changed"})
_SECURITY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One change of an image's current version. It is neither urgent nor calm where its reason is not known."""

    version: str
    is_urgent: bool
    is_calm: bool  # nothing urgent is in it


class Windows(Chapter):
    """A third of the images has a window, and some are suspended for a while."""

    name: ClassVar[str] = "windows"
    needs_sweep: ClassVar[bool] = True  # no event says that a window opens

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._windows: dict[str, str | None] = {}
        self._suspended: set[str] = set()
        self._is_over = False
        self._changes: defaultdict[str, list[_Change]] = defaultdict(list)
        self._builds: dict[str, Mapping[str, Any]] = {}  # as their rows say, by id
        self._heads: dict[str, Mapping[str, Any]] = {}  # as their rows say, by image
        self._resting: dict[str, datetime] = {}  # images whose head says `suspend`, and since when

    def document(self, image: str) -> Mapping[str, Any]:
        """A window for good, until the story ends; `suspend` for a while."""
        if image not in self._windows:
            self._windows[image] = self.chance.choice(_WINDOWS) if self.chance.random() < 0.35 else None
        window = None if self._is_over else self._windows[image]
        return {
            **({} if window is None else {"window": window}),
            **({"suspend": True} if image in self._suspended else {}),
        }

    def happenings(self) -> Sequence[Happening]:
        """A team suspends its image, and lets it go on. SecOps edit a base while a release is built."""
        return ((1, self._suspend), (2, self._go_on), (2, self._edit_behind_a_release))

    def end(self) -> None:
        """Windows and suspensions end, so that everything can become current."""
        self._is_over, held = True, [name for name, window in self._windows.items() if window is not None]
        held += sorted(self._suspended)
        self._suspended.clear()
        for name in dict.fromkeys(held):
            if name in self.story.parents:
                self.story.register(name)

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(13) A build that brings a security change has its lane; (14) an input is built once.

        (36) A window and (37) a suspension hold back what is not urgent.
        """
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                self._look_at(write)

    def _edit_behind_a_release(self) -> None:
        """The children then see the base after two changes, and the last one is not urgent."""
        roots = sorted(name for name, parent in self.story.parents.items() if parent is None)
        self.story.release()
        self.world.run_until(self.world.ports.clock.now() + timedelta(minutes=12))
        name = self.chance.choice(roots)
        self.story.texts[name] = f"behind-{self.chance.randrange(10**6)}"
        self.story.register(name)

    def _suspend(self) -> None:
        name = self.chance.choice(sorted(self.story.parents))
        self._suspended.add(name)
        self.story.register(name)

    def _go_on(self) -> None:
        for name in sorted(self._suspended)[:1]:
            self._suspended.discard(name)
            if name in self.story.parents:
                self.story.register(name)

    def _look_at(self, write: TableWrite) -> None:
        if write.verb is WriteKind.DELETE or not (
            write.row.key == "head" or write.row.key.startswith("build:")
        ):
            return
        row = rows.said_by(write.row)
        if write.row.key == "head":
            self._look_at_head(row, is_new=write.verb is WriteKind.INSERT)
        else:
            self._look_at_build(row)

    def _look_at_head(self, head: Mapping[str, Any], *, is_new: bool) -> None:
        image, current = head["registration"]["name"]["value"], head["current"]
        left, self._heads[image] = self._heads.get(image), head
        if head["registration"]["suspend"]:
            self._resting.setdefault(image, self.world.ports.clock.now())
        else:
            self._resting.pop(image, None)
        if is_new:
            if current is not None:  # recovered: what was counted before is lost
                self._changes.clear()
            self._changes[image] = []
        if current is None:
            return
        version = _text(current["version"])
        known = self._changes[image]
        if known and known[-1].version == version:
            return
        urgent, calm = self._judge(image, current, None if left is None else left["current"])
        known.append(_Change(version=version, is_urgent=urgent, is_calm=calm))

    def _judge(
        self, image: str, current: Mapping[str, Any], left: Mapping[str, Any] | None
    ) -> tuple[bool, bool]:
        """Whether the change from `left` to `current` is urgent, and whether it is calm.

        What a build brought says nothing about a version that becomes current again. Where a person took the version
        before away, that was for a reason which nobody knows, and it may be urgent.
        """
        version, known = _text(current["version"]), self._changes[image]
        if known and self._was_taken_away(image, known[-1].version) and _is_below(version, known[-1].version):
            return False, False
        if any(change.version == version for change in known):
            return (False, False) if left is None else self._judge_return(left["inputs"], current["inputs"])
        build = self._builds.get(current["build"]["value"])
        if build is None or _text(build["version"]) != version or build["phase"] != "finished":
            return False, False
        return self._is_urgent(build), self._is_calm(build)

    def _was_taken_away(self, image: str, version: str) -> bool:
        return (image, version) in self.world.safety.taken_away

    def _judge_return(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[bool, bool]:
        """A version is used again, because its inputs are wanted again: what differs between the two is the change."""
        changed = {part for part in new if new[part] != old[part]}
        followed: Sequence[_Change] | None = ()
        if "origin" in changed:
            parent = new["origin"].get("image", {}).get("value", "")
            is_same = old["origin"].get("image", {}).get("value") == parent
            followed = self._changes_since(parent, _text(old["origin"]["version"])) if is_same else None
        urgent = "platform" in changed or any(change.is_urgent for change in followed or ())
        calm = followed is not None and all(change.is_calm for change in followed)
        return urgent, calm and changed <= _CALM_PARTS

    def _look_at_build(self, build: Mapping[str, Any]) -> None:
        name = build["id"]["value"]
        if name not in self._builds and build["phase"] == "pending":
            self._demand_lane(build)
        before = self._builds.get(name)
        if build["phase"] == "building" and (before is None or before["phase"] == "pending"):
            self._demand_once(build)
            self._demand_no_rest(build)
        self._builds[name] = build

    def _demand_lane(self, build: Mapping[str, Any]) -> None:
        if build["lane"] != _SECURITY and self._is_urgent(build):
            self.world.blame(f"(13) {build['id']['value']} brings a security change in lane {build['lane']}")

    def _is_urgent(self, build: Mapping[str, Any]) -> bool:
        if _kinds(build) & _URGENT:
            return True
        changes = self._changes_of_parent(build)
        return changes is not None and any(each.is_urgent for each in changes)

    def _is_calm(self, build: Mapping[str, Any]) -> bool:
        """True where nothing that the build brings is urgent, as far as everything about it is known."""
        if not _kinds(build) <= _CALM:
            return False
        changes = self._changes_of_parent(build)
        return changes is not None and all(each.is_calm for each in changes)

    def _changes_of_parent(self, build: Mapping[str, Any]) -> Sequence[_Change] | None:
        """The changes of its parent that the build follows; None where they are not known."""
        if "parent-changed" not in _kinds(build):
            return ()
        (old,) = [reason["old"] for reason in build["reasons"] if reason["kind"] == "parent-changed"]
        parent = build["inputs"]["origin"]["image"]["value"]
        name, _, version = old.partition("@")
        return self._changes_since(parent, version) if name == parent else None

    def _changes_since(self, parent: str, version: str) -> Sequence[_Change] | None:
        """The changes of the parent after it had this version last; None where that is not known."""
        changes = self._changes[parent]
        seen = [place for place, change in enumerate(changes) if change.version == version]
        return changes[seen[-1] + 1 :] if seen else None

    def _demand_no_rest(self, build: Mapping[str, Any]) -> None:
        """(36) Outside its window, and (37) while it is suspended, an image begins nothing that can wait."""
        image, now = build["image"]["value"], self.world.ports.clock.now()
        head = self._heads.get(image)
        if head is None or _was_asked_for(head, build):
            return
        window, since = head["registration"]["window"], self._resting.get(image)
        obeys = window is not None and head["current"] is not None and self._is_calm(build)
        if obeys and not any(_is_open(window, moment) for moment in (now, now - _BEGINS)):
            self.world.blame(f"(36) {build['id']['value']} began outside the window {window}")
        if since is not None and since < now - _BEGINS:
            self.world.blame(f"(37) {build['id']['value']} began while its image was suspended")

    def _demand_once(self, build: Mapping[str, Any]) -> None:
        image, input_ = build["image"]["value"], build["fingerprint"]["value"]
        if (image, input_) in self.world.safety.pruned:
            return
        for other in self._builds.values():
            # Nearly every build of a long story is of another input.
            is_same = other["fingerprint"]["value"] == input_ and other["image"]["value"] == image
            if is_same and other["id"] != build["id"] and other["result"] == "succeeded":
                self.world.blame(f"(14) {build['id']['value']} builds an input that was built before")


def _kinds(build: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(reason["kind"] for reason in build["reasons"])


def _is_open(window: str, moment: datetime) -> bool:
    days, first, last, zone = _HOURS[window]
    local = moment.astimezone(ZoneInfo(zone))
    return local.weekday() in days and first <= local.hour < last


def _is_below(one: str, other: str) -> bool:
    return [int(part) for part in one.split(".")] < [int(part) for part in other.split(".")]


def _was_asked_for(head: Mapping[str, Any], build: Mapping[str, Any]) -> bool:
    """True where a person asked for the build, or for a newer one after it was planned."""
    request = head["request"]
    is_newer = request is not None and request["token"] != build["inputs"]["token"]
    return is_newer or "rebuild-requested" in _kinds(build)


def _text(version: Mapping[str, int] | None) -> str:
    return "" if version is None else f"{version['major']}.{version['day']}.{version['sequence']}"
