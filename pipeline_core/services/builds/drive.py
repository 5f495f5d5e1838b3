"""Advance one build by one bounded step. A wait writes no row: the message comes again after a delay.

Only a wait that the platform asks for is written to the build's row: a build may have several chains of messages, and
the sweep looks too, and none of them may ask before. A builder that reports an event asks for the same step at once.
"""

import contextlib
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import builds, retry
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import (
    BeingMade,
    ErrorClass,
    PermanentError,
    StaleWrite,
    TransientError,
    UnreadableRow,
)
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.retry import GiveUp
from pipeline_core.ports import Logs
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.builds.refusals import Refusals
from pipeline_core.services.builds.stages import Ended, Failed, Moved, Progress, Stage, Stages, Unwanted, Wait
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.outages.probing import Probing
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Stored
from pipeline_core.wire.messages import BuildEventMessage, StepMessage

_MADE = timedelta(
    seconds=1
)  # the first look at what the platform makes; each later look waits four times as long
_LOOKS = 10  # that lengthen the wait. They repeat without a limit, and the sweep shows a late build
_ASKED = timedelta(minutes=1)  # a shorter wait that the platform asks for is not worth a row
_TRANSITIONS = 3  # of one message at most, so that a handler stays short


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One step of one build per message. A transition ends every older chain of messages."""

    images: ImageStore
    stages: Stages
    refusals: Refusals
    probing: Probing
    completion: Completion
    effects: Effects

    def step(self, message: StepMessage, *, redelivered: bool) -> None:
        """Advance the build of the message, if the build made no transition since the message was sent."""
        stored = self.images.find_build(BuildId(message.build))
        if stored is None:
            self.effects.logs.note("step-without-build", build_id=message.build)
            return
        build = stored.value
        if build.is_finished:
            self.probing.follow_end(build, message.paused)
            self._after_end(stored)
            return
        if message.seq < build.seq:
            if redelivered:
                # The handler that made this transition may have died before it sent the next message.
                self.effects.outbox.step(build, reason="sent-again")
            self.effects.logs.note("step-outdated", build_id=message.build, seq=message.seq)
            return
        if build.phase is Phase.PENDING and not build.is_stopping:
            self.effects.outbox.dispatch("pending-build-asked")
            return
        paused = "" if build.is_stopping else message.paused
        self.probing.follow_end(build, message.paused)
        if self._is_early(build, message, paused):
            return
        wait = self.probing.may_go_on(build, paused)
        if wait is not None:
            if not message.once:
                self.effects.outbox.step(
                    build, delay=wait, reason="paused", tries=message.tries, paused=paused
                )
            self.effects.logs.note("step-paused", image=str(build.image), build_id=message.build, key=paused)
            return
        self.look(stored, once=message.once, tries=message.tries, paused=paused)

    def _is_early(self, build: Build, message: StepMessage, paused: str) -> bool:
        """True where the platform has asked to wait. The message comes again after that, and does not begin a probe.

        Spread, so that the next refusal is known before the other chains of the build ask.
        """
        now = self.effects.clock.now()
        if build.not_before is None or build.not_before <= now:
            return False
        if not message.once:
            delay = build.not_before - now + _ASKED * self.effects.chance.fraction()
            self._go_on(build, delay, reason="early", tries=message.tries, paused=paused)
        self.effects.logs.note("step-early", image=str(build.image), build_id=str(build.id))
        return True

    def look(self, stored: Stored[Build], *, once: bool = False, tries: int = 0, paused: str = "") -> None:
        """Advance a build from its current phase; `once`, `tries` and `paused` as in the message."""
        here: Stored[Build] | None = stored
        for _ in range(_TRANSITIONS):
            here = None if here is None else self._advance(here, once=once, tries=tries, paused=paused)
            once = False  # a transition ends the chain of messages before it: the next phase needs a chain of its own
        if here is not None:
            self.effects.outbox.step(here.value)

    def _after_end(self, stored: Stored[Build]) -> None:
        """Announce the end where that is still to do. Take back a version that a late step has let into `latest`.

        Raises TransientError until the gallery shows that it is out: the message comes again.
        """
        build = stored.value
        if self.completion.has_announced(build):
            self.effects.logs.note("step-after-end", build_id=str(build.id))
        else:
            self.completion.announce(stored)
        if build.result in (Result.SUCCEEDED, Result.WITHDRAWN):
            self.stages.publishing.take_back(build)
            self.stages.publishing.bring_to_regions(build)

    def _advance(self, stored: Stored[Build], *, once: bool, tries: int, paused: str) -> Stored[Build] | None:
        """One step; the build where it goes on at once, None where a message continues it or it has ended."""
        build = stored.value
        try:
            progress = self._look(stored)
        except TransientError as error:
            again = min(tries + 1, _LOOKS)
            delay = _delay_of(error, again, self.effects.chance.fraction())
            if error.retry_after is not None and error.retry_after > _ASKED:
                self._keep_wait(stored, delay)
            is_lack = error.error_class in retry.LACKS
            if not once or (self._is_swept(build) and not is_lack):
                met = self.refusals.meet(build, error, paused=paused)
                if not once or met is not None:
                    self._go_on(
                        build,
                        delay if met is None else max(delay, met.delay),
                        reason=error.error_class.value,
                        tries=again,
                        paused=paused if met is None else met.key,
                        is_lack=is_lack,
                    )
            self.effects.logs.note(
                "step-delayed", image=str(build.image), build_id=str(build.id), error=str(error)
            )
            return None
        except StaleWrite:
            if not once:
                self.effects.outbox.step(build, reason="raced", paused=paused)
            self.effects.logs.note("step-raced", image=str(build.image), build_id=str(build.id))
            return None
        match progress:
            case Wait(delay=None):
                self.probing.give_up(build, paused)
                self.effects.logs.note("step-halted", image=str(build.image), build_id=str(build.id))
            case Wait(delay=timedelta() as delay, paused=key):
                key = key or self.probing.follow(build, paused, is_answered=_is_answered(build, build))
                if once and not (key and self._is_swept(build)):
                    self.effects.logs.note("step-looked", image=str(build.image), build_id=str(build.id))
                else:
                    self._go_on(build, delay, paused=key)
            case Moved(build=moved, delay=delay):
                is_answered = bool(delay) and _is_answered(build, moved.value)
                self.probing.follow(moved.value, paused, is_answered=is_answered)
                if not delay:
                    return moved
                self.effects.outbox.step(moved.value, delay=delay)
            case _:  # the build has ended
                self._follow_end(build, paused)
        return None

    def _go_on(
        self,
        build: Build,
        delay: timedelta,
        *,
        reason: str = "",
        tries: int = 0,
        paused: str = "",
        is_lack: bool = True,
    ) -> None:
        """Send the message for the next look, unless sweeps alone look at the build by now.

        One that pauses goes on by its own messages, because they probe. So does one that was refused by anything but
        a lack (`is_lack`): its tries are counted. So does one that publishes or stops: it ends by the gallery's
        answers, without a timer.
        """
        lasts = self.effects.clock.now() - build.phase_since
        if self._is_swept(build) and is_lack and not paused and retry.is_left_to_sweeps(lasts, delay):
            self.effects.logs.note("step-left-to-sweeps", image=str(build.image), build_id=str(build.id))
            return
        self.effects.outbox.step(build, delay=delay, reason=reason, tries=tries, paused=paused)

    def _is_swept(self, build: Build) -> bool:
        """True where sweeps may be all that looks at the build: then their looks count, and begin what probes."""
        lasts = self.effects.clock.now() - build.phase_since
        return build.phase.has_container and not build.is_stopping and lasts >= retry.SWEPT

    def _keep_wait(self, stored: Stored[Build], delay: timedelta) -> None:
        """Let all chains of messages know it. Where the row cannot be written, only this chain waits."""
        waiting = builds.wait_until(stored.value, self.effects.clock.now() + delay)
        with contextlib.suppress(StaleWrite, TransientError):
            self.images.commit([records.put_build(waiting, etag=stored.etag)])

    def _follow_end(self, build: Build, paused: str) -> None:
        stored = self.images.find_build(build.id) if paused else None
        if stored is not None:
            self.probing.follow_end(stored.value, paused)

    def _look(self, stored: Stored[Build]) -> Progress:
        try:
            progress = self._stage_of(stored.value).advance(stored)
        except UnreadableRow:
            raise  # what the row says is unknown, and unknown never fails a build
        except PermanentError as error:
            self._demand_unchanged(stored, error)
            progress = self.refusals.settle(stored.value, error)
        if isinstance(progress, Unwanted):
            self.completion.end(stored, Result.WITHDRAWN, head=progress.head, why=progress.why)
            return Ended()
        if not isinstance(progress, Failed):
            return progress
        judged = stored if progress.judged is None else Stored(value=progress.judged, etag=stored.etag)
        return self.stages.stopping.fail(judged, progress.failure)

    def _demand_unchanged(self, stored: Stored[Build], error: PermanentError) -> None:
        """Raise StaleWrite where another handler has moved or ended the build: then the error is about the past."""
        found = self.images.find_build(stored.value.id)
        if found is None or found.etag != stored.etag:
            raise StaleWrite(f"build {stored.value.id} was moved meanwhile: {error}") from error

    def _stage_of(self, build: Build) -> Stage:
        if build.is_stopping:
            return self.stages.stopping
        return self.stages.publishing if build.phase is Phase.PUBLISHING else self.stages.containers


def _is_answered(before: Build, after: Build) -> bool:
    """True where a step of publishing went well: the gallery answers what the build asks it."""
    return before.phase is Phase.PUBLISHING and not before.is_stopping and not after.is_stopping


def _delay_of(error: TransientError, tries: int, chance: float) -> timedelta:
    if isinstance(error, BeingMade):
        return _MADE * (1 << 2 * min(tries - 1, 3))
    decision = retry.look_again(error.error_class, tries, chance, retry_after=error.retry_after)
    if isinstance(decision, GiveUp):
        raise PermanentError(
            ErrorClass.TEMPLATE, f"{error.error_class.value} is not a transient error"
        ) from error
    return decision.delay


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEvents:
    """An event is only a hint. The step reads the facts from the attempt's report blob."""

    images: ImageStore
    driver: Driver
    logs: Logs

    def observe(self, message: BuildEventMessage) -> None:
        """Look at the attempt that reported, at once. An event of an older attempt is a named no-op."""
        stored = self.images.find_build(BuildId(message.build))
        if stored is None:
            self.logs.note("event-without-build", build_id=message.build)
            return
        build = stored.value
        is_running = build.phase.has_container and build.phase.stage == message.stage
        if not is_running or build.attempt != message.attempt:
            self.logs.note(
                "event-outdated", image=str(build.image), build_id=message.build, kind=message.kind
            )
            return
        self.driver.look(stored)
