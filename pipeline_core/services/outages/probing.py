"""Follow a build that probes: how far is it, and is it past the call that failed? It asks only about such builds."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build
from pipeline_core.domain.platform_call import PlatformCall, call_of
from pipeline_core.ports import Blobs, Containers
from pipeline_core.services.outages.outages import Outages


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """Reads the attempt's marker and its group, and nothing where the build neither pauses nor probes."""

    outages: Outages
    blobs: Blobs
    containers: Containers

    def may_go_on(self, build: Build, paused: str) -> timedelta | None:
        """None where the build goes on now; else the time until the next look. `paused` as in the message."""
        return self.outages.may_go_on(build, paused) if paused else None

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
            self.outages.not_begun(build.id, [paused])

    def _reached(self, build: Build) -> PlatformCall:
        if not build.phase.has_container:
            return call_of(build.phase)
        if self.blobs.find_facts("builds", f"{attempts.folder_of(build)}/{attempts.STARTED}") is not None:
            return call_of(build.phase, has_begun=True)
        group = self.containers.find_group(attempts.group_of(build))
        return call_of(build.phase, has_group=group is not None)
