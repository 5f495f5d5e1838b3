"""A waiver counts by its grant alone: what a definition says is a request, and one that ended is not there."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline_core.domain import registered_conditions, waivers
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.definitions import (
    BuildRecipe,
    ComplianceTarget,
    ImageDefinition,
    OsTraits,
    Publication,
    RebuildRules,
    Retention,
    TargetRegion,
    Verification,
    Waiver,
    WaiverKind,
)
from pipeline_core.domain.grants import SOON, GrantDecision
from pipeline_core.domain.names import Region, TeamName
from pipeline_core.domain.policy import OPEN, Policy, WaiverRules
from pipeline_core.domain.waivers import JudgedWaiver, WaiverGrant, WaiverState
from tests.unit.domain import factories as make

TODAY = date(2026, 11, 21)
MADE = GrantDecision(
    by=Actor(name="Sec Ops", identity="user:0001@t"), at=datetime(2026, 11, 1, tzinfo=UTC), reason="seen"
)
RULE = "xccdf_org.ssgproject.content_rule_partition_for_tmp"
PATH = "/opt/app/key.pem"


def _definition(*scans: Waiver, others: tuple[Waiver, ...] = ()) -> ImageDefinition:
    target = ComplianceTarget(profile="cis", min_score=90, waivers=scans)
    return ImageDefinition(
        name=make.BASE,
        team=make.TEAM,
        owners=("a@example.com",),
        origin=make.SOURCE,
        os=OsTraits(),
        build=BuildRecipe(vm_size="Standard_D2s_v5", timeout=timedelta(hours=1)),
        verify=Verification(compliance=target if scans else None, waivers=others),
        publish=Publication(regions=(TargetRegion(name=Region("westeurope")),)),
        rebuild=RebuildRules(),
        retention=Retention(),
        bundle=make.digest("3"),
    )


def _grant(**changes: object) -> WaiverGrant:
    given = {
        "image": make.BASE,
        "team": make.TEAM,
        "kind": WaiverKind.SCAN,
        "rule": "partition_for_tmp",
        "until": TODAY,
        "granted": MADE,
    } | changes
    return WaiverGrant(**given)  # type: ignore[arg-type]


def _judged(
    *grants: WaiverGrant, asked: Waiver | None = None, rules: WaiverRules | None = None
) -> JudgedWaiver:
    """The one waiver of a definition that claims to be granted by SecOps, as older definitions do."""
    claimed = Waiver(rule=RULE, reason="later", owner="secops@example.com", expires=date(2030, 1, 1))
    asked = asked or claimed
    scans = (asked,) if asked.kind is WaiverKind.SCAN else ()
    definition = _definition(*scans, others=() if scans else (asked,))
    (found,) = waivers.judge(definition, grants, today=TODAY, rules=rules or WaiverRules())
    return found


STATES: dict[str, tuple[WaiverGrant, WaiverState]] = {
    "granted": (_grant(), WaiverState.GRANTED),
    "ended": (_grant(until=TODAY - timedelta(days=1)), WaiverState.ENDED),
    "withdrawn": (_grant(withdrawn=MADE), WaiverState.WITHDRAWN),
    "of another rule": (_grant(rule="other"), WaiverState.ASKED),
    "of another kind": (_grant(kind=WaiverKind.INVARIANT), WaiverState.ASKED),
    "to another team": (_grant(team=TeamName("other")), WaiverState.ASKED),
    "with a path": (_grant(path=PATH), WaiverState.ASKED),
}


@pytest.mark.parametrize("case", STATES)
def test_only_a_grant_for_this_image_rule_and_team_counts(case: str) -> None:
    grant, state = STATES[case]
    judged = _judged(grant)
    assert (judged.state, judged.counts) == (state, state is WaiverState.GRANTED)


UNASKED: dict[str, tuple[WaiverGrant, bool]] = {
    "holds": (_grant(rule="other"), True),
    "is asked for": (_grant(), False),
    "ended": (_grant(rule="other", until=TODAY - timedelta(days=1)), False),
    "withdrawn": (_grant(rule="other", withdrawn=MADE), False),
    "of another team": (_grant(rule="other", team=TeamName("other")), False),
}


@pytest.mark.parametrize("case", UNASKED)
def test_a_grant_that_holds_and_is_not_asked_for_is_found_and_does_not_count(case: str) -> None:
    grant, is_found = UNASKED[case]
    definition = _definition(Waiver(rule=RULE, reason="x"))
    found = waivers.unasked(definition, [grant], today=TODAY, rules=WaiverRules())
    assert [each.grant for each in found] == ([grant] if is_found else [])
    for each in found:
        assert (each.state, each.rule) == (WaiverState.UNASKED, "other")
        assert not each.counts
        assert not each.is_missing
    assert _judged().is_missing


def test_what_the_document_claims_is_only_a_request() -> None:
    judged = _judged()
    assert (judged.state, judged.told) == (WaiverState.ASKED, "asked for, and granted by nobody")
    assert "secops@example.com" not in waivers.missing([judged])


@pytest.mark.parametrize(
    ("longest", "state"), [(20, WaiverState.GRANTED), (19, WaiverState.TOO_LONG)], ids=["fits", "too long"]
)
def test_a_policy_that_was_made_shorter_holds_for_former_grants(longest: int, state: WaiverState) -> None:
    assert _judged(_grant(), rules=WaiverRules(longest=timedelta(days=longest))).state is state


OTHERS: dict[str, Waiver] = {
    "hygiene": Waiver(rule="private-key", path=PATH, reason="r", kind=WaiverKind.HYGIENE),
    "invariant": Waiver(rule="Service: auditd: enabled", reason="r", kind=WaiverKind.INVARIANT),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_other_kinds_are_granted_by_rule_and_path_or_by_name(case: str) -> None:
    asked = OTHERS[case]
    grant = _grant(kind=asked.kind, rule=asked.rule, path=asked.path)
    assert _judged(grant, asked=asked).counts
    assert not _judged(replace(grant, path="/etc/other"), asked=asked).counts
    assert f"--kind {case}" in _judged(asked=asked).remedy


def _refused(expires: date | None, policy: Policy = OPEN) -> list[str]:
    definition = _definition(Waiver(rule="r", reason="x", expires=expires))
    return [str(breach) for breach in waivers.refusals(definition, policy, TODAY)]


def test_a_day_that_has_passed_is_refused_and_one_that_is_too_far_away() -> None:
    place = "spec.verify.compliance.waivers[0].expires"
    month = Policy(revision=4, waivers=WaiverRules(longest=timedelta(days=30)))
    assert _refused(None) == _refused(TODAY) == _refused(TODAY + timedelta(days=30), month) == []
    (past,) = _refused(TODAY - timedelta(days=1), month)
    assert past.startswith(f"{place}: is 2026-11-20, which has passed")
    (far,) = _refused(TODAY + timedelta(days=31), month)
    assert far == f"{place}: is 2026-12-22, and policy 4 lets a waiver last 30d"


CONDITIONS: dict[str, tuple[WaiverGrant | None, str, date | None]] = {
    "asked": (None, "", None),
    "granted": (_grant(until=TODAY + SOON + timedelta(days=1)), "", None),
    "soon": (_grant(until=TODAY + SOON), "WaiverEndsSoon", None),
    "ended": (_grant(until=TODAY - timedelta(days=2)), "WaiverEnded", TODAY - timedelta(days=1)),
    "withdrawn": (_grant(withdrawn=MADE), "WaiverEnded", MADE.at.date()),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_an_image_says_that_a_waiver_ends(case: str) -> None:
    grant, reason, since = CONDITIONS[case]
    judged = _judged(*(() if grant is None else (grant,)))
    found = registered_conditions.of_waivers([judged], TODAY)
    assert [each.reason for each in found] == ([reason] if reason else [])
    for each in found:
        assert (None if each.since is None else each.since.date()) == since
        assert "partition_for_tmp" in each.message
        assert "waivers grant rhel9-base partition_for_tmp" in each.message


def test_a_grant_that_cannot_be_read_counts_as_none_and_says_so() -> None:
    asked = Waiver(rule=RULE, reason="x")
    (judged,) = waivers.judge(_definition(asked), (), today=TODAY, rules=WaiverRules(), unreadable=(asked,))
    assert (judged.state, judged.counts) == (WaiverState.UNREADABLE, False)
    (shown,) = registered_conditions.of_waivers([judged], TODAY)
    assert (shown.reason, shown.since) == ("WaiverUnreadable", None)
    assert "imagefactory state unreadable" in shown.message
    other = _judged(_grant(until=TODAY - timedelta(days=1)))
    (both,) = registered_conditions.of_waivers([judged, other], TODAY)
    assert both.reason == "WaiverEnded"
