"""The life of one build: phases, results, and the one table of transitions. An unlisted transition raises."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.errors import ErrorClass, UnlistedTransition
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.names import (
    BuildId,
    CampaignId,
    Digest,
    Fingerprint,
    GalleryName,
    ImageName,
    TeamName,
)
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.reasons import Lane, RebuildReason
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion


@unique
class Phase(Enum):
    """Where a build is."""

    PENDING = "pending"  # claimed; waits for a slot
    BUILDING = "building"  # Packer makes a quarantined version
    VERIFYING = "verifying"  # a fresh machine of that version is tested
    PUBLISHING = "publishing"  # the version is copied to the live gallery
    FINISHED = "finished"  # has a result and never moves again

    @property
    def has_container(self) -> bool:
        """True where a container group of the builder runs, and so a slot is held."""
        return self in (Phase.BUILDING, Phase.VERIFYING)

    @property
    def stage(self) -> str:
        """The builder's word for the phase; only for phases with a container."""
        return {Phase.BUILDING: "build", Phase.VERIFYING: "verify"}[self]


@unique
class Result(Enum):
    """How a build ended."""

    SUCCEEDED = "succeeded"  # published and current
    FAILED = "failed"  # a permanent error, or a transient one with its tries used up
    CANCELLED = "cancelled"  # a person stopped it
    SUPERSEDED = "superseded"  # a newer input replaced it before it ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt or a build failed, in words for its owner."""

    error_class: ErrorClass
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """A person's wish to stop a build: who, when and why."""

    actor: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build of one input.

    `gallery` is the live one that the image is placed in;
    `seq` rises with every transition; `attempt` counts the tries of the current phase from 1; `version`
    is the gallery version allotted to the running attempt; `build_result` and `verify_result` digest what
    the builder reported; `priority` is its key among the pending ones; `announce` is true until what this
    build's end has to tell was told, and `notice` the key of the journal's entry that webhooks are told of;
    `alarm` likewise, where the end has opened the image's breaker.
    `cancel` is a person's wish to stop it; with `given_up` it has failed by `failure`, which ends it.
    `started_at` is when it got its slot; `verdicts` are the gates' answers, once they have judged, and `floor` is
    SecOps' floor by which they did. `build_attempt` and `verify_attempt` are the attempts whose reports counted;
    the latter is 0 where none has, or where nobody noted which.
    """

    id: BuildId
    image: ImageName
    team: TeamName
    fingerprint: Fingerprint
    generation: int
    inputs: BuildInputs
    definition: Digest
    gallery: GalleryName
    reasons: tuple[RebuildReason, ...]
    lane: Lane
    campaign: CampaignId
    phase: Phase
    seq: int
    attempt: int
    created_at: datetime
    phase_since: datetime
    priority: str
    version: GalleryVersion | None = None
    result: Result | None = None
    failure: Failure | None = None
    build_result: Digest | None = None
    build_attempt: int = 1
    verify_result: Digest | None = None
    provenance: Digest | None = None
    announce: bool = False
    notice: str = ""
    alarm: str = ""
    cancel: CancelRequest | None = None
    given_up: bool = False
    started_at: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    floor: ComplianceFloor | None = None
    verify_attempt: int = 0

    @property
    def is_finished(self) -> bool:
        """True where the build never moves again."""
        return self.phase is Phase.FINISHED

    @property
    def is_stopping(self) -> bool:
        """True where no stage goes on: what the build made is removed, then it ends."""
        return not self.is_finished and (self.cancel is not None or self.given_up)


_TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.BUILDING, Phase.FINISHED}),
    Phase.BUILDING: frozenset({Phase.BUILDING, Phase.VERIFYING, Phase.FINISHED}),
    Phase.VERIFYING: frozenset({Phase.VERIFYING, Phase.PUBLISHING, Phase.FINISHED}),
    Phase.PUBLISHING: frozenset({Phase.PUBLISHING, Phase.FINISHED}),
    Phase.FINISHED: frozenset(),
}
_RESULTS: Mapping[Phase, frozenset[Result]] = {
    Phase.PENDING: frozenset({Result.CANCELLED, Result.SUPERSEDED}),
    Phase.BUILDING: frozenset({Result.FAILED, Result.CANCELLED}),
    Phase.VERIFYING: frozenset({Result.FAILED, Result.CANCELLED}),
    Phase.PUBLISHING: frozenset({Result.SUCCEEDED, Result.FAILED, Result.CANCELLED}),
    Phase.FINISHED: frozenset(),
}


def move(build: Build, to: Phase, at: datetime) -> Build:
    """The build in its next phase, or in the next attempt of the same one; `seq` rises by one.

    Raises UnlistedTransition; the end of a build is `finish`, which demands a result.
    """
    if to not in _TRANSITIONS[build.phase] or to is Phase.FINISHED:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} -> {to.value} is not listed")
    attempt = build.attempt + 1 if to is build.phase else 1
    return replace(build, phase=to, seq=build.seq + 1, attempt=attempt, phase_since=at)


def ask_to_cancel(build: Build, request: CancelRequest) -> Build:
    """The build with the wish to stop it; it stands where it stood. Raises UnlistedTransition."""
    if build.is_finished:
        raise UnlistedTransition(f"build {build.id}: it has ended and cannot be cancelled")
    return replace(build, cancel=request)


def give_up(build: Build, failure: Failure) -> Build:
    """The build that can only fail, as soon as nothing that it made is left. Raises UnlistedTransition."""
    if Result.FAILED not in _RESULTS[build.phase]:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} cannot fail")
    return replace(build, failure=failure, given_up=True, seq=build.seq + 1)


def finish(build: Build, result: Result, at: datetime, *, failure: Failure | None = None) -> Build:
    """The finished build, with everything it has to tell still pending. Raises UnlistedTransition."""
    if result not in _RESULTS[build.phase]:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} -> {result.value} is not listed")
    return replace(
        build,
        phase=Phase.FINISHED,
        result=result,
        failure=failure,
        seq=build.seq + 1,
        phase_since=at,
        announce=True,
    )
