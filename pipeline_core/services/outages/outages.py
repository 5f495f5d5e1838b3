"""Keep the platform breakers: count failures, pause and probe, close.

It starts no build. The dispatcher asks it before each start, and the stages ask it after each failure.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import platform_breaker as decisions
from pipeline_core.domain import releases
from pipeline_core.domain.actors import ActorOrPart
from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.errors import (
    AlreadyExists,
    Contended,
    ErrorClass,
    ErrorScope,
    PermanentError,
    UnreadableRow,
)
from pipeline_core.domain.images import Registration
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.names import BuildId, Digest, ImageName, TeamName
from pipeline_core.domain.platform_breaker import BreakerHit, BuildPlace, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall, call_of
from pipeline_core.domain.sources import MarketplaceSource, ParentReference, SourceVersion
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.outages.aftermath import Aftermath
from pipeline_core.state import images as records
from pipeline_core.state.outages.breakers import HarmedBuild
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_SOON = timedelta(seconds=15)
_STEPS = frozenset(
    {ErrorClass.PROVISIONER, ErrorClass.SMOKE, ErrorClass.COMPLIANCE, ErrorClass.HYGIENE}
)  # failures that only a builder that ran can report
_UNTOLD = timedelta(minutes=1)  # after this time the handler that opened a breaker has died before its alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The build waits for the breaker of this key. Look again after `delay`."""

    key: str
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused:
    """The failure is of the past or the build is a probe: it goes on, whatever its tries say. `probes` as in builds."""

    probes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a pending build may start: `held_by` is the key of a breaker that holds it, `probes` as in builds."""

    held_by: str = ""
    probes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """The breakers' rows are the truth. Every method is safe to repeat."""

    records: Records
    effects: Effects
    aftermath: Aftermath
    deployment: ErrorScope

    def meet(
        self, build: Build, failure: Failure, call: PlatformCall, *, of_call: bool
    ) -> Paused | Excused | None:
        """Count a failed attempt. None where the build's own tries decide.

        `of_call`: a call of the factory failed, and the attempt itself goes on.
        """
        if not decisions.counts(failure) or _lost_release(build, failure):
            return None
        place, now = self.place_of(build), self.effects.clock.now()
        hit = BreakerHit(
            build=build.id,
            attempt=_attempt_of(build),
            image=place.image,
            team=place.team,
            root=place.root,
            at=now,
            call=call,
        )
        new = PlatformBreaker(
            error_class=failure.error_class, scope=decisions.scope_of(failure, place, self.deployment)
        )

        def strike(breaker: PlatformBreaker) -> PlatformBreaker:
            if not of_call and decisions.is_answered(breaker, build):
                return breaker
            return decisions.strike(breaker, hit, failure.message, of_call=of_call)

        try:
            before, after = self.records.breakers.change(new, strike)
        except Contended:
            return Paused(key=new.key, delay=_SOON)
        except UnreadableRow:
            return None  # without its row nothing is known about an outage
        if after.is_open and after.opened_at != before.opened_at:
            self.opened(after)
        if after.next_probe is not None and after.next_probe != before.next_probe:
            self._ask_for_probe(after, now)
        if not of_call and decisions.is_answered(after, build):
            return Excused()
        if after.probe is not None and after.probe.build == build.id:
            return Excused(probes=(after.key,))
        if decisions.covers(after, place) and decisions.is_patient(after, build, now):
            return Paused(key=after.key, delay=self._until_look(after, now))
        return None

    def may_go_on(self, build: Build, key: str) -> timedelta | None:
        """None where a build that pauses goes on now, perhaps as the probe. Else the time until the next look."""
        breaker, now = self._find_open(key), self.effects.clock.now()
        if breaker is None:
            return None
        if breaker.probe is not None and breaker.probe.build == build.id:
            return None
        if decisions.goes_on(breaker, build) or not decisions.is_patient(breaker, build, now):
            return None
        if decisions.is_due(breaker, now) and self._claim(breaker, build, now, spent=_attempt_of(build)):
            return None
        return self._until_look(breaker, now)

    def follow(self, build: Build, key: str, reached: PlatformCall) -> bool:
        """Close the breaker where its probe has passed. False while the probe still has to show it."""
        breaker = self._find_open(key)
        if breaker is None or breaker.probe is None or breaker.probe.build != build.id:
            return True
        if decisions.has_passed(breaker, build, reached):
            self.close(breaker)
            return True
        if build.is_finished:
            # It ended before the call, by something else: that says nothing about the call.
            self._settle(breaker, build.id)
            return True
        return False

    def follow_end(self, build: Build, key: str) -> None:
        """The same for a probe that has ended."""
        self.follow(build, key, reached_by(build))

    def admit(self, build: Build, breakers: Sequence[PlatformBreaker]) -> Admission:
        """Ask before a pending build starts; `breakers` are the open ones."""
        if not breakers:
            return Admission()
        place, now = self.place_of(build), self.effects.clock.now()
        holding = [breaker for breaker in breakers if decisions.holds(breaker, place)]
        for breaker in holding:
            is_its_probe = breaker.probe is not None and breaker.probe.build == build.id
            if not is_its_probe and not decisions.is_due(breaker, now):
                return Admission(held_by=breaker.key)
        for breaker in holding:
            if not self._claim(breaker, build, now):
                return Admission(held_by=breaker.key)
        return Admission(probes=tuple(breaker.key for breaker in holding))

    def open(self) -> Sequence[PlatformBreaker]:
        """The breakers that hold builds back; one read, and a slice of what closed ones have left to do."""
        found: list[PlatformBreaker] = []
        for stored in self.records.breakers.list():
            if stored.value.is_open:
                found.append(stored.value)
            self._repair(stored)
        return found

    def ended(self, build: Build) -> None:
        """Note what the end of a build says: about the call that it probed, and that an outage has harmed its image."""
        for key in build.probes:
            self.follow_end(build, key)
        failure = build.failure
        if build.result is not Result.FAILED or failure is None or not decisions.counts(failure):
            return
        place = self.place_of(build)
        key = decisions.key_of(failure.error_class, decisions.scope_of(failure, place, self.deployment))
        breaker = self._find(key)
        if breaker is not None and breaker.is_open:
            self.records.breakers.note_harmed(key, HarmedBuild(image=build.image, build=build.id))
        elif breaker is not None and decisions.is_answered(breaker, build):
            self.aftermath.look_again(HarmedBuild(image=build.image, build=build.id))

    def probed_by(self, build: BuildId) -> tuple[str, ...]:
        """The open breakers that the build probes, as in builds. One read."""
        found = [each.value for each in self.records.breakers.list() if each.value.is_open]
        return tuple(each.key for each in found if each.probe is not None and each.probe.build == build)

    def not_begun(self, build: BuildId, probes: Sequence[str]) -> None:
        """The probe of these breakers got no slot, or did not begin: another build may go soon."""
        for key in probes:
            breaker = self._find_open(key)
            if breaker is not None:
                self._settle(breaker, build)

    def close(self, breaker: PlatformBreaker, *, actor: ActorOrPart = FACTORY) -> bool:
        """Close an open breaker; everything that it held back is looked at again, in slices. False if it was closed."""
        now = self.effects.clock.now()
        before, after = self.records.breakers.change(
            breaker, lambda found: decisions.close(found, now) if found.is_open else found
        )
        if before is after:
            return False
        self._closed(before, actor)
        return True

    def place_of(self, build: Build) -> BuildPlace:
        """What the scope of a failure can be about. Costs a read for each ancestor."""
        return self._place(build.image, build.team, build.definition)

    def place_of_image(self, registration: Registration) -> BuildPlace:
        """The same for the next build of an image."""
        return self._place(registration.name, registration.team, registration.definition)

    def _place(self, image: ImageName, team: TeamName, definition: Digest) -> BuildPlace:
        root, source, size = image, "", ""
        with contextlib.suppress(PermanentError):  # a row or a document that cannot be read says nothing
            for _ in range(MAX_DEPTH):
                head = self.records.images.find_head(root)
                above = None if head is None else head.value.registration.origin
                if isinstance(above, MarketplaceSource):
                    source = above.key
                if not isinstance(above, ParentReference):
                    break
                root = above.image
        with contextlib.suppress(PermanentError):
            size = self.effects.documents.definition(definition).build.vm_size
        return BuildPlace(image=image, team=team, root=root, source=source, size=size)

    def _find(self, key: str) -> PlatformBreaker | None:
        """The breaker of this key; None where there is none, or where its row cannot be read."""
        with contextlib.suppress(UnreadableRow):
            stored = self.records.breakers.find(key)
            return None if stored is None else stored.value
        return None

    def _find_open(self, key: str) -> PlatformBreaker | None:
        found = self._find(key)
        return found if found is not None and found.is_open else None

    def _claim(self, breaker: PlatformBreaker, build: Build, now: datetime, *, spent: str = "") -> bool:
        """Make the build the probe, unless another one was faster."""

        def claim(found: PlatformBreaker) -> PlatformBreaker:
            if not decisions.is_due(found, now):
                return found
            return decisions.begin_probe(found, build.id, now, spent=spent, phase=build.phase)

        with contextlib.suppress(Contended):
            _, after = self.records.breakers.change(breaker, claim)
            if not after.is_open:
                return True
            if after.probe is not None and after.probe.build == build.id:
                self.effects.logs.note(
                    "platform-breaker-probed", build_id=str(build.id), image=str(build.image), key=after.key
                )
                return True
        return False

    def _settle(self, breaker: PlatformBreaker, build: BuildId) -> None:
        now = self.effects.clock.now()

        def settle(found: PlatformBreaker) -> PlatformBreaker:
            is_probe = found.probe is not None and found.probe.build == build
            return decisions.settle_probe(found, now) if is_probe else found

        before, after = self.records.breakers.change(breaker, settle)
        if after is not before:
            self._ask_for_probe(after, now)

    def _ask_for_probe(self, breaker: PlatformBreaker, now: datetime) -> None:
        """Nothing may happen until then in a scope that is held back, so that no other message would come."""
        if breaker.next_probe is not None:
            self.effects.outbox.dispatch("outage-probe", delay=max(_SOON, breaker.next_probe - now))

    def opened(self, breaker: PlatformBreaker) -> None:
        """Alert once, where the opening is not of a known outage, and note what it has harmed. Safe to repeat."""
        if breaker.announce:
            self._alarm(breaker)
        for hit in breaker.hits:
            self.records.breakers.note_harmed(breaker.key, HarmedBuild(image=hit.image, build=hit.build))

    def _alarm(self, breaker: PlatformBreaker) -> None:
        """Raise the one alert, then note that it was raised."""
        self._report(breaker, Event.PLATFORM_BREAKER_OPENED, breaker.describe(), breaker.opened_at, FACTORY)
        self.effects.logs.note(
            "platform-breaker-opened",
            error_class=breaker.error_class.value,
            scope=str(breaker.scope),
            error=breaker.message[:500],
        )

        def note(found: PlatformBreaker) -> PlatformBreaker:
            is_same = found.announce and found.alarmed_at == breaker.alarmed_at
            return replace(found, announce=False) if is_same else found

        with contextlib.suppress(Contended):
            self.records.breakers.change(breaker, note)

    def _closed(self, breaker: PlatformBreaker, actor: ActorOrPart) -> None:
        text = f"{breaker.error_class.value} in {breaker.scope} is over; what was held back goes on"
        self._report(breaker, Event.PLATFORM_BREAKER_CLOSED, text, self.effects.clock.now(), actor)
        self.effects.logs.note(
            "platform-breaker-closed", error_class=breaker.error_class.value, scope=str(breaker.scope)
        )
        self.effects.outbox.dispatch("outage-over")

    def _report(
        self, breaker: PlatformBreaker, event: Event, detail: str, at: datetime | None, by: ActorOrPart
    ) -> None:
        """One entry in the journal of the image whose build opened the breaker."""
        if breaker.opened_by is None or at is None:
            return
        entry = self.effects.journal.of_image(breaker.opened_by.image, event, actor=by, detail=detail)
        key = standing_key(at, f"{breaker.key}/{event.value}")
        entry = replace(entry, key=key, build=breaker.opened_by)
        with contextlib.suppress(AlreadyExists):
            self.records.images.commit([records.add_entry(entry)])

    def _repair(self, stored: Stored[PlatformBreaker]) -> None:
        breaker, now = stored.value, self.effects.clock.now()
        if breaker.announce and breaker.alarmed_at is not None and breaker.alarmed_at + _UNTOLD <= now:
            self._alarm(breaker)
        elif decisions.is_abandoned(breaker, now):
            with contextlib.suppress(Contended):
                self.close(breaker)
        elif breaker.is_open:
            return
        elif not breaker.is_drained:
            self.aftermath.drain(breaker)
        elif decisions.is_over(breaker, now):
            self.records.breakers.remove(stored)

    def _until_look(self, breaker: PlatformBreaker, now: datetime) -> timedelta:
        """Spread, so that not all builds that pause come at one moment."""
        return decisions.until_look(breaker, now) * (1 + self.effects.chance.fraction() / 2)


def _attempt_of(build: Build) -> str:
    return f"{build.phase.value}-{build.attempt}"


def reached_by(build: Build) -> PlatformCall:
    """The call at which a build is, or ended. Only a step or a test of the team shows that its container has run."""
    if build.result is Result.SUCCEEDED:
        return PlatformCall.DONE
    if build.provenance is not None:
        return PlatformCall.PUBLISH
    has_run = build.failure is not None and build.failure.error_class in _STEPS
    return call_of(Phase.BUILDING if build.build_result is None else Phase.VERIFYING, has_begun=has_run)


def _lost_release(build: Build, failure: Failure) -> bool:
    """True where the release itself is missing in the Marketplace, which the poll of sources settles."""
    is_root = isinstance(build.inputs.origin, SourceVersion)
    return is_root and releases.speaks_of_release(failure.error_class, failure.message)
