"""The stages of a build as they know each other: what they answer, and by which Protocols they are called.

Does nothing: each Protocol has its service, and `wiring` puts them together.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pipeline_core.domain.builds import Build, Failure
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do yet: look again after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The build made a transition; it goes on at once, or after `delay`."""

    build: Stored[Build]
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The build has finished and has told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The build cannot succeed: what it made is removed, then it ends. `judged` is what its row keeps of why."""

    failure: Failure
    judged: Build | None = None


Progress = Wait | Moved | Ended | Failed


class Stage(Protocol):
    """What one phase does in one step; reads the world again each time."""

    def advance(self, build: Stored[Build]) -> Progress:
        """Raises TransientError to be called again later, PermanentError where the build cannot succeed."""
        ...


class Publisher(Stage, Protocol):
    """The stage that lets a version into `latest`."""

    def take_back(self, ended: Build) -> None:
        """Take the version of an ended build out of `latest`, if the image has gone back since."""
        ...


class Stopper(Stage, Protocol):
    """What takes the place of the phase's stage in a build that was cancelled or cannot succeed."""

    def fail(self, build: Stored[Build], failure: Failure) -> Progress:
        """End the build as failed, now or when what it made is gone; raises StaleWrite."""
        ...


class Floors(Protocol):
    """Who knows SecOps' policy in force."""

    def floor_of(self, image: ImageName) -> ComplianceFloor:
        """The floor under this image, by the base that it descends from."""
        ...
