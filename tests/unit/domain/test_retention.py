"""Retention: what stays and why, what is excluded, and what is deleted only after its grace period."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain.definitions import Retention
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.retention import (
    GRACE,
    KeepRule,
    ListedVersion,
    Removal,
    RetentionStep,
    VersionUses,
    find_last_good,
    keep_all,
    list_fallbacks,
    plan_removals,
)
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
V = [GalleryVersion(9, 20261101 + day, 1) for day in range(6)]
LOOSE = Retention(keep=1, keep_in_use=False)


def listed(
    version: GalleryVersion,
    standing: Standing | None = None,
    *,
    due: datetime | None = None,
    ours: bool = True,
    settled: bool = True,
    offered: bool = True,
    actor: str = "",
    was: Standing = Standing.LIVE,
    was_excluded: bool = False,
) -> ListedVersion:
    record = (
        None
        if standing is None
        else VersionRecord(
            image=ImageName("base"),
            version=version,
            standing=standing,
            delete_after=due,
            actor=actor,
            was_standing=was,
            was_excluded=was_excluded,
        )
    )
    return ListedVersion(version=version, is_ours=ours, is_settled=settled, is_offered=offered, record=record)


def uses(current: GalleryVersion | None = V[5], **more: object) -> VersionUses:
    return replace(VersionUses(current=current, builds={}, children={}), **more)  # type: ignore[arg-type]  # named by tests


def steps(
    versions: list[ListedVersion], found: VersionUses | None = None, rule: Retention = LOOSE
) -> dict[GalleryVersion, RetentionStep]:
    planned = plan_removals(versions, found or uses(), rule, NOW)
    assert [each.version for each in planned] == sorted(each.version for each in versions)
    return {each.version: each for each in planned}


def reasons(step: RetentionStep) -> set[KeepRule]:
    return {reason.by for reason in step.reasons}


ALL = [listed(version) for version in V]


def test_what_nothing_keeps_is_excluded_first_and_never_deleted_at_once() -> None:
    found = steps(ALL)
    assert [found[version].removal for version in V] == [Removal.EXCLUDE] * 4 + [Removal.NONE] * 2
    assert reasons(found[V[5]]) == {KeepRule.CURRENT, KeepRule.NEWEST}
    assert reasons(found[V[4]]) == {KeepRule.LAST_GOOD}


@pytest.mark.parametrize(
    ("found", "rule", "kept"),
    [
        (uses(V[0]), LOOSE, KeepRule.CURRENT),
        (uses(V[1]), LOOSE, KeepRule.LAST_GOOD),
        (uses(builds={V[0]: ("child.f.1",)}), LOOSE, KeepRule.BUILD),
        (uses(children={V[0]: ("child",)}), LOOSE, KeepRule.PARENT),
        (uses(), Retention(keep=1), KeepRule.USE_UNKNOWN),
        (uses(in_fleet=frozenset(V[:1])), Retention(keep=1), KeepRule.IN_USE),
        (uses(), Retention(keep=6, keep_in_use=False), KeepRule.NEWEST),
        (uses(), Retention(keep=1, max_age=timedelta(days=60), keep_in_use=False), KeepRule.YOUNG),
        (uses(None), LOOSE, KeepRule.UNSEEN),
        (uses(GalleryVersion(9, 20261130, 7)), LOOSE, KeepRule.UNSEEN),
    ],
)
def test_each_reason_alone_keeps_a_version(found: VersionUses, rule: Retention, kept: KeepRule) -> None:
    step = steps(ALL, found, rule)[V[0]]
    assert step.removal is Removal.NONE
    assert kept in reasons(step)
    assert all(str(reason) for reason in step.reasons)


def test_what_no_machine_uses_goes_where_the_inventory_is_known() -> None:
    assert steps(ALL, uses(in_fleet=frozenset()), Retention(keep=1))[V[0]].removal is Removal.EXCLUDE


def test_a_version_that_only_unknown_use_keeps_says_so() -> None:
    found = steps(ALL, rule=Retention(keep=1))
    assert [found[version].waits_for_use for version in V] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        (listed(V[0], ours=False), KeepRule.NOT_OURS),
        (listed(V[0], settled=False), KeepRule.UNSETTLED),
        (listed(V[0], Standing.EXCLUDED, actor="Ana"), KeepRule.EXCLUDED),
        (listed(V[0], Standing.EXCLUDED), KeepRule.EXCLUDED),
        (listed(GalleryVersion(1, 0, 0)), KeepRule.UNDATED),
        (listed(GalleryVersion(1, 20261124, 1)), KeepRule.YOUNG),
    ],
    ids=["a stranger's", "being changed", "a person excluded it", "nobody's name", "1.0.0", "in its grace"],
)
def test_the_state_of_a_version_keeps_it(version: ListedVersion, kept: KeepRule) -> None:
    assert kept in reasons(steps([version, *ALL[1:]])[version.version])


def test_a_waiting_version_is_deleted_after_its_time_and_not_before() -> None:
    early = listed(V[0], Standing.PRUNING, due=NOW + timedelta(seconds=1))
    late = listed(V[1], Standing.PRUNING, due=NOW)
    undated = listed(V[2], Standing.PRUNING)
    busy = listed(V[3], Standing.PRUNING, due=NOW, settled=False)
    found = steps([early, late, undated, busy, *ALL[4:]])
    assert [found[version].removal for version in V[:4]] == [
        Removal.WAIT,
        Removal.DELETE,
        Removal.WAIT,
        Removal.WAIT,
    ]
    assert found[V[0]].delete_after == NOW + timedelta(seconds=1)


@pytest.mark.parametrize("make", [lambda: uses(V[0]), lambda: uses(children={V[0]: ("child",)})])
def test_a_version_that_is_used_again_is_taken_back(make: Callable[[], VersionUses]) -> None:
    due = listed(V[0], Standing.PRUNING, due=NOW - GRACE)
    assert steps([due, *ALL[1:]], make())[V[0]].removal is Removal.TAKE_BACK


def test_a_lost_deletion_is_repeated_unless_the_version_is_used() -> None:
    gone = listed(V[0], Standing.PRUNED)
    assert steps([gone, *ALL[1:]])[V[0]].removal is Removal.DELETE
    assert steps([gone, *ALL[1:]], rule=Retention(keep=9))[V[0]].removal is Removal.DELETE
    assert steps([gone, *ALL[1:]], uses(V[0]))[V[0]].removal is Removal.TAKE_BACK
    going = listed(V[0], Standing.PRUNED, settled=False)
    assert steps([going, *ALL[1:]])[V[0]].removal is Removal.WAIT


def test_the_last_good_version_is_one_that_may_be_current() -> None:
    bad = listed(V[4], Standing.EXCLUDED)
    assert find_last_good([*ALL[:4], bad, ALL[5]], V[5]) == V[3]
    assert find_last_good([*ALL[:4], listed(V[4], ours=False), ALL[5]], V[5]) == V[3]
    assert find_last_good([*ALL[:4], listed(V[4], settled=False), ALL[5]], V[5]) == V[3]
    assert find_last_good(ALL, V[0]) == V[1]
    assert find_last_good(ALL[:1], V[0]) is None


@pytest.mark.parametrize("keep", [1, 2])
def test_a_spare_version_does_not_take_the_place_of_the_one_that_the_image_falls_back_to(keep: int) -> None:
    spare = listed(V[4], Standing.SPARE, offered=False)
    found = steps([ALL[3], spare, ALL[5]], rule=Retention(keep=keep, keep_in_use=False))
    assert reasons(found[V[3]]) == {KeepRule.LAST_GOOD}
    assert KeepRule.LAST_GOOD not in reasons(found[V[4]])


def test_an_image_falls_back_only_to_a_live_version_in_latest_below_the_lost_one() -> None:
    others = [
        listed(V[1], Standing.SPARE, offered=False),
        listed(V[2], Standing.PRUNING, offered=False),
        listed(V[3], offered=False),
        listed(V[4], settled=False),
        listed(GalleryVersion(9, 20261105, 2), ours=False),
    ]
    assert list_fallbacks([ALL[0], *others, ALL[5]], V[5]) == (V[0],)
    assert list_fallbacks(ALL, V[2]) == (V[1], V[0])
    assert list_fallbacks([*others, ALL[5]], V[5]) == ()


def test_without_a_version_to_fall_back_to_one_that_can_become_it_stays() -> None:
    taken = listed(V[1], Standing.PRUNING, offered=False)
    spare = listed(V[2], Standing.SPARE, offered=False)
    never = [
        listed(V[3], Standing.PRUNING, offered=False, was=Standing.SPARE),
        listed(V[4], Standing.PRUNING, offered=False, was_excluded=True),
    ]
    assert find_last_good([taken, spare, *never, ALL[5]], V[5]) == V[1]
    assert steps([taken, spare, *never, ALL[5]])[V[1]].removal is Removal.TAKE_BACK
    assert find_last_good([spare, ALL[5]], V[5]) == V[2]


def test_what_may_never_be_current_takes_no_place_of_those_that_are_kept() -> None:
    rule = Retention(keep=2, keep_in_use=False)
    found = steps([*ALL[:4], listed(V[4], Standing.EXCLUDED), ALL[5]], rule=rule)
    assert reasons(found[V[3]]) == {KeepRule.LAST_GOOD, KeepRule.NEWEST}


def test_a_day_is_named_in_words() -> None:
    young = listed(GalleryVersion(9, 20261130, 1))
    planned = plan_removals(
        [young, *ALL], uses(GalleryVersion(9, 20261130, 1)), LOOSE, NOW, grace=timedelta(hours=20)
    )
    assert "it is younger than a day" in map(str, planned[-1].reasons)


def test_without_a_rule_every_version_stays() -> None:
    kept = keep_all([listed(V[2]), listed(V[1])])
    assert [step.version for step in kept] == [V[1], V[2]]
    assert {step.removal for step in kept} == {Removal.NONE}
    assert {reason.by for step in kept for reason in step.reasons} == {KeepRule.NO_RULE}
