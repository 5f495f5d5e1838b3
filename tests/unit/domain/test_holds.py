"""What holds an image back from above: named only while an ancestor rests, and never where it still moves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import conditions, holds, plan
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import DoNothing, RestReason
from pipeline_core.domain.staleness import World, detect_staleness
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NEW, NOW, OLD

TEXT = "compliance: cis_server_l1 scored 41.5 of at least 90"


def _chain() -> tuple[ImageHead, ImageHead, ImageHead]:
    """The base is at the new release; its child and grandchild are still built from the old one."""
    base, child, grandchild = make.settled_chain(newest=OLD)
    around = make.world(base, child, grandchild, newest=NEW)
    return make.published(base, make.desired(BASE, around), "9.20261121.1"), child, grandchild


def _world(**changes: object) -> World:
    base, child, grandchild = _chain()
    return make.world(base, replace(child, **changes), grandchild, newest=NEW)  # type: ignore[arg-type]


def _failed(around: World, outcome: Outcome = Outcome.FAILED) -> Claim:
    return make.claim_on(make.desired(CHILD, around), outcome, ended_at=NOW, detail=TEXT)


def test_below_a_child_that_failed_compliance_everything_says_so() -> None:
    around = _world()
    claim = _failed(around)
    snapshot = make.snapshot(GRANDCHILD, around, claim)
    assert plan.plan(snapshot, NOW) == DoNothing(why=RestReason.CURRENT)
    hold = holds.find_hold(snapshot, NOW)
    assert hold is not None
    assert (hold.ancestor, hold.why, hold.since) == (CHILD, RestReason.BLOCKED, NOW)
    assert hold.message == (
        f"its parent rhel9-java stays on 9.20261101.1: build {claim.build} failed: {TEXT}"
    )
    (shown,) = conditions.of_image(around.heads[GRANDCHILD], detect_staleness(GRANDCHILD, around), hold=hold)
    assert (shown.type, shown.reason, shown.since) == (ConditionType.HELD_BACK, "AncestorBlocked", NOW)
    assert shown.message == hold.message


def test_what_an_ancestor_says_at_length_is_cut() -> None:
    around = _world()
    claim = replace(_failed(around), detail="x" * 5000)
    hold = holds.find_hold(make.snapshot(GRANDCHILD, around, claim), NOW)
    assert hold is not None
    assert hold.message.endswith("xxx...")
    assert len(hold.message) < 300


def test_what_is_further_below_names_the_ancestor() -> None:
    around = _world()
    leaf = ImageName("payments-batch")
    heads = [*around.heads.values(), make.head(leaf, GRANDCHILD)]
    hold = holds.find_hold(make.snapshot(leaf, make.world(*heads), _failed(around)), NOW)
    assert hold is not None
    assert hold.message.startswith("its ancestor rhel9-java stays on ")


@pytest.mark.parametrize("image", [BASE, CHILD, ImageName("nowhere")])
def test_nothing_above_holds_a_base_its_child_or_what_is_not_there(image: ImageName) -> None:
    around = _world()
    assert holds.find_hold(make.snapshot(image, around, _failed(around)), NOW) is None


@pytest.mark.parametrize(
    ("outcome", "held"),
    [
        (Outcome.FAILED, RestReason.BLOCKED),
        (Outcome.CANCELLED, RestReason.BLOCKED),
        (Outcome.WITHHELD, RestReason.BLOCKED),
        (Outcome.EXHAUSTED, RestReason.COOLING_DOWN),
        (Outcome.IN_FLIGHT, None),
        (Outcome.SUPERSEDED, None),
        (Outcome.SUCCEEDED, None),
    ],
)
def test_an_ancestor_that_still_moves_holds_nothing(outcome: Outcome, held: RestReason | None) -> None:
    around = _world()
    hold = holds.find_hold(make.snapshot(GRANDCHILD, around, _failed(around, outcome)), NOW)
    assert (None if hold is None else hold.why) is held


def test_an_ancestor_that_is_being_built_holds_nothing() -> None:
    around = _world()
    claim = _failed(around)
    active = ActiveBuild(build=claim.build, fingerprint=claim.fingerprint, phase=Phase.BUILDING)
    assert holds.find_hold(make.snapshot(GRANDCHILD, _world(active=active), claim), NOW) is None


def test_a_suspended_ancestor_without_a_version_is_reported_as_such() -> None:
    _, child, _ = _chain()
    around = _world(registration=replace(child.registration, suspend=True), current=None)
    hold = holds.find_hold(make.snapshot(GRANDCHILD, around), NOW + timedelta(days=1))
    assert hold is not None
    assert (hold.why, hold.since) == (RestReason.SUSPENDED, None)
    assert hold.message == "its parent rhel9-java has no version: spec.rebuild.suspend is true"


def test_without_its_chain_nothing_can_be_said() -> None:
    _, _, grandchild = _chain()
    assert holds.find_hold(make.snapshot(GRANDCHILD, make.world(grandchild)), NOW) is None
