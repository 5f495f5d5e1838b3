"""The types that the stages of a build share: their answers, and the Protocols that callers use.

This module does nothing. Each Protocol has its service, and `wiring` connects them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pipeline_core.domain.builds import Build, Failure
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """There is nothing to do yet. Look again after `delay`. `paused` names the platform breaker that is waited for.

    Without a delay nobody looks again: the end of a pause of SecOps sets the build going. A look each few minutes
    would cost operations for days, and each message that is delivered twice would double those that follow.
    """

    delay: timedelta | None
    paused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The build made a transition. It goes on at once, or after `delay`."""

    build: Stored[Build]
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The build has finished and has announced its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The build cannot succeed: its leftovers are removed, then it ends. `judged` is its row with the verdicts."""

    failure: Failure
    judged: Build | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """Nobody wants the build any more, by the image's `head`, and it has made nothing: it ends as withdrawn."""

    head: Stored[ImageHead]
    why: str


Progress = Wait | Moved | Ended | Failed | Unwanted


class Stage(Protocol):
    """The work of one phase in one step. It reads all facts again each time."""

    def advance(self, build: Stored[Build]) -> Progress:
        """Raises TransientError to be called again later, PermanentError where the build cannot succeed."""
        ...


class Stepper(Protocol):
    """Takes the steps of builds, whatever their phase."""

    def look(self, stored: Stored[Build]) -> None:
        """Advance a build as it was just written, and send the message that continues it."""
        ...


class Publisher(Stage, Protocol):
    """The stage that lets a version into `latest`."""

    def take_back(self, ended: Build) -> None:
        """Take the version of an ended build out of `latest`, if the image has gone back since."""
        ...

    def bring_to_regions(self, ended: Build) -> None:
        """Go on with the regions that the version of an ended build is not in yet."""
        ...


class Stopper(Stage, Protocol):
    """The stage that replaces the phase's own stage in a build that was cancelled or cannot succeed."""

    def fail(self, build: Stored[Build], failure: Failure) -> Progress:
        """End the build as failed, now or when its leftovers are gone; raises StaleWrite."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stage of each phase."""

    containers: Stage
    publishing: Publisher
    stopping: Stopper


class Floors(Protocol):
    """Gives the compliance floors of SecOps' policy in force."""

    def floor_of(self, image: ImageName) -> ComplianceFloor:
        """The floor for this image, from the base that the image descends from."""
        ...
