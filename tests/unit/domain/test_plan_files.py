"""The planner's truth table for images whose build lacks the file of a tool."""

from dataclasses import replace

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import ActiveBuild
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.domain.plan import DoNothing, RestReason, StartBuild, find_first, plan
from pipeline_core.domain.staleness import World
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW, OLD

RUNNING = ActiveBuild(
    build=BuildId("rhel9-base.aaaaaaaaaaaa.1"), fingerprint=Fingerprint("a" * 64), phase=Phase.BUILDING
)
LACKING = {BASE: "the file of agent 1.0.0 is not admitted"}


def _edited_child(**base: object) -> World:
    """A stale base, and a child of it with another bundle."""
    above, child, _ = make.settled_chain()
    edited = replace(child, registration=replace(child.registration, bundle=make.digest("9")))
    return make.world(replace(above, **base), edited, newest=NEW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "lacking", "expected"),
    [
        ({}, {}, RestReason.WAITS_FOR_ANCESTOR),
        ({}, LACKING, None),
        ({"active": RUNNING}, LACKING, RestReason.WAITS_FOR_ANCESTOR),
        ({}, {CHILD: "its own"}, RestReason.WAITS_FOR_ANCESTOR),
        ({}, {**LACKING, CHILD: "its own"}, RestReason.NOT_ADMITTED),
    ],
    ids=["all there", "the base lacks a file", "and is being built", "the child lacks one", "both do"],
)
def test_a_child_passes_by_an_ancestor_without_the_file_of_a_tool(
    base: dict[str, object], lacking: dict[ImageName, str], expected: RestReason | None
) -> None:
    snapshot = replace(make.snapshot(CHILD, _edited_child(**base)), lacking=lacking)
    decision = plan(snapshot, NOW)
    assert (decision.why if isinstance(decision, DoNothing) else None) is expected
    assert isinstance(decision, StartBuild) is (expected is None)
    if expected is RestReason.NOT_ADMITTED:
        assert isinstance(decision, DoNothing)
        assert decision.detail == "its own"


@pytest.mark.parametrize(
    ("base", "claim", "lacking", "expected"),
    [
        ({}, None, {}, BASE),
        ({}, None, LACKING, CHILD),
        ({}, None, {**LACKING, CHILD: "its own"}, None),
        ({"active": RUNNING}, None, {}, None),
        ({}, Outcome.SUCCEEDED, {}, None),
        ({}, Outcome.FAILED, {}, CHILD),
    ],
    ids=["the base", "the child", "neither", "the base is being built", "it has a version", "it failed"],
)
def test_which_image_of_a_chain_is_built_first(
    base: dict[str, object],
    claim: Outcome | None,
    lacking: dict[ImageName, str],
    expected: ImageName | None,
) -> None:
    around = _edited_child(**base)
    claims = [] if claim is None else [make.claim_on(make.desired(BASE, around), claim, ended_at=NOW)]
    if claim is Outcome.SUCCEEDED:
        claims = [replace(each, version=GalleryVersion.parse("9.20261130.1")) for each in claims]
    snapshot = replace(make.snapshot(CHILD, around, *claims), lacking=lacking)
    first = find_first(snapshot, NOW)
    assert (None if first is None else first.name) == expected


def test_what_lacks_a_file_and_rests_for_another_reason_says_that_one() -> None:
    base, _, _ = make.settled_chain()
    held = replace(base, registration=replace(base.registration, suspend=True))
    snapshot = replace(make.snapshot(BASE, make.world(held, newest=NEW)), lacking=LACKING)
    decision = plan(snapshot, NOW)
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.SUSPENDED
    assert find_first(make.snapshot(CHILD, make.world(base, newest=NEW)), NOW) is None
    assert find_first(make.snapshot(BASE, make.world(base, newest=OLD)), NOW) is None
