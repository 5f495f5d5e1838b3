"""Outages of Azure of minutes to hours: refused creations, reports of every class, lost containers, failing galleries.

Everything of one scope fails at once, several outages may overlap, and now and then a team's own input fails for
good. When an outage is over, no person has to ask for anything that only the platform has hurt.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from simulation.chapters.chapter import Chapter, Happening
from simulation.faults import Kind
from simulation.trouble import causes
from simulation.trouble.harm import Harm
from simulation.trouble.outages import CREATION, SimulatedOutage

if TYPE_CHECKING:
    from simulation.story import SeedStory

_SHORTEST, _LONGEST = timedelta(minutes=3), timedelta(hours=6)
_LARGE = "Standard_D4s_v5"  # the machines of some images
_CHANGES = frozenset({"galleries.begin_copy", "galleries.set_excluded", "galleries.set_life"})
_LATE = (timedelta(minutes=10), timedelta(minutes=40))
_OF_TEAMS = 0.04  # the share of inputs that fail by themselves


class AzureOutages(Chapter):
    """One outage or more a day, each of one cause that is drawn among all."""

    name: ClassVar[str] = "outages"
    watches_reads: ClassVar[bool] = True  # time passes with each call
    rate: ClassVar[float] = 0.7
    needs_sweep: ClassVar[bool] = True  # no event says that a cool-down is over

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._large: dict[str, bool] = {}
        self._late_until: datetime | None = None
        self._kept = timedelta(0)
        self._harm = Harm(world=self.world)

    def document(self, image: str) -> Mapping[str, Any]:
        """A third of the images is built on a larger machine."""
        if image not in self._large:
            self._large[image] = self.chance.random() < 0.35
        return {"size": _LARGE} if self._large[image] else {}

    def begin(self) -> None:
        """Some inputs fail by themselves, in all ways in which an input can."""
        platform = self.world.platform
        platform.broken, platform.teams_own = max(platform.broken, _OF_TEAMS), causes.TEAMS_OWN

    def happenings(self) -> Sequence[Happening]:
        """Mostly what a builder reports, because that has most classes."""
        return (
            (3, self._refuse_creations),
            (5, self._fail_attempts),
            (2, self._lose_containers),
            (2, self._refuse_changes),
            (1, self._change_late),
        )

    def end(self) -> None:
        """Azure is well again."""
        now = self.world.ports.clock.now()
        for outage in self.world.platform.outages.known:
            if outage.lasts(now):
                outage.until = now
        self._settle_late(now + _LONGEST)

    def is_for_people(self, image: str) -> bool:
        """People ask only for what was cancelled, lost its release, or failed by itself."""
        return self._harm.is_for_people(image)

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(24) to (27), and the end of a time in which changes came late."""
        self._settle_late(self.world.ports.clock.now())
        self._harm.watch(name, given)

    def forget(self) -> None:
        """No table knows any more that an outage was alerted."""
        self._harm.forget()

    def violations(self) -> Sequence[str]:
        """What can only be counted at the end."""
        return self._harm.violations()

    def _begin(self, **what: Any) -> SimulatedOutage:
        """An outage that has just begun. Its length is drawn between minutes and hours, each scale alike."""
        now, record = self.world.ports.clock.now(), self.world.platform.outages
        lasts = _SHORTEST * (_LONGEST / _SHORTEST) ** self.chance.random()
        outage = SimulatedOutage(name=f"outage-{len(record.known) + 1}", since=now, until=now + lasts, **what)
        record.known.append(outage)
        self.world.wake()
        if self.world.injector.trace is not None:
            self.world.injector.trace(f"    {outage.describe()}")
        return outage

    def _size(self) -> str:
        return self.chance.choice(("", "", "", _LARGE))

    def _refuse_creations(self) -> None:
        size = self._size()
        self._begin(
            calls=frozenset({CREATION}), refusal=causes.refusal_of_creation(self.chance, size), size=size
        )

    def _fail_attempts(self) -> None:
        size = self._size()
        stages = self.chance.choice(({"build"}, {"verify"}, {"build", "verify"}))
        report = causes.report_of_platform(self.chance, size)
        self._begin(report=report, size=size, stages=frozenset(stages))

    def _lose_containers(self) -> None:
        """Those that run are lost now, those that begin meanwhile at their end."""
        outage = self._begin(fault=self.chance.choice((Kind.EVICTED, Kind.SILENT)), size=self._size())
        self.world.platform.lose(outage)

    def _refuse_changes(self) -> None:
        calls = self.chance.choice((_CHANGES, frozenset({"galleries.begin_copy"}), _CHANGES))
        self._begin(calls=calls, refusal=causes.refusal_of_change(self.chance))

    def _change_late(self) -> None:
        """Changes of marks are accepted, and seen only later."""
        if self._late_until is not None:
            return
        galleries = self.world.ports.galleries
        self._kept, galleries.updating = galleries.updating, self.chance.choice(_LATE)
        outage = self._begin()
        self._late_until = outage.until

    def _settle_late(self, now: datetime) -> None:
        if self._late_until is not None and now >= self._late_until:
            self.world.ports.galleries.updating, self._late_until = self._kept, None
