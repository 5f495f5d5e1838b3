"""A person's wish whose build was cancelled or failed: withdrawn where the image is current without it, else kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import builds, conditions, wishes
from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import FailedWish, ImageHead, RebuildRequest
from pipeline_core.domain.names import RebuildToken
from pipeline_core.domain.staleness import Current, Stale, detect_staleness
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW, OLD

WISH = RebuildRequest(token=RebuildToken("wish"), actor="me", at=NOW)


def _head(before: str | None = None) -> ImageHead:
    token = None if before is None else RebuildToken(before)
    base = make.head()
    wanted = replace(make.desired(BASE, make.world(base, newest=OLD)), token=token)
    return replace(make.published(base, wanted), request=WISH)


def _ended(inputs: BuildInputs, result: Result, error_class: ErrorClass | None = None) -> Build:
    failure = None if error_class is None else Failure(error_class=error_class, message="x")
    return builds.finish(make.build(Phase.BUILDING, inputs=inputs), result, NOW, failure=failure)


def _wanted(head: ImageHead) -> BuildInputs:
    return make.desired(BASE, make.world(head, newest=OLD))


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize(
    ("result", "error_class"),
    [(Result.CANCELLED, None), (Result.FAILED, ErrorClass.SMOKE), (Result.FAILED, None)],
)
def test_a_wish_ends_and_the_image_is_current(
    before: str | None, result: Result, error_class: ErrorClass | None
) -> None:
    head = _head(before)
    assert isinstance(detect_staleness(BASE, make.world(head, newest=OLD)), Stale)
    after = wishes.after_end(head, _ended(_wanted(head), result, error_class))
    assert isinstance(detect_staleness(BASE, make.world(after, newest=OLD)), Current)


@pytest.mark.parametrize("error_class", [ErrorClass.NETWORK, ErrorClass.PERMISSION])
def test_a_failure_of_the_platform_ends_no_wish(error_class: ErrorClass) -> None:
    head = _head()
    assert wishes.after_end(head, _ended(_wanted(head), Result.FAILED, error_class)) is head


def test_a_wish_stays_where_the_image_is_stale_without_it() -> None:
    head = _head()
    changed = replace(_wanted(head), bundle=make.digest("9"))
    assert wishes.after_end(head, _ended(changed, Result.CANCELLED)) is head


def test_a_newer_wish_stays() -> None:
    head = _head()
    older = replace(_wanted(head), token=RebuildToken("older"))
    assert wishes.after_end(head, _ended(older, Result.CANCELLED)) is head


def test_nothing_ends_where_there_is_no_wish_or_no_version() -> None:
    ended = _ended(_wanted(_head()), Result.CANCELLED)
    for head in (replace(_head(), request=None), replace(_head(), current=None)):
        assert wishes.after_end(head, ended) is head


def test_a_build_that_was_replaced_ends_no_wish() -> None:
    head = _head()
    ended = builds.finish(make.build(Phase.PENDING, inputs=_wanted(head)), Result.SUPERSEDED, NOW)
    assert wishes.after_end(head, ended) is head


def test_only_a_failure_is_kept_to_be_shown_and_a_later_cancellation_does_not_hide_it() -> None:
    head = _head()
    ended = _ended(_wanted(head), Result.FAILED, ErrorClass.SMOKE)
    failed = wishes.after_end(
        head, replace(ended, failure=Failure(error_class=ErrorClass.SMOKE, message="y" * 999))
    )
    assert failed.failed_wish == FailedWish(build=ended.id, at=NOW, error_class="smoke", why="y" * 300)
    cancelled = _ended(_wanted(head), Result.CANCELLED)
    assert wishes.after_end(head, cancelled).failed_wish is None
    again = replace(failed, request=WISH)
    assert wishes.after_end(again, cancelled).failed_wish == failed.failed_wish


def test_a_failed_wish_is_a_condition_until_another_version_is_current() -> None:
    head = wishes.after_end(_head(), _ended(_wanted(_head()), Result.FAILED, ErrorClass.SMOKE))
    (shown,) = conditions.of_image(head, Current())
    assert (shown.type, shown.since) == (ConditionType.WISH_FAILED, NOW)
    assert head.current is not None
    later = replace(head.current, published_at=NOW + timedelta(seconds=1))
    assert conditions.of_image(replace(head, current=later), Current()) == ()
    assert conditions.of_image(replace(head, current=None), Current()) == ()


GATES = "b" * 64


def _judged(*, on: frozenset[RebuildOn]) -> ImageHead:
    head = replace(_head(), request=None)
    return replace(head, registration=replace(head.registration, gates=GATES, on=on))


@pytest.mark.parametrize(
    ("judged_by", "on", "wishes_it"),
    [
        ("a" * 64, {RebuildOn.VERIFY}, True),
        (GATES, {RebuildOn.VERIFY}, False),
        ("", {RebuildOn.VERIFY}, False),
        ("a" * 64, {RebuildOn.PARENT, RebuildOn.DEFINITION}, False),
    ],
)
def test_a_version_that_was_judged_by_another_verify_is_to_be_judged_where_the_definition_says_so(
    judged_by: str, on: set[RebuildOn], wishes_it: bool
) -> None:
    head = _judged(on=frozenset(on))
    after = wishes.to_be_judged(head, judged_by=judged_by, actor="factory", now=NOW)
    assert (after.request is not None) is wishes_it
    assert replace(after, request=None) == head


def test_a_wish_by_verify_is_one_for_each_version_and_none_where_there_is_no_version() -> None:
    head = _judged(on=frozenset({RebuildOn.VERIFY}))
    first = wishes.to_be_judged(head, judged_by="a", actor="factory", now=NOW)
    assert wishes.to_be_judged(first, judged_by="a", actor="factory", now=NOW) == first
    assert head.current is not None
    later = replace(head.current, version=replace(head.current.version, sequence=99))
    second = wishes.to_be_judged(replace(head, current=later), judged_by="a", actor="factory", now=NOW)
    assert first.request is not None
    assert second.request is not None
    assert first.request.token != second.request.token
    empty = replace(head, current=None)
    assert wishes.to_be_judged(empty, judged_by="a", actor="factory", now=NOW) == empty
