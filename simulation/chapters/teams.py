"""Several teams, each with a limit of slots: what a team builds is on SecOps' images, and it never takes all slots."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from simulation.chapters.chapter import Chapter

if TYPE_CHECKING:
    from simulation.story import SeedStory

SECOPS = "secops"
_TEAMS = ("payments", "search", "risk")


class TeamLimits(Chapter):
    """Images without children belong to teams, all others to SecOps, so that nobody builds on another team's image."""

    name: ClassVar[str] = "teams"

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._owned: dict[str, str] = {}

    def document(self, image: str) -> Mapping[str, Any]:
        """The team of an image never changes, although its place in the lineage may."""
        if image not in self._owned:
            is_parent = image in self.story.parents.values() or self.story.parents[image] is None
            self._owned[image] = SECOPS if is_parent else self.chance.choice(_TEAMS)
        return {"team": self._owned[image]}

    def may_be_parent(self, image: str) -> bool:
        """SecOps' images are approved for everybody, a team's for itself alone."""
        return self._owned.get(image, SECOPS) == SECOPS

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(4) A team never holds more slots than its limit."""
        if name == "tables.write" and given[0] == "capacity":
            self._count()

    def _count(self) -> None:
        rows = (row for row in self.world.ports.tables.rows("capacity") if row.key.startswith("slot:"))
        limit = self.world.base.records.capacity.team_slots
        for team, count in Counter(str(row.cells["team"]) for row in rows).items():
            if count > limit:
                self.world.blame(f"(4) the team {team} holds {count} slots, {limit} are its limit")
