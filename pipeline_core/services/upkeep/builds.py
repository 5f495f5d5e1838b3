"""The sweep's part on builds: set builds going again, announce ends that were not announced, show late builds.

It moves no pending or running build itself. It sends the message that was lost. The step then reads whether a
deadline has passed, a heartbeat is lost, or a container has ended without an event.

A build that waits in a line costs its share of a page: its row there says what the sweep must know. The sweep reads
the builds that have a slot, those that are in no line, and a few of the waiting ones in turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain import dispatch
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.capacity import Capacity
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.outages.pauses import Pauses
from pipeline_core.services.outages.probing import Probing
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.upkeep.lines import Lines, WaitingBuild, in_turn
from pipeline_core.services.upkeep.turns import turn_of
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

# After this time in one phase a build is shown as late. It goes on all the same. A definition may give a build
# 8 hours. A longer wait in a phase with a container is a wait for quota or for the budget of creations.
EXPECTED: Mapping[Phase, timedelta] = {
    Phase.PENDING: timedelta(hours=6),
    Phase.BUILDING: timedelta(hours=10),
    Phase.VERIFYING: timedelta(hours=10),
    Phase.PUBLISHING: timedelta(hours=2),
}
_WHY = {
    Phase.PENDING: "no slot was free for it; see which builds hold the slots, raise the limits, or end a pause",
    Phase.BUILDING: "it waits for quota, capacity, the hourly budget of container creations or the end of a pause",
    Phase.VERIFYING: "it waits for quota, capacity, the hourly budget of container creations or the end of a pause",
    Phase.PUBLISHING: "the gallery still replicates the version; the factory watches it until that ends",
}


_EXAMINED = 4  # waiting builds whose own row is read in one sweep, or a share of them: a row may be left over
_SHARE = 72  # turns for one round of many waiting builds: twelve hours
_SHOWN = 20  # late builds that wait, shown in one sweep


@dataclass(slots=True, kw_only=True)
class ActiveBuilds:
    """The builds without an announced end, as one sweep knows them. `builds` are those that it has read.

    `holders` are the builds that have a slot, `absent` those that have no row. `is_full` is true where no slot is free.
    `breakers` are the rows of all platform breakers, open or not. `is_halted` is true while SecOps pause the factory.
    """

    known: set[BuildId] = field(default_factory=set)
    holders: tuple[BuildId, ...] = ()
    is_full: bool = False
    is_halted: bool = False
    breakers: tuple[PlatformBreaker, ...] = ()
    lines: Lines = field(default_factory=Lines)
    builds: list[Stored[Build]] = field(default_factory=list)
    absent: set[BuildId] = field(default_factory=set)

    @property
    def open_breakers(self) -> tuple[PlatformBreaker, ...]:
        """The breakers that hold builds back."""
        return tuple(each for each in self.breakers if each.is_open)

    @property
    def may_start(self) -> bool:
        """True where a slot is free and a build waits for one, in a line or, by a lost row, in none."""
        waits = any(not each.held_by for each in self.lines.waiting.values())
        return not self.is_full and (waits or any(each.phase is Phase.PENDING for each in self.running))

    @property
    def running(self) -> list[Build]:
        """The builds that have not ended."""
        return [stored.value for stored in self.builds if not stored.value.is_finished]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSweep:
    """Reads the active builds that do not wait in a line, and sets builds without progress going again.

    It does not touch an unfinished build that is younger than `quiet` in its phase.
    """

    records: Records
    completion: Completion
    probing: Probing
    effects: Effects
    pauses: Pauses
    quiet: timedelta

    def read_slots(self, active: ActiveBuilds) -> int:
        """Take the builds that have a slot, and the breakers. One read, and another one where breakers have rows."""
        seen = self.records.capacity.look(self.effects.clock.now())
        active.holders, active.is_full, active.is_halted = seen.builds, seen.are_all, seen.is_halted
        if seen.has_breakers:
            active.breakers = tuple(each.value for each in self.records.breakers.list())
        self.records.capacity.forget(seen.over)  # last: where it fails, the sweep still knows the slots
        return len(active.holders)

    def complete_pause(self, active: ActiveBuilds) -> int:
        """Complete a pause of SecOps whose request has died; 1 where there was one. Nothing is read without a pause."""
        return int(active.is_halted and self.pauses.complete())

    def read_lines(self, active: ActiveBuilds, bulkhead: Bulkhead) -> int:
        """Take every row of the lines of waiting builds, and those that a platform breaker holds back.

        Where no build is active, nobody waits. A breaker that has closed gives its builds back until it is drained.
        """
        active.known.update(self.records.index.active())
        if not active.known:
            return 0
        for row in self.records.index.lines():
            bulkhead.run(row.key, partial(active.lines.take, row))
        if active.known - active.lines.waiting.keys() - set(active.holders):
            self._read_held(active, bulkhead)
        return len(active.lines.waiting)

    def _read_held(self, active: ActiveBuilds, bulkhead: Bulkhead) -> None:
        for breaker in active.breakers:
            if breaker.is_open or not breaker.is_drained:
                for row in self.records.index.held_back(breaker.key):
                    bulkhead.run(row.key, partial(active.lines.take, row, breaker.key))

    def read(self, active: ActiveBuilds, now: datetime, bulkhead: Bulkhead) -> int:
        """Read the active builds that are to be read; remove a row without a build.

        A build that has a slot is read although a row of a line is left of it.
        """
        most = max(_EXAMINED, -(-len(active.lines.waiting) // _SHARE))
        examined = {each.build for each in in_turn(active.lines.waiting.values(), turn_of(now), most)}
        for identity in sorted(active.known | set(active.holders) | examined, key=str):
            if (
                identity in active.lines.waiting
                and identity not in examined
                and identity not in active.holders
            ):
                continue
            bulkhead.run(str(identity), partial(self._take, active, identity))
        return len(active.builds)

    def adopt(self, active: ActiveBuilds, heads: Mapping[ImageName, ImageHead], bulkhead: Bulkhead) -> int:
        """Take also the builds that only an image's head names: their row in the index was lost."""
        lost = [
            head.active.build
            for head in heads.values()
            if head.active is not None and head.active.build not in active.known
        ]
        return sum(bulkhead.run(str(identity), partial(self._adopt, active, identity)) for identity in lost)

    def set_going(self, active: ActiveBuilds, now: datetime, bulkhead: Bulkhead) -> int:
        """Announce ends that were not announced; set each build going that is quiet for too long.

        Not one that pauses because the platform fails: the look would call it all the same.
        """
        going = sum(
            bulkhead.run(str(stored.value.id), partial(self._set_going, stored, active.open_breakers, now))
            for stored in active.builds
        )
        for row in active.lines.aging(now):
            bulkhead.run(str(row.build), partial(self._add_late, row))
        return going

    def show_late(self, active: ActiveBuilds, now: datetime, bulkhead: Bulkhead) -> int:
        """Show late builds: once in the journal, and in the sweep's log. Of those that wait, some in each sweep."""
        late = [build for build in active.running if now >= build.phase_since + EXPECTED[build.phase]]
        since = now - EXPECTED[Phase.PENDING]
        waiting = [each for each in active.lines.waiting.values() if each.since <= since]
        waits = bool(waiting) or any(build.phase is Phase.PENDING for build in late)
        capacity = self.records.capacity.read(now).capacity if waits else None
        for build in late:
            bulkhead.run(str(build.id), partial(self._show, build, capacity))
        for each in in_turn(waiting, turn_of(now), _SHOWN):
            bulkhead.run(str(each.build), partial(self._show_waiting, each.build, since, capacity))
        return len(late) + len(waiting)

    def _take(self, active: ActiveBuilds, identity: BuildId) -> bool:
        """Read a build. A waiting build that was read is no longer among those that are known by their row alone."""
        stored = self.records.images.find_build(identity)
        waits = active.lines.waiting.get(identity)
        if stored is None:
            active.absent.add(identity)
            self.records.index.remove_active(identity)
            if waits is not None:
                self.records.index.remove_pending(waits.row.key)
                self._forget_held(waits)
            active.lines.remove(identity)
            return False
        build = stored.value
        if waits is not None and (build.phase is not Phase.PENDING or build.is_stopping):
            self.records.index.withdraw(
                build
            )  # the handler that began or ended it died before it removed the row
            self._forget_held(waits)
            active.lines.remove(identity)
        elif waits is not None and identity not in active.holders:
            return True
        active.builds.append(stored)
        return True

    def _forget_held(self, waits: WaitingBuild) -> None:
        if waits.held_by:
            self.records.index.forget_held(waits.held_by, waits.row.key)

    def _adopt(self, active: ActiveBuilds, identity: BuildId) -> bool:
        if any(stored.value.id == identity for stored in active.builds):  # it has a slot
            self.records.index.add_active(identity)
            active.known.add(identity)
            return True
        stored = self.records.images.find_build(identity)
        if stored is None or (stored.value.is_finished and not stored.value.announce):
            return False  # it ended after the copy was read, and its end has been announced
        self.records.index.add_active(identity)
        active.known.add(identity)
        active.builds.append(stored)
        return True

    def _set_going(self, stored: Stored[Build], breakers: Sequence[PlatformBreaker], now: datetime) -> bool:
        build = stored.value
        if build.is_finished:
            self.completion.announce(stored)
        elif now < build.phase_since + self.quiet:
            return False
        elif build.phase is Phase.PENDING and not build.is_stopping:
            self.records.index.add_pending(dispatch.row_of(build, now), again=True)
        elif self.probing.may_look(build, breakers, now):
            self.effects.outbox.step(build, reason="swept", once=True)
        else:
            return False
        return True

    def _add_late(self, row: PendingBuild) -> bool:
        self.records.index.add_pending(row)
        return True

    def _show_waiting(self, identity: BuildId, since: datetime, capacity: Capacity | None) -> bool:
        stored = self.records.images.find_build(identity)
        if stored is None or stored.value.phase is not Phase.PENDING or stored.value.phase_since > since:
            return False
        return self._show(stored.value, capacity)

    def _show(self, build: Build, capacity: Capacity | None) -> bool:
        expected, why = EXPECTED[build.phase], self._why(build, capacity)
        self.effects.logs.note(
            "build-late",
            image=str(build.image),
            build_id=str(build.id),
            campaign=str(build.campaign),
            phase=build.phase.value,
            hours=expected.total_seconds() / 3600,
            why=why,
        )
        detail = (
            f"{build.phase.value} since {build.phase_since:%Y-%m-%d %H:%M} UTC, longer than"
            f" {expected.total_seconds() / 3600:g} hours; {why}"
        )
        # The key names this stay in the phase, so that no later sweep can add an entry for the same stay.
        key = standing_key(build.phase_since + expected, f"{build.id}/{build.seq}")
        entry = replace(self.effects.journal.of_build(build, Event.LATE, detail=detail), key=key)
        head = self.records.images.find_head(build.image)
        try:
            self.records.images.commit([records.add_entry(entry)], head=None if head is None else head.value)
        except AlreadyExists:
            return False
        return True

    def _why(self, build: Build, capacity: Capacity | None) -> str:
        """Why a late build does not go on: the limit of its team that it waits for, or what such builds wait for."""
        if capacity is not None and build.phase is Phase.PENDING:
            wait = dispatch.why_waits(dispatch.first_row_of(build), capacity, self.effects.clock.now())
            if wait is not None:
                return wait.message
        return _WHY[build.phase]
