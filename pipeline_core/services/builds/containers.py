"""The two stages that run in a container: build, then verify. One container group per attempt.

The stage derives its state from the report, the markers and the group, never from memory. It reads with `GET`
first. It creates a group only where none exists, and never again for an attempt that has run.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import attempts, builds, gates, pauses, retry
from pipeline_core.domain.builds import Build, Failure, Phase
from pipeline_core.domain.errors import (
    ErrorClass,
    Owner,
    PermanentError,
    QuarantineFull,
    TransientError,
)
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest
from pipeline_core.domain.retry import GiveUp, TryAgain
from pipeline_core.domain.versions import next_version
from pipeline_core.ports import ContainerGroup, GroupState, VersionState
from pipeline_core.services.builds.attempts import Attempts
from pipeline_core.services.builds.gates import Judge
from pipeline_core.services.builds.launch import Launcher
from pipeline_core.services.builds.stages import Failed, Moved, Progress, Unwanted, Wait
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.needed_tools import AbsentTools
from pipeline_core.services.outages.outages import Excused, Paused
from pipeline_core.services.versions.turns import Turns
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.report import BuildReport

_DELETION = timedelta(seconds=5)  # between two looks at a group that is being deleted, at most the usual wait
_LAST_LOOK = timedelta(minutes=5)  # between two looks at a container that runs: its builder reports its end
_SILENCE = timedelta(minutes=10)  # the builder writes its log at least every 30 s
_BEGINNING = timedelta(minutes=30)  # from the creation to the container's start; Azure itself gives up then
_MARGIN = timedelta(minutes=30)  # beyond the time of a run: start of the container, upload of results
# Azure goes on after Packer gave up. It names "a few hours in some cases" (azure-compute-gallery.md).
_REPLICATION = timedelta(hours=6)
_WHOLE = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})
_MESSAGE = 4000  # characters of a failure that are kept
_FRESH = timedelta(seconds=30)
_WANTED = timedelta(hours=1)  # after its slot, a build that nothing held back counts as wanted
# The cause of these refusals is a limit that the whole factory shares: the next creation would fail as well.
_REFUSED = frozenset({ErrorClass.QUOTA, ErrorClass.THROTTLED, ErrorClass.CAPACITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStage:
    """Drives the phases BUILDING and VERIFYING."""

    records: Records
    attempts: Attempts
    effects: Effects
    launcher: Launcher
    judge: Judge
    turns: Turns
    wait: timedelta

    def advance(self, build: Stored[Build]) -> Progress:
        """One look at the running attempt, and at most one change.

        An error ends the build only when its groups are confirmed gone, because the end gives the slot back.
        """
        try:
            return self._look(build)
        except PermanentError:
            left = self.attempts.clear(build.value)
            if left is None:
                raise
            return self._later(left)

    def _look(self, build: Stored[Build]) -> Progress:
        group = self.attempts.find_group(build.value)
        report = self.attempts.find_report(build.value)
        if report is not None or group is None:
            return self._without_need_of_group(build, group, report)
        if group.state in (GroupState.SUCCEEDED, GroupState.FAILED) or self._is_late(build.value):
            if self.attempts.find_report(build.value) is not None:
                return Wait(delay=timedelta(0))  # the builder wrote the report between the two looks
            return self._give_up(build.value, group)
        return self._look_again(build.value)

    def _give_up(self, build: Build, group: ContainerGroup) -> Progress:
        """Delete a group that will not report. Leave its reason, and a marker where its container never began."""
        self.attempts.leave(build, attempts.GIVEN_UP, group.detail)
        if self.attempts.find_facts(build, attempts.STARTED) is None:
            self.attempts.leave(build, attempts.NEVER_BEGAN)
        return self._later(self.attempts.delete_group(build))

    def _without_need_of_group(
        self, build: Stored[Build], group: ContainerGroup | None, report: BuildReport | None
    ) -> Progress:
        if report is not None and build.value.phase is Phase.BUILDING and report.succeeded:
            # The next stage asks for the deletion of this group when it pays for its own.
            return self._harvest(build, report)
        if report is not None:
            left = self.attempts.clear(build.value)
            return self._harvest(build, report) if left is None else self._later(left)
        has_begun = self.attempts.find_facts(build.value, attempts.STARTED) is not None
        if has_begun or self.attempts.find_facts(build.value, attempts.NEVER_BEGAN) is not None:
            if self.attempts.find_group(build.value) is not None:
                return Wait(delay=timedelta(0))  # another handler created the group between the two looks
            failure = self.attempts.loss_of(build.value, has_begun=has_begun)
            return self._retry(build, failure, has_begun=has_begun)
        return self._launch(build)  # a wait for quota or budget has no limit

    def _launch(self, stored: Stored[Build]) -> Progress:
        build, now = stored.value, self.effects.clock.now()
        turn = self._find_turn(build, now)  # first: a pause of SecOps closes it (`Pauses`)
        if turn is None:
            return Wait(delay=self.wait)
        lack = self.effects.needed.find_lack(build)
        if lack.missing or lack.refused:
            return self._without_files(build, turn, lack)
        if turn > 1 or not self._has_just_paid(build, now):
            wait = self._pay(build, now)
            if wait is not None:
                return self._spread(wait)
        unwanted = self._find_unwanted(build, turn, now)
        if unwanted is not None:
            return unwanted
        try:
            # Before the note that takes the turn: it bounds one call, and these calls may end in a wait.
            new = self.launcher.prepare(build, attempts.group_of(build), now)
            self._note_room(stored)
            if self._takes_turn(build, turn):
                self.attempts.create_group(new)
        except QuarantineFull as error:  # no limit of container groups: other builds may create theirs
            self._note_full(stored, error)
            raise
        except TransientError as error:
            if error.error_class in _REFUSED:
                self.records.capacity.pause_creations(now, error.retry_after)
            # No handler creates it sooner: a look before would find the note, and forget how often it was refused.
            error.retry_after = max(attempts.CREATION, error.retry_after or attempts.CREATION)
            raise
        return Wait(delay=self.wait)

    def _without_files(self, build: Build, turn: int, lack: AbsentTools) -> Progress:
        """End a build whose tools are not admitted any more: its slot goes back, and nothing counts as a failure.

        None is started before they are; then the image's next look starts one. As for a build that nobody wants, the
        turn keeps other handlers from creating the group. A build that is to verify has its version: it waits in its
        slot for a file that may come, and ends only by one that is refused.
        """
        if build.phase is Phase.VERIFYING and not lack.refused:
            return self._look_again(build)
        left = self.attempts.clear(build)
        if left is not None:
            return self._later(left)
        if not self._takes_turn(build, turn):
            return Wait(delay=self.wait)
        return Unwanted(head=self.records.images.get_head(build.image), why=lack.why)

    def _find_unwanted(self, build: Build, turn: int, now: datetime) -> Progress | None:
        """What ends a build that has waited or is tried again, and that nobody wants any more; None where it goes on.

        The first creation soon after the slot is not asked about: the build was, when it got the slot. A note without
        a group is from a pause or a refusal. A build that verifies is not asked about either: its machine starts from
        its own version, which is proven now and kept out of `latest`, for the day its input returns.
        Taking the turn keeps all other handlers from creating the group. The reaper removes what earlier attempts left.
        """
        is_quick = (
            turn == 1 and build.attempt == 1 and now <= (build.started_at or build.created_at) + _WANTED
        )
        unwanted = None if is_quick or build.phase is not Phase.BUILDING else self.turns.find_unwanted(build)
        if unwanted is None:
            return None
        if not self._takes_turn(build, turn):
            return Wait(delay=self.wait)
        return Unwanted(head=unwanted.head, why=unwanted.answer.why)

    def _has_just_paid(self, build: Build, now: datetime) -> bool:
        """True for the first group of a build, which its slot has paid for, where no refusal is known since."""
        is_first = build.phase is Phase.BUILDING and build.attempt == 1
        is_fresh = now <= build.phase_since + _FRESH
        return is_first and is_fresh and not self.records.capacity.must_ask(now)

    def _note_full(self, build: Stored[Build], error: QuarantineFull) -> None:
        """Write down once that the attempt waits for room in quarantine. No transition."""
        if build.value.full_since is None:
            failure = Failure(error_class=error.error_class, message=str(error)[:_MESSAGE])
            self._write(
                replace(build.value, full_since=self.effects.clock.now(), failure=failure), build.etag
            )

    def _note_room(self, build: Stored[Build]) -> None:
        """Write down that the attempt begins: whether there is room for its version is not known yet."""
        if build.value.full_since is not None:
            self._write(replace(build.value, full_since=None, failure=None), build.etag)

    def _write(self, build: Build, etag: str) -> None:
        self.records.images.commit([records.put_build(build, etag=etag)])
        self.effects.logs.note(
            "gallery-full" if build.full_since else "gallery-has-room",
            image=str(build.image),
            build_id=str(build.id),
        )

    def _pay(self, build: Build, now: datetime) -> timedelta | None:
        """Pay for the attempt's group, as `buy_creation`, and ask for the deletion of the group that built.

        Where that must wait, or this process dies before, the end of the stage asks for it: see `Attempts.clear`.
        """
        attempt, old = f"{build.phase.stage}-{build.attempt}", self.attempts.find_group_of_build(build)
        if old is None:
            return self.records.capacity.buy_creation(build.id, attempt, now)
        wait, is_paid = self.records.capacity.buy_exchange(build.id, attempt, now)
        if is_paid:
            self.attempts.delete_paid(build, old)
        return wait

    def _find_turn(self, build: Build, now: datetime) -> int | None:
        """The number of the note that the next creation takes; None while another handler may be creating the group.

        A note without a group is from a handler that died in between, or that Azure refused, or from a pause of SecOps.
        After a while it no longer counts, and the first writer of the next one may create.
        """
        notes = self.attempts.launches(build)
        if notes and now <= max(notes) + attempts.CREATION:
            return None
        return len(notes) + 1

    def _takes_turn(self, build: Build, turn: int) -> bool:
        """The first writer of a note creates the group. Two concurrent creations would restart its container."""
        return self.attempts.leave(build, attempts.launched(turn))

    def _harvest(self, build: Stored[Build], report: BuildReport) -> Progress:
        if not report.succeeded:
            late = self._finished_late(build, report)
            return late or self._retry(build, report.failure(), is_full=_is_full(build.value, report))
        digest = Digest(report.digest)
        now = self.effects.clock.now()
        if build.value.phase is Phase.BUILDING:
            if report.artifact.rpartition("/")[2] != str(build.value.version):
                raise PermanentError(
                    ErrorClass.TEMPLATE,
                    f"Packer reported {report.artifact or 'no artifact'}, not version {build.value.version}",
                    owner=Owner.PLATFORM,
                )
            return self._to_verify(build, digest)
        floor, verdicts = self.judge.judge(build.value, report)
        if verdicts is None:
            text = "SecOps changed the required profile while the machine was verified; it is verified again"
            return self._retry(build, Failure(error_class=ErrorClass.CONFLICT, message=text))
        proven = replace(
            build.value,
            verify_result=digest,
            verify_attempt=build.value.attempt,
            verdicts=verdicts,
            floor=floor,
        )
        failure = gates.failure_of(verdicts)
        if failure is not None:
            return Failed(failure=failure, judged=proven)
        lack = self.effects.needed.find_lack(proven)
        if lack.refused:
            return Unwanted(head=self.records.images.get_head(proven.image), why=lack.why)
        statement = self.turns.prove(proven, verdicts, report)
        moved = replace(builds.move(proven, Phase.PUBLISHING, now), provenance=statement)
        progress = self._commit(build, moved)
        self.records.index.show_phase(moved.id, moved.phase)
        released = self.records.capacity.release(build.value.id)
        if released.is_freed:
            self.effects.outbox.dispatch("slot-freed")
        self.attempts.note_success(moved, released)
        return progress

    def _finished_late(self, build: Stored[Build], report: BuildReport) -> Progress | None:
        """Take up a version that Azure finishes after Packer gave up. None where there is none to wait for.

        Only a run whose steps had all ended may have begun one, and only Packer can have made it with these tags.
        """
        if build.value.phase is not Phase.BUILDING or not report.after_steps:
            return None
        state = self.launcher.find_made(build.value)
        if state in _WHOLE:
            return self._to_verify(build, Digest(report.digest))
        reported = self.attempts.find_facts(build.value, attempts.REPORT)
        if state is not VersionState.CREATING or reported is None:
            return None
        is_over = self.effects.clock.now() > reported.changed_at + _REPLICATION
        return None if is_over else self._look_again(build.value)

    def _to_verify(self, build: Stored[Build], digest: Digest) -> Progress:
        moved = replace(
            builds.move(build.value, Phase.VERIFYING, self.effects.clock.now()),
            build_result=digest,
            build_attempt=build.value.attempt,
        )
        progress = self._commit(build, moved)
        self.launcher.discard(build.value)
        return progress

    def _commit(self, build: Stored[Build], moved: Build) -> Progress:
        """Write a transition. The image's head keeps the phase in which the build began: no decision needs more."""
        etags = self.records.images.commit([records.put_build(moved, etag=build.etag)])
        return Moved(build=Stored(value=moved, etag=etags[0]))

    def _retry(
        self, build: Stored[Build], failure: Failure, *, has_begun: bool = True, is_full: bool = False
    ) -> Progress:
        """Start the next attempt of the same stage, pause, or fail. The group of the old attempt is already gone.

        `is_full`: the attempt failed only because the quarantine has no room for its version.
        """
        is_lost = self.launcher.lacks_file(build.value, failure)  # nobody's failure
        decision = (
            TryAgain(delay=self.wait)
            if is_lost
            else self.attempts.next_try(build.value, failure, has_begun=has_begun)
        )
        if isinstance(decision, Paused):
            return Wait(delay=decision.delay, paused=decision.key)
        if build.value.phase is Phase.BUILDING:
            self.launcher.discard(build.value)
        if isinstance(decision, GiveUp):
            return Failed(failure=failure)
        now, probes, delay = self.effects.clock.now(), build.value.probes, self.wait
        match decision:
            case Excused(probes=probes):
                pass
            case TryAgain(delay=delay):
                pass
        moved = replace(
            builds.move(build.value, build.value.phase, now),
            failure=failure,
            probes=probes,
            full_since=now if is_full else None,
        )
        head = self.records.images.get_head(moved.image)
        new_head = head.value
        if moved.phase is Phase.BUILDING:
            # Every attempt takes its own sequence, so a version of an old attempt is never taken for this one's.
            version = next_version(head.value.registration.major, now.date(), head.value.last_version)
            moved, new_head = replace(moved, version=version), replace(head.value, last_version=version)
        etags = self.records.images.commit(
            [
                records.put_build(moved, etag=build.etag),
                records.put_head(new_head, etag=head.etag),
                records.add_entry(
                    self.effects.journal.of_build(moved, Event.RETRIED, detail=failure.message)
                ),
            ]
        )
        return Moved(build=Stored(value=moved, etag=etags[0]), delay=delay)

    def _is_late(self, build: Build) -> bool:
        """True where the container runs too long, writes no log any more, or did not begin in time."""
        now = self.effects.clock.now()
        if now <= build.phase_since + _SILENCE:
            return False
        started = self.attempts.find_facts(build, attempts.STARTED)
        if started is None:
            return self._waits_in_vain(build, now)
        log = self.attempts.find_facts(build, attempts.LOG)
        if log is not None and now > log.changed_at + _SILENCE:
            return True
        timeout = self.effects.documents.definition(build.definition).build.timeout
        return now > started.changed_at + timeout + attempts.AFTER_STEPS[build.phase.stage] + _MARGIN

    def _waits_in_vain(self, build: Build, now: datetime) -> bool:
        """True where a group has existed for too long and its container has not begun to run.

        The time counts from the first look that found this. The creation itself may have waited hours for quota.
        """
        if self.attempts.leave(build, attempts.WAITS):
            return False
        seen = self.attempts.find_facts(build, attempts.WAITS)
        return seen is not None and now > seen.changed_at + _BEGINNING

    def _look_again(self, build: Build) -> Wait:
        lasts = self.effects.clock.now() - build.phase_since
        return Wait(delay=retry.until_look(lasts, wait=self.wait, most=_LAST_LOOK, part=2))

    def _later(self, left: timedelta) -> Wait:
        """Look again at groups that are being deleted, soon or after `left`, as `Deletions.clear` says."""
        if left:
            return self._spread(left)
        return Wait(delay=min(_DELETION, self.wait))

    def _spread(self, wait: timedelta) -> Wait:
        """Spread, so that builds that wait for the same minute do not come together."""
        if wait == pauses.UNTIL_RESUMED:
            return Wait(delay=None)
        return Wait(delay=max(self.wait, wait + self.wait * self.effects.chance.fraction()))


def _is_full(build: Build, report: BuildReport) -> bool:
    """True where every step had ended and a quota then refused the version: the builder makes nothing else by then."""
    is_late = build.phase is Phase.BUILDING and report.after_steps
    return is_late and report.failure().error_class is ErrorClass.QUOTA
