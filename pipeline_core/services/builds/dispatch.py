"""Fill free slots with the pending builds that matter most.

It reads about as many rows of each line as it can start. A build of a team at its limit is read once. Then it
waits in the team's own line, where it does not block other builds. The first builds that a pass begins take their first
step in the same run, after the pass. Each other one gets a message.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.domain import builds
from pipeline_core.domain import dispatch as decisions
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.capacity import Admitted, Capacity, CoreHold
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import Contended, FactoryError, StaleWrite, UnreadableRow
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.domain.versions import next_version
from pipeline_core.services.builds.stages import Stepper
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.wishes import Wishes
from pipeline_core.services.outages.breakers import Breakers
from pipeline_core.services.outages.outages import Outages
from pipeline_core.state import images as records
from pipeline_core.state.capacity import SlotTaken
from pipeline_core.state.concurrency import changing
from pipeline_core.state.limits.ledger import Ledger
from pipeline_core.state.records import Stored
from pipeline_core.state.rows import PAGE
from pipeline_core.state.stores import Records

_SOON = timedelta(seconds=1)
_FRESH = timedelta(minutes=1)  # the plan that made a build is still that of this moment
_FIRST_STEP = timedelta(seconds=30)  # from taking a slot to the first step, at most
_READS = 50  # of the lines in one pass; the next message handles the rest
_AT_ONCE = 3  # builds of one run that take their first step in it: each makes some calls to Azure
_LONGEST = timedelta(minutes=1)  # after which a run takes no other first step

_Row = Stored[PendingBuild]


@dataclass(slots=True, kw_only=True)
class _Started:
    """What one run has started: the number of builds, and those of them whose first step is still to be taken."""

    count: int = 0
    first: dict[BuildId, tuple[_Row, Stored[Build]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Safe to run at any time, and twice at the same time: one transaction takes a slot."""

    records: Records
    wishes: Wishes
    effects: Effects
    outages: Outages
    stepper: Stepper

    def dispatch(self) -> int:
        """Start all builds that can start; the number of builds started.

        Raises TransientError where other passes keep taking slots at the same moment.
        """
        started, until = _Started(), self.effects.clock.now() + _LONGEST
        try:
            changing(
                lambda: self.records.capacity.read(self.effects.clock.now()),
                lambda ledger: self._pass(ledger, started),
                subject="the list of slots",
                remedy="fill the rest again",
                retry_after=_SOON,
            )
        except FactoryError:
            self._take_first_steps(started, until)
            raise
        self._take_first_steps(started, until)
        self.effects.logs.note("dispatched", started=started.count)
        return started.count

    def _take_first_steps(self, started: _Started, until: datetime) -> None:
        """The first steps of builds that were begun in this run, by a message where the run is long enough already.

        Their rows leave the line afterwards: if this process dies before, the next pass sees that they stand still.
        """
        for row, stored in started.first.values():
            is_early = self.effects.clock.now() < until
            if not is_early or not self._has_stepped(stored):
                self.effects.outbox.step(stored.value, reason="slot-taken")
            self._leave_line(row, stored.value)

    def _has_stepped(self, stored: Stored[Build]) -> bool:
        """Take a build's first step. False: send the message instead."""
        try:
            self.stepper.look(stored)
        except FactoryError as error:  # the other builds of this run go on
            self.effects.logs.note(
                "step-left-to-message",
                image=str(stored.value.image),
                build_id=str(stored.value.id),
                error=str(error),
            )
            return False
        return True

    def _pass(self, ledger: Ledger, started: _Started) -> None:
        """Start builds, and add each to `started`; raises StaleWrite where another pass started one of them first.

        Every row that is read is started, removed or parked. The pass ends when a read gives no rows. That read
        sees a build that was queued meanwhile (rule 8 of the engine), or the build's own message comes later. A build
        for which its team has too few cores is remembered, so that no later read gives the team's line again.
        """
        parked = 0
        holds: Mapping[TeamName, CoreHold] = {}
        breakers = Breakers(
            self.records.index, self.outages, self.effects.clock, has_rows=ledger.has_breakers
        )
        for _ in range(_READS):
            capacity = replace(ledger.capacity, holds=holds)
            if not capacity.can_start or breakers.hold_all():
                return
            # More builds to park probably follow the parked ones: a larger read passes a long line in few reads.
            seen = self._look(capacity, capacity.can_start + 2 * parked + 2 * len(started.first))
            line, late = ([row for row in rows if row.value.build not in started.first] for rows in seen)
            if not line and not late:
                return
            rows = {row.value.key: row for row in (*line, *late)}
            choice = decisions.choose(
                [row.value for row in line],
                capacity,
                self.records.capacity.team_slots,
                late=[row.value for row in late],
            )
            holds = choice.holds
            for pending, slot in choice.starts:
                self._start(rows.pop(pending.key), slot, ledger, breakers, started)
                if breakers.hold_all():
                    return  # the one that was let through is the probe
            parked = self._park(list(rows.values()), replace(ledger.capacity, holds=holds))
            if parked:
                # A team may have got room while its builds were moved: only a new read shows that.
                ledger = self.records.capacity.read(self.effects.clock.now())
        self.effects.outbox.dispatch("more-to-read")

    def _look(self, capacity: Capacity, most: int) -> tuple[list[_Row], list[_Row]]:
        """The first `most` rows of the shared line, with the teams' own rows that may start; and the late rows."""
        limit = self.records.capacity.team_slots
        seen = self.records.index.waiting(limit=min(most, PAGE))
        line = [row for row in seen if not _is_parked(row) or decisions.may_start(row.value, capacity, limit)]
        late = [row for row in line if row.value.rank.startswith(decisions.LATE)]
        if len(seen) < min(most, PAGE):
            return line, late
        turns = capacity.late_turns
        if turns:
            late += self.records.index.late(limit=turns)
        for team in self.records.index.parked_teams():
            line += self._parked(team, capacity)
            late += self._parked_late(team, capacity)
        return line, late

    def _parked(self, team: TeamName, capacity: Capacity) -> Sequence[_Row]:
        """The first of a team's own line that may start, as many as it has room for."""
        limit = self.records.capacity.team_slots
        room, admitted = capacity.room_of(team, limit), capacity.admits(team, limit)
        if not room:
            return ()
        return self.records.index.parked(team, limit=room, urgent=admitted is Admitted.SECURITY)

    def _parked_late(self, team: TeamName, capacity: Capacity) -> Sequence[_Row]:
        """Those of them that have waited long, where it is their turn.

        The first of a team with a limit of cores is read in any case: younger builds wait for it if they must.
        """
        limit = self.records.capacity.team_slots
        if capacity.admits(team, limit) is not Admitted.ALL:
            return ()
        fewest = 0 if capacity.team_slots.of(team).cores is None else 1
        count = max(fewest, min(capacity.late_turns, capacity.room_of(team, limit)))
        return self.records.index.parked(team, limit=count, late=True) if count else ()

    def _park(self, rows: Sequence[_Row], capacity: Capacity) -> int:
        """Move builds that a limit of their team holds back into the team's own line; the number moved."""
        limit = self.records.capacity.team_slots
        held = [
            row for row in rows if not _is_parked(row) and not decisions.may_start(row.value, capacity, limit)
        ]
        if held:
            self.records.index.park(held)
        return len(held)

    def _start(self, row: _Row, slot: int, ledger: Ledger, breakers: Breakers, started: _Started) -> None:
        """Start the build of a row, if there is one to start; raises StaleWrite where another pass was faster.

        A build leaves the line where its row or its image's row cannot be read, so that it holds up no other. The
        sweep puts it back as soon as the rows can be read.
        """
        try:
            begun = self._find_begun(row, slot, ledger, breakers)
        except UnreadableRow:
            self.records.index.remove_pending(row.value.key, etag=row.etag)
            return
        if begun is None:
            return
        started.count += 1
        self.effects.logs.note("build-started", image=str(begun.value.image), build_id=str(begun.value.id))
        if len(started.first) < _AT_ONCE:
            started.first[begun.value.id] = (row, begun)
            return
        self._leave_line(row, begun.value)
        self.effects.outbox.step(begun.value, reason="slot-taken")

    def _leave_line(self, row: _Row, build: Build) -> None:
        if self.effects.clock.now() < build.queued_at + decisions.LATE_AFTER:
            self.records.index.remove_pending(row.value.key, etag=row.etag)
        else:
            self.records.index.remove_begun(row, build)

    def _find_begun(self, row: _Row, slot: int, ledger: Ledger, breakers: Breakers) -> Stored[Build] | None:
        """The build of a row, which has just begun here; None where there was nothing to begin."""
        pending = row.value
        stored = self.records.images.find_build(pending.build)
        if stored is None or stored.value.phase is not Phase.PENDING or stored.value.is_stopping:
            self.records.index.remove_pending(pending.key, etag=row.etag)
            if stored is not None and stored.value.phase is Phase.BUILDING:
                # The pass that started this build may have died before it sent the first step, or is about to send it.
                stands = self._may_stand_still(stored.value)
                self.effects.outbox.step(stored.value, reason="start-again", once=not stands)
            return None
        is_asked, head = self._find_head_of_waiting(stored.value)
        if is_asked and self._withdraw(stored, head):
            self.records.index.remove_pending(pending.key, etag=row.etag)
            return None
        probes = breakers.admit(stored.value, row)
        if probes is None:
            return None
        # A row that an older release wrote again may lack the cores; the build itself never does.
        taken = self.records.capacity.take(slot, replace(pending, cores=stored.value.cores), ledger)
        if taken is SlotTaken.RACED:
            self.outages.not_begun(pending.build, probes)
            raise StaleWrite(f"slot {slot} was taken by another pass")
        try:
            build = self._begin_held(pending.build, stored, probes, head)
        except UnreadableRow:
            if taken is SlotTaken.TAKEN:  # else another pass holds it, and may have begun the build
                self.records.capacity.release(pending.build)
                self.outages.not_begun(pending.build, probes)
            raise
        if build is None:
            raise StaleWrite(f"build {pending.build} was begun or ended by another pass")
        return build

    def resume(self, identity: BuildId) -> bool:
        """Start a pending build that has a slot already: the pass that took the slot died before the build began."""
        stored = self.records.images.find_build(identity)
        is_asked, head = (False, None) if stored is None else self._find_head_of_waiting(stored.value)
        if stored is not None and is_asked and self._withdraw(stored, head):
            return False  # the announcement of its end gives the slot back
        build = self._begin_held(identity, stored, self.outages.probed_by(identity), head)
        if build is None:
            return False
        self.records.index.withdraw(build.value)
        self.effects.outbox.step(build.value, reason="slot-taken")
        self.effects.logs.note("build-started", image=str(build.value.image), build_id=str(build.value.id))
        return True

    def _find_head_of_waiting(self, build: Build) -> tuple[bool, Stored[ImageHead] | None]:
        """True for a build that is asked about before it begins, with the head on which it is asked about and begins.

        A build that was planned just now is not asked about again: it is, before its version enters `latest`.
        """
        is_fresh = self.effects.clock.now() < build.created_at + _FRESH
        if build.phase is not Phase.PENDING or build.is_stopping or is_fresh:
            return False, None
        return True, self.records.images.find_head(build.image)

    def _withdraw(self, stored: Stored[Build], head: Stored[ImageHead] | None) -> bool:
        """True where nobody wants the build any more: it ends without a slot. Raises StaleWrite after a lost race."""
        answer = self.wishes.judge(stored.value, head)
        if not answer.wish.is_wanted:
            self.wishes.withdraw(stored, answer)
        return not answer.wish.is_wanted

    def _begin_held(
        self,
        identity: BuildId,
        stored: Stored[Build] | None,
        probes: tuple[str, ...] = (),
        head: Stored[ImageHead] | None = None,
    ) -> Stored[Build] | None:
        """Begin a build that has a slot; None where the build must not begin any more, or others keep changing it.

        A build that is still pending keeps its slot: another pass may be about to begin the build on that
        slot. Only a build that has ended gives its slot back, because it never begins again.
        """

        def begin(found: Stored[Build] | None) -> Stored[Build] | None:
            nonlocal head
            known, head = head, None  # after a lost race it is read again
            if found is None:
                return None
            if found.value.is_finished:
                self.records.capacity.release(found.value.id)
            if found.value.phase is not Phase.PENDING or found.value.is_stopping:
                return None
            return self._begin(
                replace(found.value, probes=probes),
                found.etag,
                known or self.records.images.get_head(found.value.image),
            )

        with contextlib.suppress(Contended):
            return changing(
                lambda: self.records.images.find_build(identity),
                begin,
                known=stored,
                subject=f"build {identity}",
            )
        return None

    def _may_stand_still(self, build: Build) -> bool:
        """True where the build got its slot a while ago. It is still in the list, so its first step was never sent."""
        return self.effects.clock.now() > build.phase_since + _FIRST_STEP

    def _begin(self, build: Build, etag: str, head: Stored[ImageHead]) -> Stored[Build]:
        now = self.effects.clock.now()
        version = next_version(head.value.registration.major, now.date(), head.value.last_version)
        begun = replace(builds.move(build, Phase.BUILDING, now), version=version, started_at=now)
        active = ActiveBuild(build=begun.id, fingerprint=begun.fingerprint, phase=begun.phase)
        etags = self.records.images.commit(
            [
                records.put_build(begun, etag=etag),
                records.put_head(replace(head.value, active=active, last_version=version), etag=head.etag),
                records.add_entry(self.effects.journal.of_build(begun, Event.STARTED)),
            ]
        )
        return Stored(value=begun, etag=etags[0])


def _is_parked(row: _Row) -> bool:
    return row.value.key.startswith(decisions.PARKED)
