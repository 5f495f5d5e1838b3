"""The life of a build and of the claim on its input."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import builds, claims
from pipeline_core.domain.builds import Failure, Phase, Result
from pipeline_core.domain.claims import COOL_DOWN, ClaimAnswer, Outcome
from pipeline_core.domain.errors import ErrorClass, Owner, UnlistedTransition
from pipeline_core.domain.names import build_id
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make

LISTED = {
    (Phase.PENDING, Phase.BUILDING),
    (Phase.BUILDING, Phase.BUILDING),
    (Phase.BUILDING, Phase.VERIFYING),
    (Phase.VERIFYING, Phase.VERIFYING),
    (Phase.VERIFYING, Phase.PUBLISHING),
    (Phase.PUBLISHING, Phase.PUBLISHING),
}
ENDS = {
    (Phase.PENDING, Result.CANCELLED),
    (Phase.PENDING, Result.SUPERSEDED),
    (Phase.PENDING, Result.WITHDRAWN),
    (Phase.BUILDING, Result.FAILED),
    (Phase.BUILDING, Result.CANCELLED),
    (Phase.BUILDING, Result.WITHDRAWN),
    (Phase.VERIFYING, Result.FAILED),
    (Phase.VERIFYING, Result.CANCELLED),
    (Phase.VERIFYING, Result.WITHDRAWN),
    (Phase.PUBLISHING, Result.SUCCEEDED),
    (Phase.PUBLISHING, Result.FAILED),
    (Phase.PUBLISHING, Result.CANCELLED),
    (Phase.PUBLISHING, Result.WITHDRAWN),
}
LATER = make.NOW + timedelta(minutes=1)


@pytest.mark.parametrize("before", list(Phase))
@pytest.mark.parametrize("after", list(Phase))
def test_a_move_is_listed_or_raises(before: Phase, after: Phase) -> None:
    build = make.build(before, attempt=2)
    if (before, after) not in LISTED:
        with pytest.raises(UnlistedTransition):
            builds.move(build, after, LATER)
        return
    moved = builds.move(build, after, LATER)
    assert (moved.phase, moved.seq, moved.phase_since) == (after, build.seq + 1, LATER)
    assert moved.attempt == (3 if before is after else 1)


def test_a_wait_moves_nothing_and_every_transition_ends_it() -> None:
    build = make.build(Phase.BUILDING)
    waiting = builds.wait_until(build, LATER)
    assert waiting == replace(build, not_before=LATER)
    failure = Failure(error_class=ErrorClass.NETWORK, message="no answer")
    after = [
        builds.move(waiting, Phase.VERIFYING, LATER),
        builds.give_up(waiting, failure),
        builds.finish(waiting, Result.FAILED, LATER, failure=failure),
    ]
    assert [each.not_before for each in after] == [None] * 3


@pytest.mark.parametrize("before", list(Phase))
@pytest.mark.parametrize("result", list(Result))
def test_an_end_is_listed_or_raises(before: Phase, result: Result) -> None:
    build = make.build(before)
    if (before, result) not in ENDS:
        with pytest.raises(UnlistedTransition):
            builds.finish(build, result, LATER)
        return
    ended = builds.finish(build, result, LATER)
    assert ended.is_finished
    assert not ended.announce  # the index says it
    assert (ended.result, ended.seq) == (result, build.seq + 1)


@pytest.mark.parametrize("before", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_only_a_build_that_proved_its_version_leaves_one_when_it_is_withdrawn(before: Phase) -> None:
    build = make.build(before, version=GalleryVersion(9, 20261121, 1))
    ended = builds.finish(build, Result.WITHDRAWN, LATER)
    claim = claims.settle(make.claim_on(build.inputs, Outcome.IN_FLIGHT), ended)
    is_spare = before is Phase.PUBLISHING
    assert (ended.version, claim.version) == ((build.version,) * 2 if is_spare else (None, None))
    assert (claim.is_spare, claim.outcome is Outcome.SUCCEEDED) == (is_spare, is_spare)
    assert builds.finish(make.build(Phase.BUILDING, version=build.version), Result.FAILED, LATER).version


@pytest.mark.parametrize(
    ("phase", "has_container"),
    [(Phase.PENDING, False), (Phase.BUILDING, True), (Phase.VERIFYING, True), (Phase.PUBLISHING, False)],
)
def test_only_building_and_verifying_hold_a_slot(phase: Phase, has_container: bool) -> None:
    assert phase.has_container is has_container


def test_the_builder_has_its_own_words_for_phases() -> None:
    assert (Phase.BUILDING.stage, Phase.VERIFYING.stage) == ("build", "verify")


INPUTS = make.desired(make.BASE, make.world(make.head()))


@pytest.mark.parametrize(
    ("outcome", "minutes_ago", "answer"),
    [
        (None, 0, ClaimAnswer.BUILD),
        (Outcome.IN_FLIGHT, 0, ClaimAnswer.JOIN),
        (Outcome.SUCCEEDED, 0, ClaimAnswer.REUSE),
        (Outcome.PRUNED, 0, ClaimAnswer.BUILD),
        (Outcome.SUPERSEDED, 0, ClaimAnswer.BUILD),
        (Outcome.EXHAUSTED, 29, ClaimAnswer.COOL_DOWN),
        (Outcome.EXHAUSTED, 30, ClaimAnswer.BUILD),
        (Outcome.FAILED, 9999, ClaimAnswer.BLOCKED),
        (Outcome.CANCELLED, 9999, ClaimAnswer.BLOCKED),
        (Outcome.WITHHELD, 9999, ClaimAnswer.BLOCKED),
    ],
)
def test_a_claim_answers_by_how_its_build_ended(
    outcome: Outcome | None, minutes_ago: int, answer: ClaimAnswer
) -> None:
    ended_at = make.NOW - timedelta(minutes=minutes_ago)
    claim = None if outcome is None else make.claim_on(INPUTS, outcome, ended_at=ended_at)
    assert claims.read_claim(claim, make.NOW) is answer


@pytest.mark.parametrize(
    ("outcome", "refused_by", "now_asked", "answer"),
    [
        (Outcome.FAILED, "a", "b", ClaimAnswer.BUILD),
        (Outcome.FAILED, "a", "a", ClaimAnswer.BLOCKED),
        (Outcome.FAILED, "", "b", ClaimAnswer.BLOCKED),
        (Outcome.FAILED, "a", "", ClaimAnswer.BLOCKED),
        (Outcome.CANCELLED, "a", "b", ClaimAnswer.BLOCKED),
    ],
)
def test_what_a_gate_refused_may_try_again_when_something_else_is_asked(
    outcome: Outcome, refused_by: str, now_asked: str, answer: ClaimAnswer
) -> None:
    claim = replace(make.claim_on(INPUTS, outcome), gates=refused_by)
    assert claims.read_claim(claim, make.NOW, now_asked) is answer


def test_an_exhausted_claim_without_a_time_may_be_renewed() -> None:
    assert timedelta(0) < COOL_DOWN
    assert claims.read_claim(make.claim_on(INPUTS, Outcome.EXHAUSTED), make.NOW) is ClaimAnswer.BUILD


@pytest.mark.parametrize(
    ("phase", "result", "error_class", "outcome"),
    [
        (Phase.PUBLISHING, Result.SUCCEEDED, None, Outcome.SUCCEEDED),
        (Phase.BUILDING, Result.CANCELLED, None, Outcome.CANCELLED),
        (Phase.PENDING, Result.SUPERSEDED, None, Outcome.SUPERSEDED),
        (Phase.BUILDING, Result.FAILED, ErrorClass.EVICTION, Outcome.EXHAUSTED),
        (Phase.BUILDING, Result.FAILED, ErrorClass.PROVISIONER, Outcome.FAILED),
        (Phase.BUILDING, Result.FAILED, None, Outcome.FAILED),
    ],
)
def test_a_claim_is_settled_by_its_build(
    phase: Phase, result: Result, error_class: ErrorClass | None, outcome: Outcome
) -> None:
    failure = None if error_class is None else Failure(error_class=error_class, message="why")
    ended = builds.finish(make.build(phase), result, LATER, failure=failure)
    settled = claims.settle(make.claim_on(INPUTS, Outcome.IN_FLIGHT), ended)
    assert settled.outcome is outcome
    assert settled.ended_at == LATER
    assert settled.version == (GalleryVersion(9, 20261121, 1) if result is Result.SUCCEEDED else None)
    assert settled.detail == ("why" if failure else "")


@pytest.mark.parametrize(("passed", "kept"), [(False, "asked"), (True, "")])
def test_a_claim_remembers_what_was_asked_only_where_a_gate_refused(passed: bool, kept: str) -> None:
    failure = Failure(error_class=ErrorClass.COMPLIANCE, message="why")
    judged = replace(
        make.build(Phase.VERIFYING), verdicts=(Verdict(gate="compliance", passed=passed, evidence="e"),)
    )
    ended = builds.finish(judged, Result.FAILED, LATER, failure=failure)
    begun = replace(make.claim_on(INPUTS, Outcome.IN_FLIGHT), gates="asked")
    assert claims.settle(begun, ended).gates == kept


def test_a_running_build_settles_no_claim() -> None:
    with pytest.raises(ValueError, match="cannot be settled"):
        claims.settle(make.claim_on(INPUTS, Outcome.IN_FLIGHT), make.build(Phase.BUILDING))


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("another build", {"build": build_id(make.BASE, make.build().fingerprint, 2)}),
        ("a build that runs", {"phase": Phase.BUILDING}),
        ("a build without a result", {"result": None}),
    ],
)
def test_a_claim_is_settled_by_no_other_build_and_by_none_that_runs(
    case: str, changes: dict[str, object]
) -> None:
    """Each of the three alone is enough: the others are as they must be."""
    ended = builds.finish(make.build(Phase.BUILDING), Result.FAILED, LATER)
    claim = make.claim_on(INPUTS, Outcome.IN_FLIGHT)
    if "build" in changes:
        claim = replace(claim, **changes)  # type: ignore[arg-type]  # the cases name the fields they change
    else:
        ended = replace(ended, **changes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be settled"):
        claims.settle(claim, ended)
    assert case


@pytest.mark.parametrize("error_class", list(ErrorClass))
@pytest.mark.parametrize("owner", [None, *Owner])
def test_only_a_permanent_failure_of_the_team_blocks(error_class: ErrorClass, owner: Owner | None) -> None:
    failure = Failure(error_class=error_class, message="why", owner=owner)
    ended = builds.finish(make.build(Phase.BUILDING), Result.FAILED, LATER, failure=failure)
    settled = claims.settle(make.claim_on(INPUTS, Outcome.IN_FLIGHT), ended)
    blocks = (owner or error_class.owner) is Owner.TEAM and not error_class.is_transient
    assert settled.outcome is (Outcome.FAILED if blocks else Outcome.EXHAUSTED)


def test_other_limits_let_a_failed_input_try_again() -> None:
    failure = Failure(error_class=ErrorClass.PROVISIONER, message="out of time")
    begun = replace(make.claim_on(INPUTS, Outcome.IN_FLIGHT), limits="60m")
    failed = claims.settle(
        begun, builds.finish(make.build(Phase.BUILDING), Result.FAILED, LATER, failure=failure)
    )
    assert failed.limits == "60m"
    assert claims.read_claim(failed, LATER, limits="60m") is ClaimAnswer.BLOCKED
    assert claims.read_claim(failed, LATER) is ClaimAnswer.BLOCKED
    assert claims.read_claim(failed, LATER, limits="120m") is ClaimAnswer.BUILD
    assert claims.read_claim(replace(failed, limits=""), LATER, limits="120m") is ClaimAnswer.BLOCKED
    cancelled = builds.finish(make.build(Phase.BUILDING), Result.CANCELLED, LATER)
    assert claims.settle(begun, cancelled).limits == ""


def test_other_demands_let_an_input_try_again_whose_version_failed() -> None:
    failure = Failure(error_class=ErrorClass.SMOKE, message="did not boot")
    built = make.build(Phase.VERIFYING, build_result=make.digest("a"))
    begun = replace(make.claim_on(INPUTS, Outcome.IN_FLIGHT), gates="asked")
    failed = claims.settle(begun, builds.finish(built, Result.FAILED, LATER, failure=failure))
    assert claims.read_claim(failed, LATER, gates="other") is ClaimAnswer.BUILD


def test_a_waiver_lets_an_input_try_again_that_a_gate_or_the_check_of_the_build_stage_refused() -> None:
    failure = Failure(error_class=ErrorClass.HYGIENE, message="/opt/test.pem: a private key [private-key]")
    begun = replace(make.claim_on(INPUTS, Outcome.IN_FLIGHT), gates="asked", grants=1)
    for build in (make.build(Phase.BUILDING), make.build(Phase.VERIFYING, build_result=make.digest("a"))):
        failed = claims.settle(begun, builds.finish(build, Result.FAILED, LATER, failure=failure))
        assert claims.read_claim(failed, LATER, gates="asked", grants=1) is ClaimAnswer.BLOCKED
        assert claims.read_claim(failed, LATER, gates="asked", grants=2) is ClaimAnswer.BUILD
    other = Failure(error_class=ErrorClass.PROVISIONER, message="install.sh failed")
    failed = claims.settle(
        begun, builds.finish(make.build(Phase.BUILDING), Result.FAILED, LATER, failure=other)
    )
    assert claims.read_claim(failed, LATER, gates="asked", grants=2) is ClaimAnswer.BLOCKED


def test_a_build_waits_since_the_one_that_it_replaced() -> None:
    build = make.build(created_at=LATER)
    assert build.queued_at == LATER
    assert replace(build, waits_since=make.NOW).queued_at == make.NOW
