"""The life of one build: phases, results, and the one table of transitions. An unlisted transition raises."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, UnlistedTransition
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
from pipeline_core.domain.reasons import NO_CHANGES, ChangeCount, Lane, RebuildReason
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
    WITHDRAWN = "withdrawn"  # nobody wants its input any more: it made no version, or its version stays out of `latest`


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt or a build failed, in words for its owner.

    `owner` and `permanent` are named by the code that met the error and knows what failed. They are None where the
    class alone decides, and in rows older than these fields: read `who` and `stays`. `scope` says where the error
    holds; None where that is not known.
    """

    error_class: ErrorClass
    message: str
    owner: Owner | None = None
    permanent: bool | None = None
    scope: ErrorScope | None = None

    @property
    def who(self) -> Owner:
        """Who must act."""
        return self.error_class.owner if self.owner is None else self.owner

    @property
    def stays(self) -> bool:
        """True where only a person or a changed input ends it, False where time can."""
        return not self.error_class.is_transient if self.permanent is None else self.permanent

    @property
    def is_of_team(self) -> bool:
        """True where the input itself is at fault. Only then it is blocked, and counts towards the image's breaker."""
        return self.who is Owner.TEAM and self.stays


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """A person's wish to stop a build: who, when and why. `identity` is None in older rows."""

    actor: str
    at: datetime
    reason: str
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReport:
    """The report of a verify stage by which the gates judged: its attempt (0 where not kept) and its digest."""

    attempt: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentFacts:
    """What never changes about the parent's version that a build starts from, as its head said when it was planned.

    `gallery` is the live gallery that holds it, `build` the one that made it. `report` is None where its head does
    not name it: that build's row does.
    """

    gallery: GalleryName
    build: BuildId
    report: JudgedReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build of one input. Times are aware UTC."""

    # `IMAGE.INPUT.GENERATION`: the same generation of the same input has the same id.
    id: BuildId
    # What is built.
    image: ImageName
    # The owner; slots are counted for each team.
    team: TeamName
    # The fingerprint of `inputs`. The claim on it names this build.
    fingerprint: Fingerprint
    # How often this input was built, from 1; a renewed claim has the next.
    generation: int
    # Everything that decides the content. Never changed, as all above.
    inputs: BuildInputs
    # The blob of the document: the steps, limits, regions and gates of this build are read from there.
    definition: Digest
    # The live gallery that the version is published to.
    gallery: GalleryName
    # Why it was started. Shown and signed; no rule reads it.
    reasons: tuple[RebuildReason, ...]
    # The first part of the order of pending builds; counted in the image's head when the version becomes current.
    lane: Lane
    # The change that started this build and those of its relatives. The sweep reports a campaign that does not move.
    campaign: CampaignId
    # Where it is. `move` and `finish` write it, with `seq`, `attempt` and `phase_since`; `give_up` raises `seq`.
    phase: Phase
    # Rises with each transition. A step message with a lower one is out of date and changes nothing.
    seq: int
    # The try of the present phase, from 1; names the container group and the folder of the attempt's blobs.
    attempt: int
    # When it was planned.
    created_at: datetime
    # When the present attempt of the phase began; the end of the build once it is finished.
    phase_since: datetime
    # Its key among the pending builds, by `dispatch.priority_key`.
    priority: str
    # The gallery version of the running attempt. None while the build is pending: dispatch allots the version, and
    # each retry of `building` takes a new one.
    version: GalleryVersion | None = None
    # How it ended; None until then. Written by `finish`.
    result: Result | None = None
    # Why the newest failed attempt, or the build, failed; None where none has. Its class decides about the claim.
    failure: Failure | None = None
    # Digest of the builder's report of `building`; None until an attempt has succeeded.
    build_result: Digest | None = None
    # The attempt that wrote `build_result`: the evidence is in its folder. What older attempts left is removed.
    build_attempt: int = 1
    # Digest of the builder's report of `verifying`; None until the gates have judged one.
    verify_result: Digest | None = None
    # Digest of the signed statement; None until the gates have passed.
    provenance: Digest | None = None
    # True in a row of an older release whose end was not announced. Else the build's row in the index says that: it is
    # there before the build can begin, and goes when all messages are sent and the slot is given back.
    announce: bool = False
    # Keys of journal entries that a webhook wants. Older releases wrote them; `Notices` announces entries now.
    notice: str = ""
    # The same for the entry which says that this end opened the image's breaker.
    alarm: str = ""
    # A person's wish to stop it; None where nobody asked. `is_stopping` reads it.
    cancel: CancelRequest | None = None
    # True where the build can only fail, by `failure`. It ends when nothing that it made is left.
    given_up: bool = False
    # When it got its slot, by dispatch; None while it is pending, and in builds older than this field.
    started_at: datetime | None = None
    # The gates' answers; empty until they have judged. A refusal is kept in the claim, by `claims.settle`.
    verdicts: tuple[Verdict, ...] = ()
    # SecOps' floor by which the gates judged; None until they have judged.
    floor: ComplianceFloor | None = None
    # The attempt that wrote `verify_result`; 0 where there is none, or in builds older than this field.
    verify_attempt: int = 0
    # The head's `pointer_revision` under which the build was last planned: its version enters `latest` under no other.
    planned_on: int = 0
    # The quarantine gallery that its versions are made in; None: the first of the settings, as in rows of
    # releases with one of them. Never changed.
    quarantine: GalleryName | None = None
    # How often the parent's current version had changed when the inputs were fixed. Kept with the published version.
    followed: ChangeCount = NO_CHANGES
    # Regions that failed, so the live version is copied without them; they get it later.
    left_out: tuple[str, ...] = ()
    # The platform's word about them; empty where none is left out.
    left_out_why: str = ""
    # When the copy to the live gallery may be begun again; None where it has not failed.
    copy_after: datetime | None = None
    # Since when its version waits in quarantine, or cannot be made there, because a subscription is at its limit of
    # image definitions or versions; `failure` has Azure's words. None where it does not wait for that.
    full_since: datetime | None = None
    # Keys of the platform breakers that this build probes: it was let through although they were open.
    probes: tuple[str, ...] = ()
    # Since when its image waits for a slot: that of the pending build which it replaced. None in older builds.
    waits_since: datetime | None = None
    # The parent's version in `inputs`. None for a root, and in builds older than this field: the parent's head is read
    # then. Never changed.
    parent: ParentFacts | None = None
    # Before this time no step asks again: the platform has refused a call and asked to wait. All messages of the build
    # see it here. None where nobody asked, and after each transition.
    not_before: datetime | None = None
    # The cores of its machines, which are of one size; the stage `verify` has a machine when that of `build` is gone.
    # None where the name of the size does not say them, and in builds older than this field. Never changed.
    cores: int | None = None

    @property
    def judged(self) -> JudgedReport | None:
        """The report by which the gates have judged it; None until then."""
        digest = self.verify_result
        return None if digest is None else JudgedReport(attempt=self.verify_attempt, digest=digest)

    @property
    def is_finished(self) -> bool:
        """True where the build never moves again."""
        return self.phase is Phase.FINISHED

    @property
    def queued_at(self) -> datetime:
        """Since when its image waits for a slot; its age among the pending builds."""
        return self.waits_since or self.created_at

    @property
    def is_stopping(self) -> bool:
        """True where no stage goes on: everything that the build made is removed, then the build ends."""
        return not self.is_finished and (self.cancel is not None or self.given_up)


_TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.BUILDING, Phase.FINISHED}),
    Phase.BUILDING: frozenset({Phase.BUILDING, Phase.VERIFYING, Phase.FINISHED}),
    Phase.VERIFYING: frozenset({Phase.VERIFYING, Phase.PUBLISHING, Phase.FINISHED}),
    Phase.PUBLISHING: frozenset({Phase.PUBLISHING, Phase.FINISHED}),
    Phase.FINISHED: frozenset(),
}
_RESULTS: Mapping[Phase, frozenset[Result]] = {
    Phase.PENDING: frozenset({Result.CANCELLED, Result.SUPERSEDED, Result.WITHDRAWN}),
    Phase.BUILDING: frozenset({Result.FAILED, Result.CANCELLED, Result.WITHDRAWN}),
    Phase.VERIFYING: frozenset({Result.FAILED, Result.CANCELLED, Result.WITHDRAWN}),
    Phase.PUBLISHING: frozenset({Result.SUCCEEDED, Result.FAILED, Result.CANCELLED, Result.WITHDRAWN}),
    Phase.FINISHED: frozenset(),
}


def move(build: Build, to: Phase, at: datetime) -> Build:
    """The build in its next phase, or in the next attempt of the same one; `seq` rises by one.

    Raises UnlistedTransition. A build ends by `finish`, which demands a result.
    """
    if to not in _TRANSITIONS[build.phase] or to is Phase.FINISHED:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} -> {to.value} is not listed")
    attempt = build.attempt + 1 if to is build.phase else 1
    return replace(build, phase=to, seq=build.seq + 1, attempt=attempt, phase_since=at, not_before=None)


def ask_to_cancel(build: Build, request: CancelRequest) -> Build:
    """The build with the wish to stop it; its phase stays the same. Raises UnlistedTransition."""
    if build.is_finished:
        raise UnlistedTransition(f"build {build.id}: it has ended and cannot be cancelled")
    return replace(build, cancel=request, not_before=None)


def give_up(build: Build, failure: Failure) -> Build:
    """The build that can only fail. It ends as soon as nothing that it made is left. Raises UnlistedTransition."""
    if Result.FAILED not in _RESULTS[build.phase]:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} cannot fail")
    return replace(build, failure=failure, given_up=True, seq=build.seq + 1, not_before=None)


def wait_until(build: Build, at: datetime) -> Build:
    """The build that asks nothing before `at`. That is not a transition: messages on their way still count."""
    return replace(build, not_before=at)


def finish(build: Build, result: Result, at: datetime, *, failure: Failure | None = None) -> Build:
    """The finished build. Raises UnlistedTransition.

    A build that is withdrawn before its version was proven has none: nobody may look for the one that it was to make,
    or has made in quarantine, and its input can be built again.
    """
    if result not in _RESULTS[build.phase]:
        raise UnlistedTransition(f"build {build.id}: {build.phase.value} -> {result.value} is not listed")
    has_none = build.phase.has_container and result is Result.WITHDRAWN
    return replace(
        build,
        version=None if has_none else build.version,
        phase=Phase.FINISHED,
        result=result,
        failure=failure,
        seq=build.seq + 1,
        phase_since=at,
        not_before=None,
    )
