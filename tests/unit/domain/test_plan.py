"""The planner's truth table: one named case per decision, and what holds for all of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.images import ActiveBuild, ImageHead, RebuildRequest
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName, RebuildToken
from pipeline_core.domain.plan import DoNothing, RestReason, ReuseVersion, StartBuild, plan
from pipeline_core.domain.reasons import Lane, ReasonKind
from pipeline_core.domain.snapshot import take_snapshot
from pipeline_core.domain.staleness import World
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NEW, NOW, OLD

REQUEST = RebuildRequest(token=RebuildToken("t1"), actor="me", at=NOW)
RUNNING = ActiveBuild(
    build=BuildId("rhel9-base.aaaaaaaaaaaa.1"), fingerprint=Fingerprint("a" * 64), phase=Phase.BUILDING
)


def _rest(image: ImageName, around: World, *claims: object) -> RestReason:
    decision = plan(make.snapshot(image, around, *claims), NOW)  # type: ignore[arg-type]  # claims only
    assert isinstance(decision, DoNothing), decision
    return decision.why


def _start(image: ImageName, around: World, *claims: object) -> StartBuild:
    decision = plan(make.snapshot(image, around, *claims), NOW)  # type: ignore[arg-type]  # claims only
    assert isinstance(decision, StartBuild), decision
    return decision


def test_an_image_that_is_not_registered_is_left_alone() -> None:
    assert _rest(BASE, make.world()) is RestReason.UNREGISTERED


def test_a_new_image_is_built_and_says_that_it_never_was() -> None:
    start = _start(BASE, make.world(make.head()))
    assert [reason.kind for reason in start.reasons] == [ReasonKind.NEVER_BUILT]
    assert (start.generation, start.replaces, start.lane) == (1, None, Lane.HUMAN)


def test_nothing_is_done_where_all_is_current() -> None:
    chain = make.settled_chain()
    for image in (BASE, CHILD, GRANDCHILD):
        assert _rest(image, make.world(*chain, newest=OLD)) is RestReason.CURRENT


def test_an_unseen_source_is_unknown_and_never_current() -> None:
    assert _rest(BASE, make.world(make.head(), newest=None)) is RestReason.UNKNOWN


def test_a_missing_platform_is_unknown() -> None:
    around = replace(make.world(make.head()), platform=None)
    assert _rest(BASE, around) is RestReason.UNKNOWN


def test_a_tool_outside_the_catalog_is_unknown() -> None:
    assert _rest(BASE, make.world(make.head(catalog=("ghost",)))) is RestReason.UNKNOWN


def test_a_child_of_an_unpublished_parent_waits_for_its_version() -> None:
    assert _rest(CHILD, make.world(make.head(), make.head(CHILD, BASE))) is RestReason.UNKNOWN


def test_a_child_of_a_missing_parent_is_unknown() -> None:
    assert _rest(CHILD, make.world(make.head(CHILD, BASE))) is RestReason.UNKNOWN


def test_a_new_source_version_rebuilds_the_root_first() -> None:
    around = make.world(*make.settled_chain(), newest=NEW)
    start = _start(BASE, around)
    assert [str(reason) for reason in start.reasons] == [
        "source-changed: RedHat:RHEL:9-lvm-gen2:9.6.2025112113 -> RedHat:RHEL:9-lvm-gen2:9.10.2026112113"
    ]
    assert start.lane is Lane.SECURITY
    assert _rest(CHILD, around) is RestReason.CURRENT  # its parent has not moved yet


def test_a_stale_child_waits_for_a_stale_ancestor() -> None:
    base, child, grandchild = make.settled_chain()
    changed = replace(grandchild, registration=replace(grandchild.registration, bundle=make.digest("9")))
    assert _rest(GRANDCHILD, make.world(base, child, changed, newest=NEW)) is RestReason.WAITS_FOR_ANCESTOR


def test_a_stale_child_waits_for_an_ancestor_that_is_being_built() -> None:
    base, child, _ = make.settled_chain()
    changed = replace(child, registration=replace(child.registration, bundle=make.digest("9")))
    around = make.world(replace(base, active=RUNNING), changed, newest=OLD)
    assert _rest(CHILD, around) is RestReason.WAITS_FOR_ANCESTOR


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.EXHAUSTED])
def test_a_child_goes_on_where_its_ancestor_cannot(outcome: Outcome) -> None:
    base, child, _ = make.settled_chain()
    changed = replace(child, registration=replace(child.registration, bundle=make.digest("9")))
    around = make.world(base, changed, newest=NEW)
    claim = make.claim_on(make.desired(BASE, around), outcome, ended_at=NOW)
    assert [reason.kind for reason in _start(CHILD, around, claim).reasons] == [ReasonKind.BUNDLE_CHANGED]


def test_a_suspended_ancestor_is_not_waited_for() -> None:
    base, child, _ = make.settled_chain()
    held = replace(base, registration=replace(base.registration, suspend=True))
    changed = replace(child, registration=replace(child.registration, recipe=make.digest("9")))
    start = _start(CHILD, make.world(held, changed, newest=NEW))
    assert [reason.kind for reason in start.reasons] == [ReasonKind.DEFINITION_CHANGED]


def test_a_published_parent_rebuilds_the_child_in_its_lane() -> None:
    base, child, _ = make.settled_chain()
    moved = make.published(
        base, make.desired(BASE, make.world(base, newest=NEW)), "9.20261121.1", Lane.SECURITY
    )
    start = _start(CHILD, make.world(moved, child, newest=NEW))
    assert [reason.kind for reason in start.reasons] == [ReasonKind.PARENT_CHANGED]
    assert start.lane is Lane.SECURITY


def test_every_difference_is_kept_as_a_reason() -> None:
    base = make.settled_chain()[0]
    changed = replace(
        base,
        registration=replace(
            base.registration, recipe=make.digest("7"), bundle=make.digest("8"), catalog=("falcon",)
        ),
        period=4,
        request=REQUEST,
    )
    around = replace(
        make.world(changed, newest=NEW),
        platform=replace(make.PLATFORM, digest=make.digest("e")),
    )
    kinds = {reason.kind for reason in _start(BASE, around).reasons}
    others = {ReasonKind.NEVER_BUILT, ReasonKind.PARENT_CHANGED, ReasonKind.SOURCE_WITHDRAWN}
    assert kinds == set(ReasonKind) - others


STALE = make.settled_chain()[0]
WANTED = make.desired(BASE, make.world(STALE, newest=NEW))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.IN_FLIGHT, RestReason.IN_FLIGHT),
        (Outcome.FAILED, RestReason.BLOCKED),
        (Outcome.CANCELLED, RestReason.BLOCKED),
        (Outcome.WITHHELD, RestReason.BLOCKED),
        (Outcome.EXHAUSTED, RestReason.COOLING_DOWN),
    ],
)
def test_a_claim_keeps_its_input_from_being_built_twice(outcome: Outcome, expected: RestReason) -> None:
    claim = make.claim_on(WANTED, outcome, ended_at=NOW, detail="why")
    assert _rest(BASE, make.world(STALE, newest=NEW), claim) is expected


@pytest.mark.parametrize("outcome", [Outcome.PRUNED, Outcome.SUPERSEDED])
def test_a_claim_may_be_renewed_with_the_next_generation(outcome: Outcome) -> None:
    claim = make.claim_on(WANTED, outcome, generation=3)
    assert _start(BASE, make.world(STALE, newest=NEW), claim).generation == 4


def test_a_version_that_exists_is_made_current_again() -> None:
    version = GalleryVersion(9, 20261120, 2)
    claim = make.claim_on(WANTED, Outcome.SUCCEEDED, version=version)
    decision = plan(make.snapshot(BASE, make.world(STALE, newest=NEW), claim), NOW)
    assert isinstance(decision, ReuseVersion)
    assert (decision.version, decision.build, decision.inputs) == (version, claim.build, WANTED)


@pytest.mark.parametrize("is_spare", [True, False])
def test_a_version_that_was_kept_out_comes_in_by_the_rules_of_a_build(is_spare: bool) -> None:
    held = replace(STALE, registration=replace(STALE.registration, suspend=True))
    snapshot = take_snapshot(BASE, make.world(held, newest=NEW))
    stale = snapshot.find_stale(BASE)
    assert stale is not None
    claim = make.claim_on(
        stale.desired, Outcome.SUCCEEDED, version=GalleryVersion(9, 20261121, 2), is_spare=is_spare
    )
    decision = plan(replace(snapshot, claims={(BASE, stale.fingerprint): claim}), NOW)
    if is_spare:
        assert isinstance(decision, DoNothing)
        assert decision.why is RestReason.SUSPENDED
    else:
        assert isinstance(decision, ReuseVersion)


def test_a_running_build_of_an_older_input_is_waited_for() -> None:
    busy = replace(STALE, active=RUNNING)
    assert _rest(BASE, make.world(busy, newest=NEW)) is RestReason.WAITS_FOR_RUNNING


def test_a_pending_build_of_an_older_input_is_replaced() -> None:
    queued = replace(STALE, active=replace(RUNNING, phase=Phase.PENDING))
    assert _start(BASE, make.world(queued, newest=NEW)).replaces == RUNNING.build


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"suspend": True}, RestReason.SUSPENDED),
        ({"on": frozenset({RebuildOn.DEFINITION})}, RestReason.NOT_WANTED),
    ],
)
def test_the_definition_may_hold_a_rebuild_back(changes: dict[str, object], expected: RestReason) -> None:
    held = replace(STALE, registration=replace(STALE.registration, **changes))  # type: ignore[arg-type]
    assert _rest(BASE, make.world(held, newest=NEW)) is expected
    asked = replace(held, request=REQUEST)
    assert _start(BASE, make.world(asked, newest=NEW)).generation == 1


def _edited(window: str | None = None, on: frozenset[RebuildOn] = frozenset(RebuildOn)) -> ImageHead:
    registration = replace(STALE.registration, bundle=make.digest("9"), window=window, on=on)
    return replace(STALE, registration=registration)


def test_a_closed_window_holds_a_human_change_back_and_the_security_lane_ignores_it() -> None:
    window = "Mon-Fri 06:00-20:00 Europe/Amsterdam"  # now is a Saturday
    assert _rest(BASE, make.world(_edited(window), newest=OLD)) is RestReason.OUTSIDE_WINDOW
    assert _start(BASE, make.world(_edited("Sat 00:00-23:00 UTC"), newest=OLD)).lane is Lane.HUMAN
    assert _start(BASE, make.world(_edited(window), newest=NEW)).lane is Lane.SECURITY


def test_the_first_build_waits_for_no_window() -> None:
    new = make.head(window="Mon-Fri 06:00-20:00 Europe/Amsterdam")
    assert _start(BASE, make.world(new)).generation == 1


@pytest.mark.parametrize(
    ("on", "newest", "starts"),
    [
        ({RebuildOn.PARENT}, OLD, False),
        ({RebuildOn.PARENT}, NEW, True),
        ({RebuildOn.DEFINITION}, OLD, True),
        (set(), NEW, False),
    ],
)
def test_one_wanted_change_is_enough(on: set[RebuildOn], newest: object, starts: bool) -> None:
    around = make.world(_edited(on=frozenset(on)), newest=newest)  # type: ignore[arg-type]
    decision = plan(make.snapshot(BASE, around), NOW)
    assert isinstance(decision, StartBuild) is starts


def test_what_secops_changes_cannot_be_declined() -> None:
    declined = replace(STALE, registration=replace(STALE.registration, on=frozenset()))
    around = replace(
        make.world(declined, newest=OLD), platform=replace(make.PLATFORM, digest=make.digest("e"))
    )
    assert _start(BASE, around).lane is Lane.SECURITY


def test_failures_of_other_inputs_do_not_hold_an_image_back() -> None:
    broken = replace(STALE, failures=3)  # what the breaker holds back: test_breaker.py
    assert _start(BASE, make.world(broken, newest=NEW)).lane is Lane.SECURITY


def test_a_refresh_goes_in_the_background() -> None:
    base = replace(STALE, period=7)
    start = _start(BASE, make.world(base, newest=OLD))
    assert (start.lane, [reason.kind for reason in start.reasons]) == (
        Lane.BACKGROUND,
        [ReasonKind.REFRESH_DUE],
    )


def test_a_cooled_down_claim_is_renewed() -> None:
    claim = make.claim_on(WANTED, Outcome.EXHAUSTED, ended_at=NOW - timedelta(hours=1))
    assert _start(BASE, make.world(STALE, newest=NEW), claim).generation == 2


def test_an_ancestor_that_is_no_longer_registered_is_not_waited_for() -> None:
    _, child, grandchild = make.settled_chain()
    changed = replace(grandchild, registration=replace(grandchild.registration, bundle=make.digest("9")))
    assert _start(GRANDCHILD, make.world(child, changed, newest=OLD)).generation == 1


def _due(head: ImageHead, **changes: object) -> ImageHead:
    return replace(head, period=7, **changes)  # type: ignore[arg-type]  # tests name the fields they change


@pytest.mark.parametrize(
    ("held", "outcome", "expected"),
    [
        ({"window": "Mon-Fri 06:00-20:00 UTC"}, None, RestReason.WAITS_FOR_ANCESTOR),  # now is a Saturday
        ({}, Outcome.EXHAUSTED, RestReason.WAITS_FOR_ANCESTOR),
        ({"suspend": True}, None, None),
        ({}, Outcome.FAILED, None),
    ],
)
def test_a_refresh_waits_for_an_ancestor_that_rests_for_hours_and_not_for_one_that_rests_for_long(
    held: dict[str, object], outcome: Outcome | None, expected: RestReason | None
) -> None:
    base, child, _ = make.settled_chain()
    base = _due(base, registration=replace(base.registration, **held))  # type: ignore[arg-type]
    around = make.world(base, _due(child), newest=OLD)
    claims = [] if outcome is None else [make.claim_on(make.desired(BASE, around), outcome, ended_at=NOW)]
    if expected is not None:
        assert _rest(CHILD, around, *claims) is expected
        return
    (reason,) = _start(CHILD, around, *claims).reasons
    assert (reason.kind, "by its own clock, because rhel9-base is" in reason.new) == (
        ReasonKind.REFRESH_DUE,
        True,
    )


def test_an_own_change_beside_a_refresh_waits_for_no_window_of_an_ancestor() -> None:
    base, child, _ = make.settled_chain()
    base = _due(base, registration=replace(base.registration, window="Mon-Fri 06:00-20:00 UTC"))
    edited = _due(child, registration=replace(child.registration, bundle=make.digest("9")))
    kinds = [reason.kind for reason in _start(CHILD, make.world(base, edited, newest=OLD)).reasons]
    assert kinds == [ReasonKind.BUNDLE_CHANGED, ReasonKind.REFRESH_DUE]


def test_a_child_whose_base_is_not_due_refreshes_without_a_word_about_it() -> None:
    base, child, _ = make.settled_chain()
    (reason,) = _start(CHILD, make.world(base, _due(child), newest=OLD)).reasons
    assert (reason.kind, reason.new) == (ReasonKind.REFRESH_DUE, "1970-01-01 00:00:07 UTC")
