"""The probes of the platform breaker, and its alerts: one for each outage, whatever a probe shows by mistake."""

from dataclasses import replace

import pytest

from pipeline_core.domain import platform_breaker as breakers
from pipeline_core.domain.builds import Failure, Phase
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.platform_breaker import BreakerProbe
from pipeline_core.domain.platform_call import PlatformCall
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW
from tests.unit.domain.hits import MINUTE, WIDE, hit_of, struck_by


def test_a_breaker_that_opens_again_soon_raises_no_second_alert() -> None:
    closed = breakers.close(WIDE, NOW + MINUTE)
    soon = struck_by(
        hit_of(at=NOW + 20 * MINUTE), hit_of("web", team="shop", at=NOW + 20 * MINUTE), breaker=closed
    )
    late = struck_by(
        hit_of(at=NOW + 90 * MINUTE), hit_of("web", team="shop", at=NOW + 90 * MINUTE), breaker=closed
    )
    assert (soon.is_open, soon.announce, soon.alarmed_at) == (True, False, NOW)
    assert (late.is_open, late.announce, late.alarmed_at) == (True, True, NOW + 90 * MINUTE)


@pytest.mark.parametrize(
    ("case", "closed", "opens", "is_loud"),
    [
        ("long after the alert, soon after the end", 300, 320, False),
        ("just within an hour of the end", 300, 359, False),
        ("an hour after the end", 300, 360, True),
        ("the end came with the alert", 0, 60, True),
    ],
)
def test_the_hour_counts_from_the_end_that_was_believed(
    case: str, closed: int, opens: int, is_loud: bool
) -> None:
    again, at = breakers.close(WIDE, NOW + closed * MINUTE), NOW + opens * MINUTE
    told = replace(again, announce=False)
    opened = struck_by(hit_of(at=at), hit_of("web", team="shop", at=at), breaker=told)
    assert (opened.is_open, opened.announce) == (True, is_loud), case
    assert opened.alarmed_at == (at if is_loud else NOW), case


def test_one_that_opens_again_and_again_in_one_outage_raises_one_alert() -> None:
    breaker, at = replace(WIDE, announce=False), NOW
    for _ in range(6):
        breaker = breakers.close(breaker, at + 30 * MINUTE)
        at += 80 * MINUTE
        breaker = struck_by(hit_of(at=at), hit_of("web", team="shop", at=at), breaker=breaker)
        assert (breaker.is_open, breaker.announce, breaker.alarmed_at) == (True, False, NOW)


def test_probes_go_one_at_a_time_and_at_growing_intervals() -> None:
    assert not breakers.is_due(WIDE, NOW)
    breaker, now, waits = WIDE, NOW + MINUTE, []
    for number in range(8):
        assert breakers.is_due(breaker, now)
        breaker = breakers.begin_probe(breaker, BuildId(f"app.{'a' * 12}.{number + 1}"), now)
        assert not breakers.is_due(breaker, now + 44 * MINUTE)
        breaker = struck_by(hit_of(number=number + 1, at=now), breaker=breaker)
        assert breaker.probe is None
        assert breaker.next_probe is not None
        waits.append((breaker.next_probe - now) // MINUTE)
        now = breaker.next_probe
    assert waits == [2, 4, 8, 16, 30, 30, 30, 30]


def test_a_probe_that_is_lost_is_followed_by_another() -> None:
    probing = breakers.begin_probe(WIDE, BuildId(f"app.{'a' * 12}.1"), NOW)
    assert breakers.is_due(probing, NOW + 45 * MINUTE)


def test_the_attempt_that_had_failed_before_is_not_the_probes_failure() -> None:
    probing = breakers.begin_probe(WIDE, hit_of().build, NOW, spent="building-1")
    again = struck_by(hit_of(at=NOW + MINUTE), breaker=probing)
    assert (again.failed_probes, again.hits, again.next_probe) == (0, probing.hits, probing.next_probe)
    probe = BreakerProbe(build=hit_of().build, since=NOW, spent="building-1", call=PlatformCall.BUILD)
    assert again.probe == probe, "it shows something only where it is past the call that had stopped it"
    assert struck_by(hit_of(at=NOW + 2 * MINUTE), breaker=again) is again, "that is known"
    assert struck_by(hit_of(at=NOW + MINUTE), breaker=probing, of_call=True).failed_probes == 1
    assert struck_by(hit_of(attempt="building-2", at=NOW + MINUTE), breaker=probing).failed_probes == 1


@pytest.mark.parametrize(
    ("reached", "error_class", "passed"),
    [
        (PlatformCall.BEGIN, None, False),
        (PlatformCall.BUILD, None, False),
        (PlatformCall.VERIFY_PREPARE, None, True),
        (PlatformCall.DONE, None, True),
        (PlatformCall.BUILD, ErrorClass.PROVISIONER, True),
        (PlatformCall.BEGIN, ErrorClass.PROVISIONER, False),
        (PlatformCall.BUILD, ErrorClass.NETWORK, False),
        (PlatformCall.VERIFY, ErrorClass.NETWORK, True),
    ],
)
def test_a_probe_passes_when_it_is_past_the_call_that_failed(
    reached: PlatformCall, error_class: ErrorClass | None, passed: bool
) -> None:
    failure = None if error_class is None else Failure(error_class=error_class, message="x")
    assert breakers.has_passed(WIDE, make.build(Phase.BUILDING, failure=failure), reached) is passed


@pytest.mark.parametrize(
    ("reached", "error_class", "passed"),
    [
        (PlatformCall.VERIFY_PREPARE, None, False),
        (PlatformCall.VERIFY_BEGIN, None, False),
        (PlatformCall.VERIFY, None, False),
        (PlatformCall.VERIFY_PREPARE, ErrorClass.SMOKE, False),
        (PlatformCall.VERIFY, ErrorClass.SMOKE, True),
        (PlatformCall.PUBLISH, None, True),
    ],
)
def test_a_probe_from_behind_the_call_passes_only_where_it_was_stopped_itself(
    reached: PlatformCall, error_class: ErrorClass | None, passed: bool
) -> None:
    """Builds fail in both stages. The last failure was one of `building`, and a build that verifies probes."""
    at, build = NOW + MINUTE, make.build(Phase.VERIFYING)
    probing = breakers.begin_probe(WIDE, hit_of().build, at, spent="verifying-1", phase=Phase.VERIFYING)
    assert not breakers.has_passed(probing, build, PlatformCall.VERIFY_PREPARE), "no call was made yet"
    spent = hit_of(attempt="verifying-1", at=at, call=PlatformCall.VERIFY)
    probing = struck_by(spent, breaker=probing)
    failure = None if error_class is None else Failure(error_class=error_class, message="x")
    assert breakers.has_passed(probing, replace(build, failure=failure), reached) is passed
