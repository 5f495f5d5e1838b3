"""The breaker: what opens it, which inputs it holds back, and what a changed input is. One named case each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import breaker
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import Breaker, ImageHead, RebuildRequest
from pipeline_core.domain.names import RebuildToken
from pipeline_core.domain.plan import Decision, DoNothing, RestReason, StartBuild, plan
from pipeline_core.domain.staleness import World
from pipeline_core.domain.versions import MarketplaceVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW, OLD

STALE = make.settled_chain()[0]
WORLD = make.world(STALE, newest=NEW)
CONTENT = breaker.content_of(make.desired(BASE, WORLD))
OPEN = replace(STALE, failures=3, breaker=Breaker(opened_at=NOW, content=CONTENT))

Change = Callable[[World], World]


def _registered(**changes: object) -> Change:
    def change(around: World) -> World:
        head = around.heads[BASE]
        changed = replace(head, registration=replace(head.registration, **changes))  # type: ignore[arg-type]
        return replace(around, heads={**around.heads, BASE: changed})

    return change


def _of_head(**changes: object) -> Change:
    def change(around: World) -> World:
        changed = replace(around.heads[BASE], **changes)  # type: ignore[arg-type]  # tests name the fields
        return replace(around, heads={**around.heads, BASE: changed})

    return change


def _of_platform(around: World) -> World:
    return replace(around, platform=replace(make.PLATFORM, digest=make.digest("e")))


def _decided(around: World, *claims: object) -> Decision:
    return plan(make.snapshot(BASE, around, *claims), NOW)  # type: ignore[arg-type]  # claims only


REQUEST = RebuildRequest(token=RebuildToken("t1"), actor="me", at=NOW)

CLOSED_BY: dict[str, Change] = {
    "another source version": lambda around: replace(
        around,
        sources={
            key: replace(followed, newest=MarketplaceVersion(9, 11, 2026112113))
            for key, followed in around.sources.items()
        },
    ),
    "other platform steps": _of_platform,
    "an edited recipe": _registered(recipe=make.digest("8")),
    "another bundle": _registered(bundle=make.digest("8")),
    "a tool of the catalog": _registered(catalog=("falcon",)),
    "a person's request": _of_head(request=REQUEST),
}
KEPT_OPEN_BY: dict[str, Change] = {
    "nothing": lambda around: around,
    "a refresh that is due": _of_head(period=7),
    "a label": _registered(definition=make.digest("8")),
    "another window": _registered(window="Sat 00:00-23:00 UTC"),
    "one failure more": _of_head(failures=4),
}


@pytest.mark.parametrize("case", CLOSED_BY)
def test_a_changed_input_closes_the_breaker(case: str) -> None:
    around = CLOSED_BY[case](make.world(OPEN, newest=NEW))
    assert isinstance(_decided(around), StartBuild)


@pytest.mark.parametrize("case", KEPT_OPEN_BY)
def test_the_breaker_stays_open_where_only_this_changed(case: str) -> None:
    around = KEPT_OPEN_BY[case](make.world(OPEN, newest=NEW))
    decision = _decided(around)
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.BREAKER_OPEN
    assert "builds failed in a row" in decision.detail


def test_a_changed_parent_closes_the_breaker_of_its_child() -> None:
    base, child, _ = make.settled_chain()
    moved = make.published(base, make.desired(BASE, make.world(base, newest=NEW)), "9.20261121.1")
    around = make.world(moved, child, newest=NEW)
    content = breaker.content_of(make.desired(CHILD, around))
    held = replace(child, failures=3, breaker=Breaker(opened_at=NOW, content=content))

    def decided(parent: ImageHead) -> Decision:
        return plan(make.snapshot(CHILD, make.world(parent, held, newest=NEW)), NOW)

    still = decided(moved)
    assert isinstance(still, DoNothing)
    assert still.why is RestReason.BREAKER_OPEN
    newer = make.published(base, make.desired(BASE, make.world(base, newest=NEW)), "9.20261121.2")
    assert isinstance(decided(newer), StartBuild)


def test_a_cooled_down_claim_is_not_renewed_while_the_breaker_is_open() -> None:
    claim = make.claim_on(make.desired(BASE, WORLD), Outcome.EXHAUSTED, ended_at=NOW - timedelta(hours=1))
    decision = _decided(make.world(OPEN, newest=NEW), claim)
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.BREAKER_OPEN
    assert isinstance(_decided(WORLD, claim), StartBuild)


def test_what_a_person_asked_for_is_not_tried_for_ever_either() -> None:
    asked = replace(STALE, request=REQUEST)
    content = breaker.content_of(make.desired(BASE, make.world(asked, newest=NEW)))
    held = replace(asked, failures=3, breaker=Breaker(opened_at=NOW, content=content))
    decision = _decided(make.world(held, newest=NEW))
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.BREAKER_OPEN


def test_a_child_does_not_wait_for_a_parent_whose_breaker_is_open() -> None:
    _, child, _ = make.settled_chain()
    changed = replace(child, registration=replace(child.registration, bundle=make.digest("9")))
    around = make.world(OPEN, changed, newest=NEW)
    assert isinstance(plan(make.snapshot(CHILD, around), NOW), StartBuild)


@pytest.mark.parametrize(
    ("before", "after", "opens"), [(0, 1, False), (1, 2, False), (2, 3, True), (3, 4, True)]
)
def test_the_third_failure_in_a_row_opens_it_and_so_does_each_after_it(
    before: int, after: int, opens: bool
) -> None:
    build = make.build(Phase.FINISHED, result=Result.FAILED, phase_since=NOW)
    head = breaker.after_failure(replace(STALE, failures=before), build)
    assert head.failures == after
    assert (head.breaker is not None) is opens
    if head.breaker is not None:
        assert head.breaker == Breaker(opened_at=NOW, content=breaker.content_of(build.inputs))
        assert breaker.is_open(head, build.inputs)
        assert breaker.is_open(head, replace(build.inputs, period=build.inputs.period + 1))


def test_a_success_or_a_person_forgets_the_failures_and_a_changed_input_does_not() -> None:
    assert (breaker.after_success(OPEN).failures, breaker.after_success(OPEN).breaker) == (0, None)
    assert (breaker.let_through(OPEN).failures, breaker.let_through(OPEN).breaker) == (3, None)


def test_an_edit_that_forgot_the_failures_closes_it_whatever_is_remembered() -> None:
    assert not breaker.is_open(replace(OPEN, failures=0), make.desired(BASE, WORLD))
    assert make.desired(BASE, make.world(OPEN, newest=OLD)) != make.desired(BASE, WORLD)
