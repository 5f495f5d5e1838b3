"""Fill free slots with the pending builds that matter most. Reads as many rows as it can start, and no more."""

from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain import builds
from pipeline_core.domain import dispatch as decisions
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.images import ActiveBuild
from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import next_version
from pipeline_core.ports import Clock, Logs
from pipeline_core.services.journal import Journal
from pipeline_core.services.outbox import Outbox
from pipeline_core.state import images as records
from pipeline_core.state.capacity import CapacityStore, Ledger, Take
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.records import Stored

_ROUNDS = 5  # passes of one message, where others are faster
_SOON = timedelta(seconds=1)
_FIRST_STEP = timedelta(seconds=30)  # from taking a slot to the first step, at most
_PAGES = 50  # of pending rows one pass reads at most: teams at their limit are passed over, not waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Safe to run at any time and twice at once: a slot is taken in one transaction."""

    images: ImageStore
    index: Index
    capacity: CapacityStore
    outbox: Outbox
    journal: Journal
    clock: Clock
    logs: Logs

    def dispatch(self) -> int:
        """Start what can be started; the number of builds that were.

        Raises TransientError where other passes took slots at the same moment, again and again.
        """
        started = 0
        for _ in range(_ROUNDS):
            begun, lost_race = self._pass()
            started += begun
            if not lost_race:
                return started
        raise TransientError(
            ErrorClass.CONFLICT, "slots are taken by other passes: fill the rest again", retry_after=_SOON
        )

    def _pass(self) -> tuple[int, bool]:
        """The number of builds that were started, and whether another pass was faster with some."""
        started = 0
        after = ""
        for _ in range(_PAGES):
            ledger = self.capacity.read(self.clock.now())
            free = len(ledger.capacity.free_slots)
            if not free or ledger.capacity.creates_left <= 0:
                break
            page = {stored.value.key: stored for stored in self.index.pending(after=after, limit=free)}
            candidates = [stored.value for stored in page.values()]
            for pending, slot in decisions.choose(candidates, ledger.capacity, self.capacity.team_slots):
                outcome = self._start(page[pending.key], slot, ledger)
                if outcome is None:
                    return started, True
                started += outcome
            if len(page) < free:
                break
            after = candidates[-1].key
        return started, False

    def _start(self, row: Stored[PendingBuild], slot: int, ledger: Ledger) -> bool | None:
        """True: started. False: there was nothing to start. None: another pass was faster."""
        pending = row.value
        stored = self.images.find_build(pending.build)
        if stored is None or stored.value.phase is not Phase.PENDING:
            self.index.remove_pending(pending.key, etag=row.etag)
            if stored is not None and self._may_stand_still(stored.value):
                self.outbox.step(stored.value, reason="start-again")
            return False
        take = self.capacity.take(slot, pending, ledger)
        if take is Take.RACED:
            return None
        try:
            build = self._begin(stored.value, stored.etag)
        except StaleWrite:
            if take is Take.TAKEN:
                self._give_back(pending)
            return None
        self.index.remove_pending(pending.key, etag=row.etag)
        self.outbox.step(build, reason="slot-taken")
        self.logs.note("build-started", image=str(build.image), build_id=str(build.id), slot=slot)
        return True

    def _may_stand_still(self, build: Build) -> bool:
        """A build that got its slot a while ago and still is in the list: its first step was never sent."""
        return build.phase is Phase.BUILDING and self.clock.now() > build.phase_since + _FIRST_STEP

    def _begin(self, build: Build, etag: str) -> Build:
        head = self.images.get_head(build.image)
        now = self.clock.now()
        version = next_version(head.value.registration.major, now.date(), head.value.last_version)
        begun = replace(builds.move(build, Phase.BUILDING, now), version=version)
        active = ActiveBuild(build=begun.id, fingerprint=begun.fingerprint, phase=begun.phase)
        self.images.commit(
            [
                records.put_build(begun, etag=etag),
                records.put_head(replace(head.value, active=active, last_version=version), etag=head.etag),
                records.add_entry(self.journal.of_build(begun, Event.STARTED)),
            ]
        )
        return begun

    def _give_back(self, pending: PendingBuild) -> None:
        """The slot that this pass took, unless the build was started all the same."""
        stored = self.images.find_build(pending.build)
        if stored is None or not stored.value.phase.has_container:
            self.capacity.release(pending.build)
