"""Lanes: the most urgent change that a child has not seen yet, however many builds came after it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline_core.domain import lanes
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import StartBuild, plan
from pipeline_core.domain.reasons import ChangeCount, Lane
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.staleness import Stale, World
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW

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
