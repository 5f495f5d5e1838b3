"""The platform breaker: what opens it, whom it holds back, and when it is over."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline_core.domain import platform_breaker as breakers
from pipeline_core.domain.builds import Build, Failure, Phase
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, ScopeKind
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.platform_breaker import BreakerHit, BuildPlace, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall, call_of
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW
from tests.unit.domain.hits import MINUTE, NEW, REGION, WIDE, hit_of, struck_by

HOUR = timedelta(hours=1)
SIZE = ErrorScope(kind=ScopeKind.SIZE, name="Standard_D2s_v5")
SOURCE = ErrorScope(kind=ScopeKind.SOURCE, name="redhat:rhel:9")
HOST = ErrorScope(kind=ScopeKind.ENDPOINT, name="rhui.example.com")
PLACE = BuildPlace(
    image=ImageName("app"),
    team=TeamName("payments"),
    root=ImageName("base"),
    source="redhat:rhel:9",
    size="Standard_D2s_v5",
)


@pytest.mark.parametrize(
    ("case", "hits", "is_open", "is_wide"),
    [
        ("one failure", [hit_of()], False, False),
        ("two teams", [hit_of(), hit_of("web", team="shop")], True, True),
        ("two roots", [hit_of(), hit_of("web", root="other")], True, True),
        ("two images of one team and root", [hit_of(), hit_of("web")], False, False),
        ("three images of one team and root", [hit_of(), hit_of("web"), hit_of("job")], True, True),
        (
            "two teams, too far apart",
            [hit_of(), hit_of("web", team="shop", at=NOW + 10 * MINUTE)],
            False,
            False,
        ),
        ("two teams, just within", [hit_of(), hit_of("web", team="shop", at=NOW + 9 * MINUTE)], True, True),
        ("one image twice", [hit_of(), hit_of(attempt="building-2")], False, False),
        ("one image in a row", [hit_of(), hit_of(attempt="building-2"), hit_of(number=2)], True, False),
        ("one image, the same attempt again", [hit_of(), hit_of(), hit_of()], False, False),
        (
            "one image, too long ago",
            [hit_of(), hit_of(number=2), hit_of(number=3, at=NOW + timedelta(hours=7))],
            False,
            False,
        ),
    ],
)
def test_what_opens_it(case: str, hits: list[BreakerHit], is_open: bool, is_wide: bool) -> None:
    struck = struck_by(*hits)
    assert (struck.is_open, struck.is_wide) == (is_open, is_wide), case
    if is_open:
        last = hits[-1]
        assert (struck.opened_at, struck.alarmed_at, struck.opened_by) == (last.at, last.at, last.build)
        assert (struck.announce, struck.is_drained, struck.next_probe) == (True, False, last.at + MINUTE)


def _slow(**changes: Any) -> list[BreakerHit]:
    """Three images of one team and root that fail in a slow line, too far apart for the window."""
    return [
        hit_of(name, at=NOW + number * HOUR, **changes) for number, name in enumerate(("app", "web", "job"))
    ]


def _built(failure: Failure | None = None) -> Build:
    return make.build(Phase.VERIFYING, phase_since=NOW, failure=failure)


@pytest.mark.parametrize(
    ("call", "is_open"),
    [
        (PlatformCall.PREPARE, False),
        (PlatformCall.BEGIN, False),
        (PlatformCall.BUILD, True),
        (PlatformCall.VERIFY_PREPARE, True),
        (PlatformCall.VERIFY_BEGIN, True),
        (PlatformCall.VERIFY, True),
        (PlatformCall.PUBLISH, False),
    ],
)
def test_three_images_that_fail_without_a_success_open_it_however_slowly(
    call: PlatformCall, is_open: bool
) -> None:
    struck = struck_by(*_slow(call=call))
    assert (struck.is_open, struck.is_wide) == (is_open, is_open)


def test_a_slow_run_is_of_several_images_and_of_the_last_hours() -> None:
    first, second, third = _slow()
    assert not struck_by(first, second, replace(second, attempt="building-2")).is_open
    assert not struck_by(first, second, replace(third, at=NOW + 6 * HOUR)).is_open


@pytest.mark.parametrize(
    ("case", "reached", "error_class", "is_open"),
    [
        ("past the call", PlatformCall.VERIFY_PREPARE, None, False),
        ("published", PlatformCall.DONE, None, False),
        ("only at the call", PlatformCall.BUILD, None, True),
        ("its own step failed there", PlatformCall.BUILD, ErrorClass.PROVISIONER, False),
        ("the platform failed there", PlatformCall.BUILD, ErrorClass.NETWORK, True),
        ("its own failure before the call", PlatformCall.PREPARE, ErrorClass.TEMPLATE, True),
    ],
)
def test_a_build_past_the_call_ends_a_slow_run(
    case: str, reached: PlatformCall, error_class: ErrorClass | None, is_open: bool
) -> None:
    first, second, third = _slow()
    build = _built(None if error_class is None else Failure(error_class=error_class, message="x"))
    noted = breakers.note_success(struck_by(first, second), build, reached)
    assert struck_by(third, breaker=noted).is_open is is_open, case
    assert breakers.note_success(noted, build, reached) is noted, "said twice"


def test_a_success_ends_no_run_of_a_later_call_and_no_row_of_one_image() -> None:
    noted = breakers.note_success(
        struck_by(*_slow(call=PlatformCall.VERIFY)[:2]), _built(), PlatformCall.VERIFY
    )
    assert struck_by(_slow(call=PlatformCall.VERIFY)[2], breaker=noted).is_open
    row = breakers.note_success(struck_by(hit_of(), hit_of(number=2)), _built(), PlatformCall.DONE)
    assert struck_by(hit_of(number=3), breaker=row).is_open


def test_a_success_says_nothing_to_a_breaker_that_asks_its_probes() -> None:
    assert breakers.note_success(WIDE, _built(), PlatformCall.DONE) is WIDE
    narrow = struck_by(hit_of(), hit_of(attempt="building-2"), hit_of(number=2))
    assert all(hit.is_passed for hit in breakers.note_success(narrow, _built(), PlatformCall.DONE).hits)


def test_a_success_counts_in_its_scope_alone() -> None:
    sized = replace(NEW, scope=SIZE)
    assert breakers.is_in_scope(sized, PLACE)
    assert not breakers.is_in_scope(sized, replace(PLACE, size="Standard_D4s_v5"))
    assert breakers.is_in_scope(NEW, replace(PLACE, size="Standard_D4s_v5"))


def test_a_failure_that_says_nothing_new_changes_nothing() -> None:
    assert struck_by(hit_of("third"), breaker=WIDE) is WIDE
    once = struck_by(hit_of())
    assert struck_by(hit_of(), breaker=once) is once


def test_it_grows_from_one_image_to_its_scope() -> None:
    narrow = struck_by(hit_of(), hit_of(attempt="building-2"), hit_of(number=2))
    wide = struck_by(hit_of("web", team="shop", at=NOW + MINUTE), breaker=narrow)
    assert (wide.is_wide, wide.opened_at, wide.alarmed_at) == (True, NOW, NOW)


def test_it_keeps_few_failures() -> None:
    many = [hit_of(f"image-{number}", at=NOW + number * 20 * MINUTE) for number in range(30)]
    assert len(struck_by(*many).hits) <= 16


@pytest.mark.parametrize(
    ("phase", "has_group", "has_begun", "call"),
    [
        (Phase.PENDING, False, False, PlatformCall.PREPARE),
        (Phase.BUILDING, False, False, PlatformCall.PREPARE),
        (Phase.BUILDING, True, False, PlatformCall.BEGIN),
        (Phase.BUILDING, True, True, PlatformCall.BUILD),
        (Phase.VERIFYING, False, False, PlatformCall.VERIFY_PREPARE),
        (Phase.VERIFYING, True, False, PlatformCall.VERIFY_BEGIN),
        (Phase.VERIFYING, False, True, PlatformCall.VERIFY),
        (Phase.PUBLISHING, True, True, PlatformCall.PUBLISH),
        (Phase.FINISHED, False, False, PlatformCall.DONE),
    ],
)
def test_the_call_at_which_a_build_is(
    phase: Phase, has_group: bool, has_begun: bool, call: PlatformCall
) -> None:
    assert call_of(phase, has_group=has_group, has_begun=has_begun) is call


@pytest.mark.parametrize("error_class", list(ErrorClass))
@pytest.mark.parametrize("owner", [None, *Owner])
def test_no_failure_of_a_team_and_no_lack_counts(error_class: ErrorClass, owner: Owner | None) -> None:
    failure = Failure(error_class=error_class, message="x", owner=owner)
    is_team = (owner or error_class.owner) is Owner.TEAM
    is_lack = error_class in (ErrorClass.CAPACITY, ErrorClass.QUOTA)
    assert breakers.counts(failure) == (not is_team and not is_lack)


@pytest.mark.parametrize(
    ("failure", "scope"),
    [
        (Failure(error_class=ErrorClass.NETWORK, message="x"), REGION),
        (Failure(error_class=ErrorClass.NETWORK, message="x", scope=HOST), HOST),
        (Failure(error_class=ErrorClass.TERMS, message="x"), SOURCE),
        (Failure(error_class=ErrorClass.NOT_FOUND, message="x"), SOURCE),
        (
            Failure(error_class=ErrorClass.MIRROR, message="x"),
            ErrorScope(kind=ScopeKind.ENDPOINT, name="unnamed"),
        ),
    ],
)
def test_where_a_failure_holds(failure: Failure, scope: ErrorScope) -> None:
    assert breakers.scope_of(failure, PLACE, REGION) == scope


def test_each_class_and_scope_has_a_key_of_its_own() -> None:
    keys = {breakers.key_of(each, scope) for each in ErrorClass for scope in (REGION, SIZE, SOURCE, HOST)}
    assert len(keys) == 4 * len(ErrorClass)
    assert all(len(key) == 16 and key.isalnum() for key in keys)
    assert NEW.key == breakers.key_of(ErrorClass.UNKNOWN, REGION)


@pytest.mark.parametrize(
    ("case", "error_class", "scope", "changes", "covered"),
    [
        ("a region", ErrorClass.UNKNOWN, REGION, {}, True),
        ("a registry", ErrorClass.REGISTRY, HOST, {}, True),
        ("its machine size", ErrorClass.UNKNOWN, SIZE, {}, True),
        ("another machine size", ErrorClass.UNKNOWN, SIZE, {"size": "Standard_D4s_v5"}, False),
        ("its source", ErrorClass.TERMS, SOURCE, {}, True),
        ("another source", ErrorClass.TERMS, SOURCE, {"source": "redhat:rhel:10"}, False),
        ("a mirror of its root", ErrorClass.MIRROR, HOST, {}, True),
        ("a mirror of other roots", ErrorClass.MIRROR, HOST, {"root": ImageName("other")}, False),
    ],
)
def test_whom_a_wide_one_covers(
    case: str, error_class: ErrorClass, scope: ErrorScope, changes: dict[str, object], covered: bool
) -> None:
    wide = replace(WIDE, error_class=error_class, scope=scope)
    place = replace(PLACE, **changes)  # type: ignore[arg-type]  # the cases name the fields they change
    assert breakers.covers(wide, place) is covered, case
    assert breakers.holds(wide, place) is covered
    assert not breakers.covers(replace(wide, opened_at=None), place)


def test_a_narrow_one_covers_its_image_alone() -> None:
    narrow = struck_by(hit_of(), hit_of(attempt="building-2"), hit_of(number=2))
    assert breakers.covers(narrow, PLACE)
    assert not breakers.covers(narrow, replace(PLACE, image=ImageName("web")))
    assert not narrow.holds_all


def test_only_a_wide_one_of_the_whole_factory_holds_everything() -> None:
    assert WIDE.holds_all
    assert not replace(WIDE, opened_at=None).holds_all
    assert not replace(WIDE, scope=SIZE).holds_all
    assert not replace(WIDE, error_class=ErrorClass.MIRROR, scope=HOST).holds_all


def test_a_failed_publication_holds_back_no_build_that_starts() -> None:
    publishing = replace(WIDE, call=PlatformCall.PUBLISH)
    assert breakers.covers(publishing, PLACE)
    assert not breakers.holds(publishing, PLACE)
    assert not publishing.holds_all


def test_a_closed_one_is_as_new_and_remembers_when() -> None:
    probing = breakers.begin_probe(WIDE, hit_of().build, NOW)
    closed = breakers.close(probing, NOW + MINUTE)
    assert (closed.is_open, closed.hits, closed.probe, closed.is_drained) == (False, (), None, False)
    assert (closed.closed_at, closed.alarmed_at, closed.opened_by) == (NOW + MINUTE, NOW, WIDE.opened_by)
    assert not breakers.is_due(closed, NOW + timedelta(days=1))


def test_an_attempt_that_began_before_the_end_of_the_outage_is_excused() -> None:
    closed = breakers.close(WIDE, NOW + MINUTE)
    assert breakers.is_answered(closed, make.build(Phase.BUILDING, phase_since=NOW))
    assert not breakers.is_answered(closed, make.build(Phase.BUILDING, phase_since=NOW + 2 * MINUTE))
    assert not breakers.is_answered(WIDE, make.build(Phase.BUILDING, phase_since=NOW))
    assert not breakers.is_answered(NEW, make.build(Phase.BUILDING, phase_since=NOW))


def test_a_build_pauses_for_an_hour_at_most() -> None:
    build = make.build(Phase.BUILDING, phase_since=NOW + 50 * MINUTE, started_at=NOW - timedelta(hours=3))
    assert breakers.is_patient(WIDE, build, NOW + 59 * MINUTE)
    assert not breakers.is_patient(WIDE, build, NOW + 60 * MINUTE)
    assert breakers.is_patient(WIDE, replace(build, started_at=None), NOW + 100 * MINUTE)
    assert not breakers.is_patient(NEW, build, NOW)


def test_a_build_pauses_to_the_end_where_nobody_else_can_use_its_slot() -> None:
    later, building = NOW + timedelta(hours=5), make.build(Phase.BUILDING, phase_since=NOW, started_at=NOW)
    refused = replace(WIDE, call=PlatformCall.PREPARE)
    assert breakers.is_patient(refused, building, later), "no build of the factory can begin"
    assert not breakers.is_patient(replace(refused, is_wide=False), building, later)
    size = ErrorScope(kind=ScopeKind.SIZE, name="Standard_D2s_v5")
    assert not breakers.is_patient(replace(refused, scope=size), building, later)
    assert not breakers.is_patient(replace(WIDE, call=PlatformCall.BUILD), building, later)
    assert breakers.is_patient(
        replace(WIDE, call=PlatformCall.PUBLISH), make.build(Phase.PUBLISHING, phase_since=NOW), later
    )


def test_a_build_that_pauses_looks_less_often_the_longer_it_lasts() -> None:
    probed = replace(WIDE, next_probe=None)
    waits = [breakers.until_look(probed, NOW + minutes * MINUTE) for minutes in (0, 4, 40, 600)]
    assert waits == [2 * MINUTE, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE]
    due = replace(WIDE, next_probe=NOW + 41 * MINUTE)
    assert breakers.until_look(due, NOW + 40 * MINUTE) == MINUTE
    assert breakers.until_look(due, NOW + 50 * MINUTE) == timedelta(seconds=15)
    assert breakers.until_look(NEW, NOW) == 2 * MINUTE


def test_a_row_on_which_nothing_depends_is_over() -> None:
    later = NOW + timedelta(hours=6)
    assert not breakers.is_over(WIDE, later)
    closed = breakers.close(WIDE, NOW)
    assert not breakers.is_over(closed, later), "its builds are not looked at again yet"
    drained = replace(closed, is_drained=True)
    assert not breakers.is_over(drained, later - MINUTE)
    assert breakers.is_over(drained, later)
    assert breakers.is_over(struck_by(hit_of()), later)
    assert breakers.is_over(NEW, NOW)


def test_it_says_what_fails_where_since_when() -> None:
    assert WIDE.describe().startswith("unknown in region:westeurope since 2026-11-21 12:00 UTC: it failed; ")
    assert " since " not in NEW.describe()


def _publishing(breaker: PlatformBreaker = NEW) -> PlatformBreaker:
    hits = [hit_of(call=PlatformCall.PUBLISH), hit_of("web", team="shop", call=PlatformCall.PUBLISH)]
    return struck_by(*hits, breaker=breaker)


def test_starts_that_fail_while_only_publications_are_stopped_open_it_again_for_them() -> None:
    late, at = _publishing(), NOW + 5 * MINUTE
    late = breakers.begin_probe(late, hit_of().build, NOW + MINUTE)
    once = struck_by(hit_of("job", at=at), breaker=late)
    assert (once.call, once.opened_at, once.announce) == (PlatformCall.PUBLISH, NOW, True)
    assert once.probe is not None
    told = replace(once, announce=False)
    wide = struck_by(hit_of("api", team="shop", at=at, call=PlatformCall.PREPARE), breaker=told)
    assert (wide.call, wide.holds_all, wide.opened_at) == (PlatformCall.PREPARE, True, at)
    assert (wide.announce, wide.alarmed_at, wide.probe, wide.next_probe) == (True, at, None, at + MINUTE)


def test_an_image_whose_starts_fail_in_a_row_reopens_only_a_breaker_of_one_image() -> None:
    row = [hit_of(number=number, at=NOW + MINUTE) for number in (4, 5, 6)]
    assert struck_by(*row, breaker=_publishing()).call is PlatformCall.PUBLISH
    narrow = struck_by(*(hit_of(number=number, call=PlatformCall.PUBLISH) for number in (1, 2, 3)))
    assert (narrow.is_wide, narrow.call) == (False, PlatformCall.PUBLISH)
    struck = struck_by(*row, breaker=narrow)
    assert (struck.is_wide, struck.call) == (False, PlatformCall.BUILD)


def test_a_publication_that_fails_meanwhile_lets_no_build_start() -> None:
    narrow = struck_by(*(hit_of(number=number) for number in (1, 2, 3)))
    late = hit_of(number=4, call=PlatformCall.PUBLISH)
    assert struck_by(late, breaker=narrow).call is PlatformCall.BUILD
    probed = breakers.begin_probe(narrow, late.build, NOW)
    assert struck_by(late, breaker=probed).call is PlatformCall.PUBLISH


def test_a_build_behind_the_call_that_fails_is_no_probe_of_it() -> None:
    publishing, building = make.build(phase=Phase.PUBLISHING), make.build(phase=Phase.BUILDING)
    assert breakers.goes_on(WIDE, publishing)
    assert not breakers.goes_on(WIDE, building)
    assert not breakers.goes_on(_publishing(), publishing)


@pytest.mark.parametrize(
    ("case", "breaker", "after"),
    [
        ("starts are stopped", WIDE, timedelta(days=1, minutes=1)),
        ("publications are stopped", _publishing(), timedelta(hours=2, minutes=1)),
        (
            "its probe is lost",
            breakers.begin_probe(_publishing(), hit_of().build, NOW),
            timedelta(hours=2, minutes=45),
        ),
    ],
)
def test_one_that_no_build_probes_for_long_is_abandoned(
    case: str, breaker: PlatformBreaker, after: timedelta
) -> None:
    assert not breakers.is_abandoned(breaker, NOW + after - MINUTE), case
    assert breakers.is_abandoned(breaker, NOW + after), case
    assert not breakers.is_abandoned(breakers.close(breaker, NOW), NOW + after), case


@pytest.mark.parametrize(
    ("case", "breaker", "at", "has_work"),
    [
        ("open", WIDE, NOW, False),
        ("open and abandoned", WIDE, NOW + timedelta(days=2), True),
        ("just closed", breakers.close(WIDE, NOW), NOW, True),
        ("drained", replace(breakers.close(WIDE, NOW), is_drained=True), NOW + timedelta(hours=5), False),
        ("forgotten", replace(breakers.close(WIDE, NOW), is_drained=True), NOW + timedelta(hours=6), True),
    ],
)
def test_when_its_row_needs_the_dispatcher(
    case: str, breaker: PlatformBreaker, at: datetime, has_work: bool
) -> None:
    assert breakers.has_work(breaker, at) is has_work, case
