"""Follow a build that probes: how far is it, and is it past the call that failed? It asks only about such builds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import attempts, platform_breaker
from pipeline_core.domain.builds import Build
from pipeline_core.domain.platform_breaker import BuildPlace, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall, call_of
from pipeline_core.ports import Blobs, Containers
from pipeline_core.services.outages.outages import Outages

_UNPROBED = timedelta(
    minutes=10
)  # a probe that is due for so long: the steps of the builds that pause may be lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """Reads the attempt's marker and its group, and nothing where the build neither pauses nor probes."""

    outages: Outages
    blobs: Blobs
    containers: Containers

    def may_go_on(self, build: Build, paused: str) -> timedelta | None:
        """None where the build goes on now; else the time until the next look. `paused` as in the message."""
        return self.outages.may_go_on(build, paused) if paused else None

    def may_look(self, build: Build, breakers: Sequence[PlatformBreaker], now: datetime) -> bool:
        """True where a look from outside at this build may call the platform. `breakers` are the open ones.

        A build that pauses has steps of its own, and they probe when it is time. A look beside them would call a
        platform that fails, and no probe would count it. Where no build has probed for `_UNPROBED` although it is
        time, those steps may be lost, so the look may call. No read where no breaker is open.
        """
        if not breakers or build.is_stopping:
            return True
        place = self.outages.place_of(build)
        holding = [each for each in breakers if _pauses(each, build, place, now)]
        if not holding or not build.phase.has_container or not self._has_begun(build):
            return not holding
        # Its container runs: the look needs only what the builder has left, unless the builder's own calls fail.
        return all(each.call < call_of(build.phase, has_begun=True) for each in holding)

    def follow(self, build: Build, paused: str, *, is_answered: bool = False) -> str:
        """Close each breaker that this build shows to be over. Gives `paused` again while that is open, else empty.

        `is_answered`: the step was one of publishing, and no call of it failed.
        """
        keys = {*build.probes, paused} - {""}
        if not keys:
            return ""
        reached = PlatformCall.DONE if is_answered else self._reached(build)
        settled = {key: self.outages.follow(build, key, reached) for key in sorted(keys)}
        return "" if settled.get(paused, True) else paused

    def follow_end(self, build: Build, paused: str) -> None:
        """The same for a build that has ended, or that stops and so probes nothing any more."""
        if not paused:
            return
        if build.is_finished:
            self.outages.follow_end(build, paused)
        elif build.is_stopping:
            self.give_up(build, paused)

    def give_up(self, build: Build, paused: str) -> None:
        """Let another build probe: this one will not call the platform now."""
        if paused:
            self.outages.not_begun(build.id, [paused])

    def _reached(self, build: Build) -> PlatformCall:
        if not build.phase.has_container:
            return call_of(build.phase)
        if self._has_begun(build):
            return call_of(build.phase, has_begun=True)
        group = self.containers.find_group(attempts.group_of(build))
        return call_of(build.phase, has_group=group is not None)

    def _has_begun(self, build: Build) -> bool:
        return self.blobs.find_facts("builds", f"{attempts.folder_of(build)}/{attempts.STARTED}") is not None


def _pauses(breaker: PlatformBreaker, build: Build, place: BuildPlace, now: datetime) -> bool:
    """True where what the build would call fails, and another build probes it in time."""
    is_probe = breaker.probe is not None and breaker.probe.build == build.id
    if is_probe or not platform_breaker.covers(breaker, place):
        return False
    if platform_breaker.is_due(breaker, now - _UNPROBED):
        return False
    if build.is_finished:  # what is left of it is at the galleries
        return breaker.call >= PlatformCall.PUBLISH
    return not platform_breaker.goes_on(breaker, build) and platform_breaker.is_patient(breaker, build, now)
