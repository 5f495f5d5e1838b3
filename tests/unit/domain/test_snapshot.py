"""A snapshot: the staleness of each image in it is derived once, and every decision reads it from there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from pipeline_core.domain import conditions, holds
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import DoNothing, RestReason, StartBuild, find_obstacle, plan
from pipeline_core.domain.snapshot import take_snapshot
from pipeline_core.domain.staleness import Current, Stale, Unknown, World, detect_staleness
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NEW, NOW, OLD, PLATFORM

TOOL = "falcon"


class _CountedCatalog(Mapping[str, tuple[str, str, str]]):
    """A catalog that counts how often its one tool is taken out: once for each derivation of desired inputs."""

    def __init__(self) -> None:
        self.taken = 0

    def __getitem__(self, tool: str) -> tuple[str, str, str]:
        self.taken += 1
        return PLATFORM.catalog[tool]

    def __contains__(self, tool: object) -> bool:
        return tool in PLATFORM.catalog

    def __iter__(self) -> Iterator[str]:
        return iter(PLATFORM.catalog)

    def __len__(self) -> int:
        return len(PLATFORM.catalog)


def _with_tool(head: ImageHead) -> ImageHead:
    return replace(head, registration=replace(head.registration, catalog=(TOOL,)))


def _stale_chain() -> World:
    """Three levels, all stale, and each of them takes the one tool of the catalog."""
    base, child, grandchild = make.settled_chain(newest=OLD)
    return make.world(_with_tool(base), _with_tool(child), _with_tool(grandchild), newest=NEW)


def test_one_look_derives_each_image_once_whatever_is_asked_of_it() -> None:
    catalog, around = _CountedCatalog(), _stale_chain()
    around = replace(around, platform=replace(PLATFORM, catalog=catalog))
    snapshot = take_snapshot(GRANDCHILD, around)
    assert catalog.taken == 3
    decision = plan(snapshot, NOW)
    hold = holds.find_hold(snapshot, NOW)
    claim = snapshot.find_claim(GRANDCHILD)
    conditions.of_image(around.heads[GRANDCHILD], snapshot.staleness[GRANDCHILD], claim, hold)
    for name in around.heads:
        find_obstacle(snapshot, name, NOW)
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.WAITS_FOR_ANCESTOR
    assert catalog.taken == 3


@pytest.mark.parametrize("name", [BASE, CHILD, GRANDCHILD])
def test_a_snapshot_says_of_each_image_what_its_world_says(name: ImageName) -> None:
    for around in (_stale_chain(), make.world(*make.settled_chain(newest=OLD), newest=OLD)):
        assert take_snapshot(GRANDCHILD, around).staleness[name] == detect_staleness(name, around)


def test_a_decision_believes_the_snapshot() -> None:
    snapshot = take_snapshot(BASE, _stale_chain())
    assert isinstance(plan(snapshot, NOW), StartBuild)
    believed = replace(snapshot, staleness={**snapshot.staleness, BASE: Current()})
    assert plan(believed, NOW) == DoNothing(why=RestReason.CURRENT)


def test_the_claim_of_a_stale_image_is_the_one_on_its_desired_input() -> None:
    around = _stale_chain()
    claim = make.claim_on(make.desired(BASE, around), Outcome.FAILED)
    other = make.claim_on(replace(make.desired(BASE, around), period=1), Outcome.FAILED)
    snapshot = make.snapshot(BASE, around, claim, other)
    stale = snapshot.find_stale(BASE)
    assert isinstance(stale, Stale)
    assert stale.fingerprint == claim.fingerprint
    assert snapshot.find_claim(BASE) == claim
    assert snapshot.find_claim(CHILD) is None


def test_what_is_current_unknown_or_not_there_is_not_stale_and_has_no_claim() -> None:
    base, child, _ = make.settled_chain(newest=OLD)
    current = take_snapshot(BASE, make.world(base, newest=OLD))
    orphan = take_snapshot(CHILD, make.world(child, newest=OLD))
    assert current.staleness == {BASE: Current()}
    assert isinstance(orphan.staleness[CHILD], Unknown)
    for snapshot, name in ((current, BASE), (orphan, CHILD), (orphan, BASE)):
        assert snapshot.find_stale(name) is None
        assert snapshot.find_claim(name) is None
