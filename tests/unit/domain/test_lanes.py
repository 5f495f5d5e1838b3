"""Lanes: the most urgent change that a child has not seen yet, however many builds came after it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import lanes
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import DoNothing, RestReason, StartBuild, plan
from pipeline_core.domain.reasons import ChangeCount, Lane
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.staleness import Stale, World
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NEW, NOW, OLD

YESTERDAY = NOW - timedelta(days=1)  # when the factories' versions were published
COUNT = ChangeCount()


def _base(lane: Lane, changes: ChangeCount, at: datetime = NOW) -> ImageHead:
    base = make.settled_chain(newest=NEW)[0]
    moved = make.published(base, make.desired(BASE, make.world(base)), "9.20261121.1", lane)
    assert moved.current is not None
    return replace(moved, current=replace(moved.current, published_at=at), changes=changes)


def _lane(base: ImageHead, child: ImageHead) -> Lane:
    decision = plan(make.snapshot(CHILD, make.world(base, child)), NOW)
    assert isinstance(decision, StartBuild)
    assert decision.followed == base.changes
    return decision.lane


CASES = {
    "nothing but refreshes": ((), Lane.BACKGROUND),
    "a person's change": ((Lane.HUMAN,), Lane.HUMAN),
    "a fix below an edit": ((Lane.SECURITY, Lane.HUMAN), Lane.SECURITY),
    "a fix below many builds": ((Lane.SECURITY, *[Lane.HUMAN, Lane.BACKGROUND] * 40), Lane.SECURITY),
    "an edit below a refresh": ((Lane.HUMAN, Lane.BACKGROUND), Lane.HUMAN),
}


@pytest.mark.parametrize("case", CASES)
def test_a_child_takes_the_lane_of_the_most_urgent_change_that_it_has_not_seen(case: str) -> None:
    came, lane = CASES[case]
    changes = COUNT
    for each in came:
        changes = changes.after(each, NOW)
    last = came[-1] if came else Lane.BACKGROUND
    assert _lane(_base(last, changes), make.settled_chain()[1]) is lane


def test_what_a_child_has_seen_is_not_urgent_again() -> None:
    seen = COUNT.after(Lane.SECURITY, YESTERDAY)
    child = make.settled_chain()[1]
    assert child.current is not None
    child = replace(child, current=replace(child.current, followed=seen))
    assert _lane(_base(Lane.HUMAN, seen.after(Lane.HUMAN, NOW)), child) is Lane.HUMAN


def test_a_count_that_was_lost_counts_as_a_change() -> None:
    child = make.settled_chain()[1]
    assert child.current is not None
    child = replace(child, current=replace(child.current, followed=ChangeCount(security=3)))
    assert _lane(_base(Lane.HUMAN, COUNT), child) is Lane.SECURITY


def test_rows_of_older_releases_have_no_counts_and_keep_the_lane_of_the_last_build() -> None:
    assert _lane(_base(Lane.SECURITY, COUNT), make.settled_chain()[1]) is Lane.SECURITY


MOVED = {
    "its new parent has no newer fix": (Lane.HUMAN, COUNT.after(Lane.SECURITY, YESTERDAY), Lane.HUMAN),
    "its new parent has a newer fix": (Lane.HUMAN, COUNT.after(Lane.SECURITY, NOW), Lane.SECURITY),
    "its new parent's last build was a newer fix": (Lane.SECURITY, COUNT, Lane.SECURITY),
    "its new parent never had one": (Lane.BACKGROUND, COUNT, Lane.HUMAN),
}


@pytest.mark.parametrize("case", MOVED)
def test_a_moved_image_takes_a_persons_lane_or_that_of_a_newer_fix(case: str) -> None:
    last, changes, lane = MOVED[case]
    child = make.settled_chain()[1]
    assert child.current is not None
    elsewhere = replace(child.current.inputs, origin=_version_of("other-base"))
    child = replace(child, current=replace(child.current, inputs=elsewhere))
    assert _lane(_base(last, changes), child) is lane


def test_a_child_without_a_version_is_a_persons_and_a_root_follows_no_parent() -> None:
    base = _base(Lane.SECURITY, COUNT.after(Lane.SECURITY, NOW))
    assert _lane(base, make.head(CHILD, BASE)) is Lane.HUMAN
    around = make.world(base)
    assert lanes.followed(base, around) == COUNT
    assert lanes.next_lane(base, _stale(around), around) is Lane.BACKGROUND


def _version_of(image: str) -> ParentVersion:
    return ParentVersion(image=ImageName(image), version=GalleryVersion(9, 20261101, 1))


def _stale(around: World) -> Stale:
    wanted = make.desired(BASE, around)
    return Stale(desired=wanted, fingerprint=fingerprint(wanted), reasons=())


def _behind(*ages: float) -> tuple[ImageHead, ImageHead, ImageHead]:
    """A base that is stale again, its child, and a child of that which has not seen fixes of these ages in hours."""
    base, child, grandchild = make.settled_chain()
    changes = COUNT
    for age in sorted(ages, reverse=True):
        changes = changes.after(Lane.SECURITY, NOW - timedelta(hours=age))
    moved = make.published(
        child, replace(make.desired(CHILD, make.world(base, child, newest=OLD)), period=1), "9.20261121.1"
    )
    assert moved.current is not None
    moved = replace(moved, changes=changes, current=replace(moved.current, published_at=NOW), period=1)
    return base, moved, grandchild


WAITS = {
    "a fix that came just now": ((0.0,), True),
    "one that came four hours ago, but for a minute": ((4 - 1 / 60,), True),
    "one that came four hours ago": ((4.0,), False),
    "an older one and one that came just now": ((5.0, 0.0), False),
    "four within the bound": ((3.0, 2.0, 1.0, 0.0), True),
    "more than there are moments": ((3.0, 2.5, 2.0, 1.0, 0.0), False),
    "none": ((), True),
}


@pytest.mark.parametrize("case", WAITS)
def test_a_security_change_waits_a_bounded_time_for_an_ancestor_that_is_stale_again(case: str) -> None:
    ages, waits = WAITS[case]
    around = make.world(*_behind(*ages), newest=NEW)
    decision = plan(make.snapshot(GRANDCHILD, around), NOW)
    assert isinstance(decision, DoNothing if waits else StartBuild), decision
    if isinstance(decision, StartBuild):
        assert (decision.lane, decision.followed) == (Lane.SECURITY, around.heads[CHILD].changes)
    else:
        assert decision.why is RestReason.WAITS_FOR_ANCESTOR


def test_a_change_of_another_lane_waits_as_long_as_its_ancestor_needs() -> None:
    base, child, grandchild = _behind()
    changes = COUNT.after(Lane.HUMAN, NOW - timedelta(days=9))
    around = make.world(base, replace(child, changes=changes), grandchild, newest=NEW)
    assert isinstance(plan(make.snapshot(GRANDCHILD, around), NOW), DoNothing)


@pytest.mark.parametrize(("security_at", "waits"), [(NOW, True), (NOW - lanes.PATIENCE, False), (None, True)])
def test_rows_of_older_releases_have_no_moments_and_use_the_newest_one(
    security_at: datetime | None, waits: bool
) -> None:
    base, child, grandchild = _behind()
    changes = ChangeCount(security=0 if security_at is None else 1, security_at=security_at)
    assert child.current is not None
    last = replace(child.current, lane=Lane.SECURITY)
    around = make.world(base, replace(child, changes=changes, current=last), grandchild, newest=NEW)
    assert isinstance(plan(make.snapshot(GRANDCHILD, around), NOW), DoNothing) is waits


def test_a_count_that_fell_takes_the_newest_moment() -> None:
    came = COUNT.after(Lane.SECURITY, YESTERDAY).after(Lane.SECURITY, NOW)
    assert came.fix_since(ChangeCount(security=9)) == NOW
    assert not came.is_far_behind(ChangeCount(security=9))


@pytest.mark.parametrize(("age", "waits"), [(1, True), (5, False)])
def test_a_moved_image_counts_from_the_first_fix_that_is_newer_than_its_version(
    age: float, waits: bool
) -> None:
    base, child, grandchild = _behind(40, age)
    assert grandchild.current is not None
    elsewhere = replace(grandchild.current.inputs, origin=_version_of("other-base"))
    moved = replace(grandchild, current=replace(grandchild.current, inputs=elsewhere))
    around = make.world(base, child, moved, newest=NEW)
    assert isinstance(plan(make.snapshot(GRANDCHILD, around), NOW), DoNothing) is waits


_hours = st.lists(st.floats(min_value=0, max_value=20), min_size=1, max_size=12)


@given(ages=_hours)
def test_no_series_of_fixes_makes_a_child_wait_for_longer_than_the_bound(ages: list[float]) -> None:
    decision = plan(make.snapshot(GRANDCHILD, make.world(*_behind(*ages), newest=NEW)), NOW)
    if max(ages) >= lanes.PATIENCE / timedelta(hours=1):
        assert isinstance(decision, StartBuild)
    elif len(ages) <= 4:
        assert isinstance(decision, DoNothing)
