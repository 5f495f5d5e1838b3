"""What a withdrawn release means for one image: what it is built from, what it waits for, and what people are told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import claims, registered_conditions
from pipeline_core.domain.builds import Failure, Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.images import ImageHead, RebuildRequest
from pipeline_core.domain.names import RebuildToken
from pipeline_core.domain.plan import Decision, DoNothing, RestReason, StartBuild, plan
from pipeline_core.domain.reasons import Lane, ReasonKind
from pipeline_core.domain.releases import (
    AcceptedRelease,
    FollowedSource,
    Looks,
    Silence,
    WithdrawalReason,
    WithdrawnRelease,
)
from pipeline_core.domain.sources import SourceVersion
from pipeline_core.domain.staleness import Unknown, World, find_step_down
from pipeline_core.domain.versions import MarketplaceVersion
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW, OLD, SOURCE

DAY = timedelta(days=1)
GONE = WithdrawnRelease(version=NEW, since=NOW - DAY, by=WithdrawalReason.ABSENT)
FALLEN = FollowedSource(source=SOURCE, newest=OLD, revision=2, withdrawn=(GONE,), looked_at=NOW)
EMPTY = replace(FALLEN, newest=None)
ACCEPTED = replace(FALLEN, accepted=AcceptedRelease(version=OLD, actor="Admin", at=NOW))
REQUEST = RebuildRequest(token=RebuildToken("t1"), actor="me", at=NOW)


def _root(**changes: object) -> ImageHead:
    """The base, built from NEW."""
    return replace(make.settled_chain(newest=NEW)[0], **changes)  # type: ignore[arg-type]  # tests name fields


def _registered(**changes: object) -> ImageHead:
    root = _root()
    return replace(root, registration=replace(root.registration, **changes))  # type: ignore[arg-type]


def _world(head: ImageHead, followed: FollowedSource, *, hardened: bool = False) -> World:
    platform = replace(make.PLATFORM, digest=make.digest("e")) if hardened else make.PLATFORM
    return World(heads={head.name: head}, sources={SOURCE.key: followed}, platform=platform)


def _decided(
    head: ImageHead, followed: FollowedSource, *, hardened: bool = False, later: timedelta = timedelta(0)
) -> Decision:
    return plan(make.snapshot(BASE, _world(head, followed, hardened=hardened)), NOW + later)


FRESH = make.head()
EDITED = _registered(recipe=make.digest("8"))
ASKED = _root(request=REQUEST)
WAITS: dict[str, tuple[ImageHead, FollowedSource, str]] = {
    "nothing else has changed": (_root(), FALLEN, "current"),
    "nothing is offered at all": (_root(), EMPTY, "current"),
    "an edit": (EDITED, FALLEN, "release-withdrawn"),
    "a request": (ASKED, FALLEN, "release-withdrawn"),
    "a refresh": (_root(period=4), FALLEN, "release-withdrawn"),
    "an edit, and nothing is offered": (EDITED, EMPTY, "unknown"),
    "an edit, and nobody knows since when it is gone": (
        EDITED,
        replace(FALLEN, withdrawn=()),
        "release-withdrawn",
    ),
    "an edit that the definition does not want": (
        _registered(recipe=make.digest("8"), on=frozenset({RebuildOn.PARENT})),
        ACCEPTED,
        "not-wanted",
    ),
}


@pytest.mark.parametrize("case", WAITS)
def test_an_image_that_was_built_from_it(case: str) -> None:
    head, followed, why = WAITS[case]
    decision = _decided(head, followed)
    assert isinstance(decision, DoNothing)
    assert decision.why.value == why


STARTS: dict[str, tuple[ImageHead, FollowedSource, bool, timedelta]] = {
    "it was never built": (FRESH, FALLEN, False, timedelta(0)),
    "it was built from an older one": (
        make.settled_chain(newest=MarketplaceVersion(9, 1, 1))[0],
        FALLEN,
        False,
        0 * DAY,
    ),
    "the security lane": (_root(), FALLEN, True, timedelta(0)),
    "secops has accepted": (EDITED, ACCEPTED, False, timedelta(0)),
    "its patience is over": (EDITED, FALLEN, False, 6 * DAY),
    "its shorter maxAge is over": (
        _registered(recipe=make.digest("8"), max_age=2 * DAY),
        FALLEN,
        False,
        DAY,
    ),
}


@pytest.mark.parametrize("case", STARTS)
def test_it_is_built_from_the_newest_that_is_offered(case: str) -> None:
    head, followed, hardened, later = STARTS[case]
    decision = _decided(head, followed, hardened=hardened, later=later)
    assert isinstance(decision, StartBuild)
    assert str(decision.inputs.origin) == SOURCE.urn(OLD)


def test_a_step_down_is_told_as_such() -> None:
    decision = _decided(_root(), FALLEN, hardened=True)
    assert isinstance(decision, StartBuild)
    (told,) = [each for each in decision.reasons if each.kind is ReasonKind.SOURCE_WITHDRAWN]
    assert str(told) == f"source-withdrawn: {SOURCE.urn(NEW)} -> {SOURCE.urn(OLD)}"
    assert decision.lane is Lane.SECURITY


def test_a_step_down_brings_no_lane_of_its_own() -> None:
    decision = _decided(_root(period=4), ACCEPTED)
    assert isinstance(decision, StartBuild)
    assert decision.lane is Lane.BACKGROUND


def test_a_first_build_tells_that_a_newer_one_was_withdrawn() -> None:
    decision = _decided(FRESH, FALLEN)
    assert isinstance(decision, StartBuild)
    assert {each.kind for each in decision.reasons} == {ReasonKind.NEVER_BUILT, ReasonKind.SOURCE_WITHDRAWN}
    plain = _decided(FRESH, replace(FALLEN, withdrawn=()))
    assert isinstance(plain, StartBuild)
    assert {each.kind for each in plain.reasons} == {ReasonKind.NEVER_BUILT}


def test_who_waits_is_told_until_when_and_for_whom() -> None:
    decision = _decided(EDITED, FALLEN)
    assert isinstance(decision, DoNothing)
    for words in (SOURCE.urn(NEW), "is no longer offered since 2026-11-20", "sources accept", "2026-11-27"):
        assert words in decision.detail


UNKNOWN: dict[str, tuple[FollowedSource, str]] = {
    "nothing else is offered": (EMPTY, "no other release is offered"),
    "nothing was ever seen": (FollowedSource(source=SOURCE), "has been seen yet"),
    "it is silent": (
        FollowedSource(source=SOURCE, silence=Silence(looks=Looks(count=1, since=NOW), why="404: gone")),
        "has been seen yet: 404: gone",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_image_without_a_release_says_why(case: str) -> None:
    followed, words = UNKNOWN[case]
    staleness = make.snapshot(BASE, _world(FRESH, followed)).staleness[BASE]
    assert isinstance(staleness, Unknown)
    assert words in staleness.missing


def test_another_source_or_a_child_is_no_step_down() -> None:
    moved = _registered(origin=replace(SOURCE, sku="10-lvm-gen2"))
    assert find_step_down(moved, _world(moved, FALLEN)) is None
    other = replace(SOURCE, sku="10-lvm-gen2")
    of_another = World(heads={}, sources={other.key: replace(FALLEN, source=other)}, platform=None)
    assert find_step_down(moved, of_another) is None
    base, child, _ = make.settled_chain(newest=NEW)
    assert find_step_down(child, make.world(base, child, newest=OLD)) is None
    assert find_step_down(FRESH, _world(FRESH, FALLEN)) is None
    unseen = replace(EMPTY, withdrawn=())
    assert find_step_down(_root(), _world(_root(), unseen)) is None


def test_a_child_does_not_wait_for_a_base_that_waits() -> None:
    base, child, _ = make.settled_chain(newest=NEW)
    edited = replace(base, registration=replace(base.registration, recipe=make.digest("8")))
    touched = replace(child, registration=replace(child.registration, bundle=make.digest("9")))
    around = replace(make.world(edited, touched), sources={SOURCE.key: FALLEN})
    assert isinstance(plan(make.snapshot(CHILD, around), NOW), StartBuild)
    base_rests = plan(make.snapshot(BASE, around), NOW)
    assert isinstance(base_rests, DoNothing)
    assert base_rests.why is RestReason.RELEASE_WITHDRAWN


SILENT = Silence(looks=Looks(count=3, since=NOW - DAY), why="the Marketplace lists no version of it")
SHOWN: dict[str, tuple[ImageHead, FollowedSource, dict[str, str]]] = {
    "all is well": (_root(), FollowedSource(source=SOURCE, newest=NEW), {}),
    "built from a withdrawn one": (_root(), FALLEN, {"SourceWithdrawn": "SecOps may accept"}),
    "nobody knows since when": (
        _root(),
        replace(FALLEN, withdrawn=()),
        {"SourceWithdrawn": "is no longer offered"},
    ),
    "accepted": (_root(), ACCEPTED, {"SourceWithdrawn": "as Admin accepted"}),
    "nothing is offered": (_root(), EMPTY, {"SourceWithdrawn": "follows another source"}),
    "silent": (
        _root(),
        FollowedSource(source=SOURCE, newest=NEW, silence=SILENT, looked_at=NOW),
        {"SourceSilent": "lists no version"},
    ),
    "its last day is known": (
        _root(),
        FollowedSource(source=SOURCE, newest=NEW, ends_at=NOW + DAY),
        {"SourceEnds": "until 2026-11-22"},
    ),
}


@pytest.mark.parametrize("case", SHOWN)
def test_an_image_shows_what_is_wrong_with_its_source(case: str) -> None:
    head, followed, wanted = SHOWN[case]
    found = {
        each.type.value: each.message
        for each in registered_conditions.of_source(head, _world(head, followed))
    }
    assert found.keys() == wanted.keys()
    assert all(words in found[name] for name, words in wanted.items())


def test_a_child_and_an_unseen_source_show_nothing() -> None:
    base, child, _ = make.settled_chain(newest=NEW)
    assert registered_conditions.of_source(child, make.world(base, child)) == ()
    assert registered_conditions.of_source(base, make.world(base, newest=None)) == ()


def test_a_build_that_did_not_find_its_release_blocks_no_input() -> None:
    build = replace(
        make.build(),
        phase=Phase.FINISHED,
        result=Result.FAILED,
        failure=Failure(error_class=ErrorClass.NOT_FOUND, message="PlatformImageNotFound: it is gone"),
    )
    claim = make.claim_on(build.inputs, Outcome.IN_FLIGHT, build=build.id)
    assert claims.settle(claim, build).outcome is Outcome.EXHAUSTED
    assert isinstance(claims.lost_release(build), SourceVersion)
    no_reason = replace(build, failure=None)
    assert claims.settle(claim, no_reason).outcome is Outcome.FAILED
    assert claims.lost_release(replace(build, result=Result.CANCELLED)) is None
    other = replace(build, failure=Failure(error_class=ErrorClass.NOT_FOUND, message="no such subnet"))
    assert claims.lost_release(other) is None
