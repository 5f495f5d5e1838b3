"""Repair lost messages and rows: derive from the stored state what should happen, and ask for another look.

Cost for an image that is current or rests, and for a build that waits for a slot: its share of one page read (1/1000
of a table query), and one point read at times (each sweep reads 8 images or 1/36 of the fleet, the larger number). No
write and no message. Every repair is safe to repeat, so the next sweep completes a sweep that was killed, or a part
that was cut short.
"""

from dataclasses import dataclass
from functools import partial

from pipeline_core.domain import platform_breaker
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.names import BuildId
from pipeline_core.services.builds.dispatch import Dispatcher
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep import unreadable
from pipeline_core.services.upkeep.builds import ActiveBuilds, BuildSweep
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.upkeep.campaigns import CampaignSweep
from pipeline_core.services.upkeep.critical_path import Chains
from pipeline_core.services.upkeep.images import FleetSweep, SweptFleet
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """The counts of one sweep. `failures` counts the things that it could not look at."""

    images: int
    stale: int
    builds: int
    slots: int
    late: int
    stalled: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Level-triggered: a lost message changes nothing but timing."""

    records: Records
    fleet: FleetSweep
    builds: BuildSweep
    campaigns: CampaignSweep
    effects: Effects
    chains: Chains
    dispatcher: Dispatcher

    def sweep(self) -> SweepReport:
        """One pass over the fleet's copies, the active builds, their campaigns and the slots.

        The failure of one image or build does not stop the sweep of the others. The error of a part that failed
        as a whole is raised when the other parts are done.
        """
        now = self.effects.clock.now()
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="sweep-failed-at")
        fleet, active = SweptFleet(), ActiveBuilds()
        bulkhead.part("fleet", partial(self.fleet.read, fleet, bulkhead))
        bulkhead.part("holders", partial(self.builds.read_slots, active))
        bulkhead.part("pause", partial(self.builds.complete_pause, active))
        bulkhead.part("lines", partial(self.builds.read_lines, active, bulkhead))
        bulkhead.part("active builds", partial(self.builds.read, active, now, bulkhead))
        bulkhead.part("copies", partial(self.fleet.compare, fleet, active.known, now, bulkhead))
        bulkhead.part("lost builds", partial(self.builds.adopt, active, fleet.heads, bulkhead))
        stale = bulkhead.part(
            "stale images", partial(self.fleet.wake, fleet, active.open_breakers, now, bulkhead)
        )
        builds = bulkhead.part("standing builds", partial(self.builds.set_going, active, now, bulkhead))
        late = bulkhead.part("late builds", partial(self.builds.show_late, active, now, bulkhead))
        stalled = bulkhead.part("campaigns", partial(self.campaigns.wake, active, now, bulkhead))
        slots = bulkhead.part("slots", partial(self._free_slots, active, bulkhead))
        # The part keeps its old name, because it is the subject of a log line.
        bulkhead.part("chronicle", self.fleet.complete_changes)
        bulkhead.part("notices", self.effects.notices.repair)
        bulkhead.part("chains", partial(self.chains.refresh, fleet.heads))
        bulkhead.part("unreadable rows", partial(self._recheck, bulkhead))
        # Where something could not be read, a pass finds out whether a build may start. Where an outage holds builds
        # back, a pass settles a probe that has died, and lets the next one go.
        is_unsure = bool(bulkhead.failures or active.open_breakers)
        has_work = bool(slots) or active.may_start or bool(active.known and is_unsure)
        if not has_work:  # else the pass that comes anyhow looks at them
            has_work = any(platform_breaker.has_work(each, now) for each in active.breakers)
        if has_work:
            bulkhead.part("dispatch", self._dispatch)
        report = SweepReport(
            images=len(fleet.heads),
            stale=stale,
            builds=builds,
            slots=slots,
            late=late,
            stalled=stalled,
            failures=bulkhead.failures,
        )
        self.effects.logs.note(
            "swept", images=report.images, stale=stale, builds=builds, failures=report.failures
        )
        bulkhead.settle()
        return report

    def _recheck(self, bulkhead: Bulkhead) -> int:
        return unreadable.recheck(self.records.unreadable, self.effects.logs, bulkhead)

    def _free_slots(self, active: ActiveBuilds, bulkhead: Bulkhead) -> int:
        stored = {each.value.id: each for each in active.builds}
        return sum(
            bulkhead.run(str(holder), partial(self._free_slot, holder, stored.get(holder)))
            for holder in active.holders
            if holder in stored or holder in active.absent
        )

    def _free_slot(self, holder: BuildId, stored: Stored[Build] | None) -> bool:
        """Take back the slot of a build that has ended. Its group was confirmed gone before the end.

        Start a pending build that has a slot: the dispatch that took the slot has died. `stored` was read after
        the list of holders, and a build that has left its slot never gets one again.
        """
        if stored is not None and stored.value.phase is Phase.PENDING:
            self.dispatcher.resume(holder)
            return False
        if stored is not None and not stored.value.is_finished and stored.value.phase is not Phase.PUBLISHING:
            return False
        return self.records.capacity.release(holder).is_freed

    def _dispatch(self) -> int:
        self.effects.outbox.dispatch("swept")
        return 1
