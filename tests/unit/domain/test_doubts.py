"""A doubt about the current version: the image is not current, nothing is built from it, and a person reads why."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import conditions
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome, settle
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.images import Doubt, DoubtKind, ImageHead
from pipeline_core.domain.plan import DoNothing, RestReason, StartBuild, find_rule_against, plan
from pipeline_core.domain.staleness import Current, Stale, Unknown, detect_staleness
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make

GONE = "live no longer holds it"


def _doubted(head: ImageHead, detail: str = GONE) -> ImageHead:
    assert head.current is not None
    doubt = Doubt(kind=DoubtKind.GONE, version=head.current.version, since=make.NOW, detail=detail)
    return replace(head, doubt=doubt)


def test_a_doubted_version_is_not_current() -> None:
    base, *_ = make.settled_chain()
    answer = detect_staleness(make.BASE, make.world(_doubted(base), newest=make.OLD))
    assert answer == Unknown(missing=f"{make.BASE}@9.20261101.1: {GONE}")
    decision = plan(make.snapshot(make.BASE, make.world(_doubted(base), newest=make.OLD)), make.NOW)
    assert isinstance(decision, DoNothing)
    assert decision.why is RestReason.UNKNOWN


def test_a_doubt_without_words_names_its_kind() -> None:
    base, *_ = make.settled_chain()
    answer = detect_staleness(make.BASE, make.world(_doubted(base, ""), newest=make.OLD))
    assert answer == Unknown(missing=f"{make.BASE}@9.20261101.1: gone")


def test_a_doubted_version_is_replaced_all_the_same_where_its_inputs_have_changed() -> None:
    base, *_ = make.settled_chain()
    decision = plan(make.snapshot(make.BASE, make.world(_doubted(base), newest=make.NEW)), make.NOW)
    assert isinstance(decision, StartBuild)


def test_a_doubt_about_another_version_says_nothing() -> None:
    base, *_ = make.settled_chain()
    doubted = _doubted(base)
    assert doubted.doubt is not None
    other = replace(doubted.doubt, version=GalleryVersion(9, 20260101, 1))
    for head in (replace(base, doubt=other), replace(doubted, current=None)):
        assert not head.is_doubted
    assert isinstance(
        detect_staleness(make.BASE, make.world(replace(base, doubt=other), newest=make.OLD)), Current
    )


def test_nothing_is_built_from_a_doubted_parent() -> None:
    base, child, _ = make.settled_chain()
    answer = detect_staleness(make.CHILD, make.world(_doubted(base), child, newest=make.OLD))
    assert isinstance(answer, Unknown)
    assert answer.missing.startswith("the parent's version is not to be relied on")


def test_a_withdrawn_release_does_not_hide_a_doubt() -> None:
    base, *_ = make.settled_chain(make.NEW)
    around = make.world(base, newest=make.OLD)
    assert isinstance(detect_staleness(make.BASE, around), Current)
    assert isinstance(detect_staleness(make.BASE, make.world(_doubted(base), newest=make.OLD)), Unknown)


def _shown(head: ImageHead) -> list[tuple[ConditionType, str]]:
    found = conditions.of_image(head, Current())
    return [(each.type, each.reason) for each in found]


def test_a_doubt_is_a_condition_with_its_date() -> None:
    base, *_ = make.settled_chain()
    assert _shown(base) == []
    assert _shown(_doubted(base)) == [(ConditionType.DOUBTED, "VersionGone")]
    (shown,) = conditions.of_image(_doubted(base), Current())
    assert shown.since == make.NOW
    assert GONE in shown.message


def test_versions_that_were_taken_out_are_named_with_the_way_back() -> None:
    base, *_ = make.settled_chain()
    versions = [GalleryVersion(9, 20261101, number) for number in range(1, 13)]
    for version in versions:
        base = base.taking_out(version)
    assert base.taken_out == tuple(reversed(versions))[:10]
    assert base.taking_out(versions[5]).taken_out[0] == versions[5]
    (shown,) = conditions.of_image(base, Current())
    assert (shown.type, shown.since) == (ConditionType.TAKEN_OUT, None)
    assert f"versions include {make.BASE} VERSION" in shown.message
    assert str(versions[11]) in shown.message
    assert str(versions[6]) not in shown.message
    assert base.letting_in(versions[11]).taken_out[0] == versions[10]


@pytest.mark.parametrize(("actor", "by"), [("gallery", ", by gallery"), ("", "")])
def test_what_is_built_from_a_lost_version_names_the_nearest(actor: str, by: str) -> None:
    record = VersionRecord(
        image=make.BASE,
        version=GalleryVersion(9, 20261101, 2),
        standing=Standing.EXCLUDED,
        at=make.NOW,
        actor=actor,
        reason="it was taken out",
    )
    other = replace(record, image=make.CHILD)
    found = conditions.built_from_taken_out([record, other])
    assert found is not None
    assert (found.type, found.reason, found.since) == (
        ConditionType.BUILT_FROM_TAKEN_OUT,
        "OriginExcluded",
        make.NOW,
    )
    assert (
        found.message
        == f"it is built from {make.BASE}@9.20261101.2{by}: it was taken out; SecOps decides about it"
    )
    assert conditions.built_from_taken_out([]) is None


@pytest.mark.parametrize(
    ("version", "outcome"),
    [(None, Outcome.SUPERSEDED), (GalleryVersion(9, 20261121, 1), Outcome.SUCCEEDED)],
)
def test_a_withdrawn_build_leaves_an_input_that_can_be_used_or_built(
    version: GalleryVersion | None, outcome: Outcome
) -> None:
    build = make.build(
        Phase.FINISHED,
        result=Result.WITHDRAWN,
        version=version,
        phase_since=make.NOW + timedelta(hours=1),
    )
    claim = settle(make.claim_on(build.inputs, Outcome.IN_FLIGHT), build)
    assert (claim.outcome, claim.version) == (outcome, version)


def test_no_rule_speaks_against_an_image_that_is_not_stale() -> None:
    base, *_ = make.settled_chain()
    current, stale = (make.world(base, newest=newest) for newest in (make.OLD, make.NEW))
    wanted = make.desired(make.BASE, stale)
    assert find_rule_against(make.snapshot(make.BASE, current), make.BASE, wanted, make.NOW) is None
    snapshot = make.snapshot(make.BASE, stale)
    assert isinstance(snapshot.staleness[make.BASE], Stale)
    assert find_rule_against(snapshot, make.BASE, wanted, make.NOW) is None
