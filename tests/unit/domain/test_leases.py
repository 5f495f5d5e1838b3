"""When something that carries a build's tags may be removed: a truth table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import attempts, builds, leases
from pipeline_core.domain.builds import Build, CancelRequest, Phase, Result
from pipeline_core.domain.leases import Judgement
from tests.unit.domain import factories as make

NOW = make.NOW
OVER, RUNNING = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


def tags(
    until: datetime | str | None, *, stage: str | None = "build", attempt: str | None = "1"
) -> dict[str, str]:
    lease = f"{until:%Y-%m-%dT%H:%M:%SZ}" if isinstance(until, datetime) else until
    made = {
        attempts.BUILD_TAG: str(make.build().id),
        attempts.LEASE_TAG: lease,
        attempts.STAGE_TAG: stage,
        attempts.ATTEMPT_TAG: attempt,
    }
    return {name: value for name, value in made.items() if value is not None}


def finished(result: Result) -> Build:
    before = {Result.SUCCEEDED: Phase.PUBLISHING, Result.SUPERSEDED: Phase.PENDING}
    return builds.finish(make.build(before.get(result, Phase.BUILDING)), result, NOW)


BUILDING, VERIFYING, PUBLISHING = (
    make.build(phase, attempt=2) for phase in (Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING)
)
STOPPING = replace(BUILDING, cancel=CancelRequest(actor="admin", at=NOW, reason="no"))

TABLE: dict[str, tuple[dict[str, str], Build | None, Judgement]] = {
    "an unknown build, lease over": (tags(OVER), None, Judgement.UNCLAIMED),
    "an unknown build, lease running": (tags(RUNNING), None, Judgement.LEASED),
    "a succeeded build, lease running": (tags(RUNNING), finished(Result.SUCCEEDED), Judgement.ENDED),
    "a failed build, lease over": (tags(OVER), finished(Result.FAILED), Judgement.ENDED),
    "a cancelled build": (tags(RUNNING), finished(Result.CANCELLED), Judgement.ENDED),
    "a superseded build": (tags(RUNNING), finished(Result.SUPERSEDED), Judgement.ENDED),
    "a finished build without a stage": (
        tags(OVER, stage=None),
        finished(Result.FAILED),
        Judgement.ENDED,
    ),
    "a pending build": (tags(OVER), make.build(), Judgement.IN_USE),
    "the running attempt, lease long over": (tags(OVER, attempt="2"), BUILDING, Judgement.IN_USE),
    "the running attempt of a build that stops": (tags(OVER, attempt="2"), STOPPING, Judgement.IN_USE),
    "an attempt that is not begun yet": (tags(OVER, attempt="3"), BUILDING, Judgement.IN_USE),
    "an older attempt, lease over": (tags(OVER, attempt="1"), BUILDING, Judgement.REPLACED),
    "an older attempt, lease running": (tags(RUNNING, attempt="1"), BUILDING, Judgement.LEASED),
    "a verification before its time": (tags(OVER, stage="verify"), BUILDING, Judgement.IN_USE),
    "the verified version's own attempt": (
        tags(OVER, attempt="2"),
        replace(VERIFYING, build_attempt=2),
        Judgement.IN_USE,
    ),
    "an attempt before the verified version's": (
        tags(OVER, attempt="1"),
        replace(VERIFYING, build_attempt=2),
        Judgement.REPLACED,
    ),
    "the running verification": (tags(OVER, stage="verify", attempt="2"), VERIFYING, Judgement.IN_USE),
    "an older verification": (tags(OVER, stage="verify", attempt="1"), VERIFYING, Judgement.REPLACED),
    "the published version's own attempt": (tags(OVER, attempt="1"), PUBLISHING, Judgement.IN_USE),
    "an attempt before the published version's": (
        tags(OVER, attempt="1"),
        replace(PUBLISHING, build_attempt=2),
        Judgement.REPLACED,
    ),
    "a verification while publishing, lease over": (
        tags(OVER, stage="verify", attempt="9"),
        PUBLISHING,
        Judgement.REPLACED,
    ),
    "a verification while publishing, lease running": (
        tags(RUNNING, stage="verify"),
        PUBLISHING,
        Judgement.LEASED,
    ),
    "a running build without a stage": (tags(OVER, stage=None), BUILDING, Judgement.NO_ATTEMPT),
    "a running build, a strange stage": (tags(OVER, stage="publish"), BUILDING, Judgement.NO_ATTEMPT),
    "a running build without an attempt": (tags(OVER, attempt=None), BUILDING, Judgement.NO_ATTEMPT),
    "a running build, no number": (tags(OVER, attempt="-1"), BUILDING, Judgement.NO_ATTEMPT),
    "a running build, a foreign digit": (tags(OVER, attempt="²"), BUILDING, Judgement.NO_ATTEMPT),
    "no lease": (tags(None), finished(Result.FAILED), Judgement.NO_LEASE),
    "an empty lease": (tags(""), None, Judgement.NO_LEASE),
    "a lease that is not a time": (tags("tomorrow"), None, Judgement.NO_LEASE),
    "a lease without an offset": (tags("2026-11-01T10:00:00"), None, Judgement.NO_LEASE),
    "a lease that is a day": (tags("2026-11-01"), None, Judgement.NO_LEASE),
    "a lease with another offset": (tags("2026-11-21T13:30:00+02:00"), None, Judgement.UNCLAIMED),
    "a build tag of another form": (
        {attempts.BUILD_TAG: "b.1", attempts.LEASE_TAG: "2026-11-01T10:00:00Z"},
        None,
        Judgement.NO_BUILD_ID,
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_may_be_removed_and_why(case: str) -> None:
    given_tags, build, expected = TABLE[case]
    assert leases.judge(given_tags, build, NOW) is expected


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, False),
        ("tomorrow", False),
        (RUNNING, True),
        (NOW - leases.CLOCK_ERROR + timedelta(seconds=1), True),
        (NOW - leases.CLOCK_ERROR, False),
    ],
)
def test_a_lease_holds_until_it_is_over_by_a_late_clock_too(
    until: datetime | str | None, expected: bool
) -> None:
    assert leases.is_leased(tags(until), NOW) is expected


def test_removals_are_these_and_only_what_stays_for_ever_needs_a_person() -> None:
    removals = {each for each in Judgement if each.is_removal}
    assert removals == {Judgement.ENDED, Judgement.REPLACED, Judgement.UNCLAIMED}
    assert {each for each in Judgement if each.needs_person} == {Judgement.NO_LEASE, Judgement.NO_BUILD_ID}


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (leases.CLOCK_ERROR - timedelta(seconds=1), Judgement.LEASED),
        (leases.CLOCK_ERROR, Judgement.UNCLAIMED),
    ],
    ids=["a clock may be wrong", "by every clock"],
)
def test_a_lease_is_over_only_by_every_clock(later: timedelta, expected: Judgement) -> None:
    assert leases.judge(tags(NOW), None, NOW + later) is expected


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_lease_at_the_ends_of_time_is_compared_all_the_same(text: str) -> None:
    expected = Judgement.LEASED if text.startswith("9") else Judgement.UNCLAIMED
    assert leases.judge(tags(text), None, NOW) is expected


@given(
    until=some.datetimes(timezones=some.just(UTC)),
    stage=some.sampled_from(["build", "verify"]),
    attempt=some.integers(1, 4),
    phase=some.sampled_from([Phase.PENDING, Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING]),
    current=some.integers(1, 4),
    built=some.integers(1, 4),
    later=some.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_what_may_go_may_always_go_and_the_running_attempt_never_does(
    until: datetime,
    stage: str,
    attempt: int,
    phase: Phase,
    current: int,
    built: int,
    later: timedelta,
) -> None:
    build = make.build(phase, attempt=current, build_attempt=built)
    given_tags = {
        **tags(None, stage=stage, attempt=str(attempt)),
        attempts.LEASE_TAG: until.replace(microsecond=0).isoformat(),
    }
    now = leases.judge(given_tags, build, NOW)
    if now.is_removal:
        following = replace(build, attempt=current + 1)
        assert leases.judge(given_tags, following, NOW + later).is_removal
    is_running = phase.has_container and stage == phase.stage and attempt == current
    is_published = stage == "build" and phase in (Phase.VERIFYING, Phase.PUBLISHING) and attempt == built
    if is_running or is_published:
        assert now is Judgement.IN_USE
