"""One claim per (image, fingerprint): how its build ended decides whether the input is built again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain import releases
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.sources import SourceVersion
from pipeline_core.domain.versions import GalleryVersion

# The gates that look at SecOps' floor.
_BY_FLOOR = frozenset({"compliance", "severities", "share", "rules", "waivers", "ratchet"})
COOL_DOWN = timedelta(minutes=30)  # rest after a transient failure that used up its tries


@unique
class Outcome(Enum):
    """What became of the newest build of an input."""

    IN_FLIGHT = "in-flight"  # it runs or waits for a slot: join it
    SUCCEEDED = "succeeded"  # its version is live: make that one current, build nothing
    PRUNED = "pruned"  # it succeeded, but retention removed the version: build again
    SUPERSEDED = "superseded"  # a newer input replaced it before it ran, or it was withdrawn: build again
    EXHAUSTED = "exhausted"  # a failure that time can end or that no team owns: cool down, then build again
    FAILED = "failed"  # a permanent failure of the team: blocked until an input changes or a person retries
    CANCELLED = "cancelled"  # a person stopped it: also blocked
    WITHHELD = "revoked"  # a person took its version out of `latest`, or recovery found it out: also blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The claim on one input; `generation` counts its builds from 1.

    `gates` is the digest of what the definition asked of a version when the build began; kept where a build failed
    that had made one. `limits` is that of what limited the run; kept where the build failed.
    `grants` counts the waivers that the image had been granted when the build began.
    `floor` is SecOps' floor by which the gates judged; kept where a gate that uses it refused.
    `is_spare`: the version was never let into `latest`, because nobody wanted it when its build ended.
    """

    image: ImageName
    fingerprint: Fingerprint
    generation: int
    build: BuildId
    outcome: Outcome
    version: GalleryVersion | None = None
    is_spare: bool = False
    detail: str = ""
    ended_at: datetime | None = None
    gates: str = ""
    floor: ComplianceFloor | None = None
    limits: str = ""
    grants: int = 0


@unique
class ClaimAnswer(Enum):
    """What a claim answers when a build of its input is wanted."""

    BUILD = "build"  # there is no claim, or it may be renewed
    JOIN = "join"  # a build for it is on its way
    REUSE = "reuse"  # a good version of it exists
    COOL_DOWN = "cool-down"  # may be renewed later
    BLOCKED = "blocked"  # only a changed input or a person helps


def read_claim(
    claim: Claim | None,
    now: datetime,
    gates: str = "",
    floor: ComplianceFloor | None = None,
    limits: str = "",
    grants: int = 0,
) -> ClaimAnswer:
    """Decide by the claim and by what is asked of a version now. `claim` is None where the input was never claimed.

    An input that failed may try again in four cases. The definition gives the run other limits. It asks something
    else of a version. SecOps granted a waiver since (`grants` counts those of the image). Or SecOps' `floor` (None:
    not known, or not looked up) demands less than the floor of that time.
    """
    if claim is None:
        return ClaimAnswer.BUILD
    match claim.outcome:
        case Outcome.IN_FLIGHT:
            return ClaimAnswer.JOIN
        case Outcome.SUCCEEDED:
            return ClaimAnswer.REUSE
        case Outcome.PRUNED | Outcome.SUPERSEDED:
            return ClaimAnswer.BUILD
        case Outcome.EXHAUSTED:
            over = claim.ended_at is None or claim.ended_at + COOL_DOWN <= now
            return ClaimAnswer.BUILD if over else ClaimAnswer.COOL_DOWN
        case Outcome.FAILED if claim.limits and limits and claim.limits != limits:
            return ClaimAnswer.BUILD
        case Outcome.FAILED if claim.gates and gates and claim.gates != gates:
            return ClaimAnswer.BUILD
        case Outcome.FAILED if claim.gates and grants != claim.grants:
            return ClaimAnswer.BUILD
        case Outcome.FAILED if claim.floor is not None and floor is not None and floor.is_laxer(claim.floor):
            return ClaimAnswer.BUILD
        case _:  # FAILED, CANCELLED, WITHHELD
            return ClaimAnswer.BLOCKED


_WORDS = {
    Outcome.IN_FLIGHT: "is on its way",
    Outcome.SUCCEEDED: "succeeded",
    Outcome.PRUNED: "succeeded, and its version was removed since",
    Outcome.SUPERSEDED: "was replaced by a newer one, or withdrawn",
    Outcome.EXHAUSTED: "used up its tries",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "was cancelled",
    Outcome.WITHHELD: "made a version that is withheld from latest",
}


def describe(claim: Claim | None) -> str:
    """What became of an input's newest build, for a person; empty where it was never claimed."""
    if claim is None:
        return ""
    return f"build {claim.build} {_WORDS[claim.outcome]}{f': {claim.detail}' if claim.detail else ''}"


def _may_pass(build: Build) -> bool:
    """True where the input is not at fault. A release that is not offered now says nothing about it either."""
    failure = build.failure
    if failure is None:
        return False
    return not failure.is_of_team or lost_release(build) is not None


def lost_release(build: Build) -> SourceVersion | None:
    """The release that a failed build could not find in the Marketplace; None where it failed by something else."""
    failure, origin = build.failure, build.inputs.origin
    if build.result is not Result.FAILED or failure is None or not isinstance(origin, SourceVersion):
        return None
    return origin if releases.speaks_of_release(failure.error_class, failure.message) else None


def _is_judged(build: Build) -> bool:
    """True where the build failed by what it was held against: its version, or the check that ends the build stage."""
    is_hygiene = build.failure is not None and build.failure.error_class is ErrorClass.HYGIENE
    return is_hygiene or build.build_result is not None


_OUTCOMES = {
    Result.SUCCEEDED: Outcome.SUCCEEDED,
    Result.CANCELLED: Outcome.CANCELLED,
    Result.SUPERSEDED: Outcome.SUPERSEDED,
}


def settle(claim: Claim, build: Build) -> Claim:
    """The claim after its build has finished. Raises ValueError for a build that runs or is of another claim."""
    if build.id != claim.build or build.phase is not Phase.FINISHED or build.result is None:
        raise ValueError(f"claim of {claim.build} cannot be settled by {build.id} in {build.phase.value}")
    has_version = build.version is not None and build.result in (Result.SUCCEEDED, Result.WITHDRAWN)
    if build.result is Result.FAILED:
        outcome = Outcome.EXHAUSTED if _may_pass(build) else Outcome.FAILED
    elif (
        build.result is Result.WITHDRAWN
    ):  # a version that stays out of latest can be used when its input returns
        outcome = Outcome.SUCCEEDED if has_version else Outcome.SUPERSEDED
    else:
        outcome = _OUTCOMES[build.result]
    refused = {verdict.gate for verdict in build.verdicts if not verdict.passed}
    has_failed = outcome is Outcome.FAILED
    if not has_failed:
        refused.clear()
    return replace(
        claim,
        gates=claim.gates if has_failed and (refused or _is_judged(build)) else "",
        limits=claim.limits if has_failed else "",
        floor=build.floor if refused & _BY_FLOOR else None,
        outcome=outcome,
        version=build.version if has_version else None,
        is_spare=has_version and build.result is Result.WITHDRAWN,
        detail="" if build.failure is None else build.failure.message,
        ended_at=build.phase_since,
    )
