"""Refresh periods: each image of a chain is built once in a period, and a child never before its base."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pipeline_core.ports import TableWrite, WriteKind
from simulation import rest, rows
from simulation.chapters.chapter import Chapter

_REFRESH = frozenset({"refresh-due"})
_FOLLOWS = frozenset({"parent-changed"})
_PERIOD = timedelta(days=3)
_QUIET = timedelta(days=4)  # nobody does anything for longer than a period
_ON_ITS_WAY = timedelta(hours=12)  # from the beginning of a period until a whole chain is refreshed


class Refreshes(Chapter):
    """Every image has the same `maxAge`; what happens is that time passes, at the end without anything else."""

    name: ClassVar[str] = "refreshes"
    needs_sweep: ClassVar[bool] = True  # no event says that a period begins

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._last: dict[str, tuple[int, bool]] = {}  # period, and whether it was a refresh before its base's
        self._included: dict[str, datetime] = {}  # when an image last had a version that was new in `latest`

    def document(self, image: str) -> Mapping[str, Any]:
        """One period for the whole chain."""
        return {"maxAge": f"{_PERIOD.days}d"}

    def end(self) -> None:
        """Only the clock can rebuild an image now."""
        self.world.run_until(self.world.ports.clock.now() + _QUIET)

    def violations(self) -> Sequence[str]:
        """(40) No image has a version that is older than its `maxAge`, unless its last input fails for good.

        Nor where (1) excuses it: a person has moved it below an image that never had a version, because the input of
        that one fails for good. Then there is nothing to build from.
        """
        oldest = self.world.ports.clock.now() - _PERIOD - _ON_ITS_WAY
        images = self.world.base.records.images
        heads = {name: images.get_head(name).value for name in self.world.registered}
        excused = rest.excused(self.world, heads)
        return [
            f"(40) the version of {name} is from {self._included[str(name)]:%Y-%m-%d %H:%M}, and was not refreshed"
            for name in sorted(self.world.registered, key=str)
            if self._included.get(str(name), oldest) < oldest
            and name not in excused
            and not rest.last_failed(self.world, name)
        ]

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(15) No image is refreshed by itself and again by its base's refresh of the same period."""
        if name == "tables.write" and given[0] == "images":
            for write in given[1]:
                if write.row.key.startswith("build:") and write.verb is not WriteKind.DELETE:
                    self._look_at(write)
        elif name == "galleries.set_excluded" and not named["excluded"] and given[0] in self.world.live:
            self._included[str(given[1])] = self.world.ports.clock.now()

    def _look_at(self, write: TableWrite) -> None:
        build = rows.said_by(write.row)
        if build["phase"] != "pending" or write.verb is not WriteKind.INSERT:
            return
        image, period = build["image"]["value"], build["inputs"]["period"]
        kinds = frozenset(reason["kind"] for reason in build["reasons"])
        is_child = "image" in build["inputs"]["origin"]
        if kinds & _REFRESH and is_child:
            texts = [reason["new"] for reason in build["reasons"] if reason["kind"] == "refresh-due"]
            went_ahead = kinds == _REFRESH and not any("by its own clock" in text for text in texts)
            self._last[image] = (period, went_ahead)
        elif (
            kinds == _FOLLOWS and self._is_refresh_of_base(build) and self._last.get(image) == (period, True)
        ):
            self.world.blame(f"(15) {image} is refreshed twice in the period of {period}")

    def _is_refresh_of_base(self, build: Mapping[str, Any]) -> bool:
        """True where the parent's current version came by a refresh of this very period, and by nothing else."""
        parent = build["inputs"]["origin"]["image"]["value"]
        mine = [each for each in self.world.safety.builds.values() if each.image == parent and each.result]
        if not mine:
            return False
        row = self.world.ports.tables.find("images", parent, f"build:{mine[-1].id}")
        if row is None:
            return False
        newest = rows.said_by(row)
        kinds = frozenset(reason["kind"] for reason in newest["reasons"])
        is_same = newest["inputs"]["period"] == build["inputs"]["period"]
        return bool(is_same and newest["result"] == "succeeded" and kinds <= _REFRESH | _FOLLOWS)
