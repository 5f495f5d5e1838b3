"""A refused change of `latest` outside a build: each try counts, the wait grows, and it may be the probe."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import latest_refusals
from pipeline_core.domain import platform_breaker as breakers
from pipeline_core.domain.platform_breaker import BuildPlace, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall
from tests.unit.domain.factories import NOW
from tests.unit.domain.hits import MINUTE, NEW, hit_of
from tests.unit.domain.test_platform_breaker import PLACE

OTHER = replace(PLACE, image=hit_of("web").image)


def _refused(*minutes: int, breaker: PlatformBreaker = NEW, place: BuildPlace = PLACE) -> PlatformBreaker:
    for each in minutes:
        hit = latest_refusals.hit_of(hit_of().build, place, NOW + each * MINUTE)
        breaker = latest_refusals.refuse(breaker, hit, "403")
    return breaker


def test_three_tries_in_a_row_open_it_and_hold_back_no_start() -> None:
    assert not _refused(0, 1).is_open
    opened = _refused(0, 1, 2)
    assert (opened.is_of_latest, opened.call, opened.holds_all) == (True, PlatformCall.PUBLISH, False)
    assert opened.describe().endswith("`latest` of its images is tried again until it is accepted")


def test_a_try_is_the_probe_where_no_build_has_probed_for_long() -> None:
    opened = _refused(0, 1, 2)
    assert _refused(10, breaker=opened).next_probe == opened.next_probe
    later = _refused(30, breaker=opened)
    assert (later.failed_probes, later.next_probe) == (1, NOW + 32 * MINUTE)
    assert not breakers.is_abandoned(_refused(*range(30, 600, 30), breaker=opened), NOW + 600 * MINUTE)


def test_a_build_that_probes_is_left_to_it() -> None:
    opened = breakers.begin_probe(_refused(0, 1, 2), hit_of(number=5).build, NOW + 3 * MINUTE)
    assert _refused(40, breaker=opened).probe == opened.probe


@pytest.mark.parametrize(("minutes", "wait"), [(0, 1), (2, 1), (40, 10), (1000, 30)])
def test_the_wait_grows_with_the_outage(minutes: int, wait: int) -> None:
    opened = replace(NEW, opened_at=NOW)
    assert latest_refusals.until_try(opened, NOW + minutes * MINUTE) == wait * MINUTE
    assert latest_refusals.until_try(NEW, NOW) == timedelta(minutes=1)


def test_an_accepted_change_answers_for_its_image_and_never_for_builds() -> None:
    opened = _refused(0, 1, 2)
    assert latest_refusals.is_answered(opened, PLACE)
    assert not latest_refusals.is_answered(opened, OTHER)
    assert not latest_refusals.is_answered(_refused(0), PLACE)
    mixed = breakers.strike(
        opened, replace(hit_of(at=NOW + 3 * MINUTE), call=PlatformCall.PUBLISH), "403", of_call=True
    )
    assert not latest_refusals.is_answered(mixed, PLACE)
