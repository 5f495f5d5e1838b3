"""Floors against each other, and waivers against SecOps' rules: what may be tried again, and what counts."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from pipeline_core.domain import access, builds, claims
from pipeline_core.domain.builds import Failure, Phase, Result
from pipeline_core.domain.claims import ClaimAnswer, Outcome
from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.policy import ComplianceFloor, Policy, WaiverRules
from pipeline_core.domain.verdicts import Verdict
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD

TODAY = date(2026, 11, 21)
RULES = WaiverRules(grantors=frozenset({"a@example.com", "b@example.com"}), longest=timedelta(days=30))
FLOOR = ComplianceFloor(
    profile="cis",
    min_score=80,
    always_fail=frozenset({Severity.HIGH}),
    ratchet=2.0,
    min_share=50.0,
    must_pass=frozenset({"no_empty_passwords"}),
    waivers=RULES,
)
STRICTER = {
    "the same": FLOOR,
    "a higher score": replace(FLOOR, min_score=90),
    "another severity": replace(FLOOR, always_fail=frozenset({Severity.HIGH, Severity.LOW})),
    "a tighter ratchet": replace(FLOOR, ratchet=0.0),
    "a share of the rules": replace(FLOOR, min_share=97.5),
    "another rule by name": replace(
        FLOOR, must_pass=frozenset({"no_empty_passwords", "aide_build_database"})
    ),
    "fewer grantors": replace(FLOOR, waivers=replace(RULES, grantors=frozenset({"a@example.com"}))),
    "another grantor": replace(FLOOR, waivers=replace(RULES, grantors=frozenset({"c@example.com"}))),
    "shorter waivers": replace(FLOOR, waivers=replace(RULES, longest=timedelta(days=7))),
}
LAXER = {
    "a lower score": replace(FLOOR, min_score=79),
    "another profile": replace(FLOOR, profile="stig"),
    "no profile": replace(FLOOR, profile=None),
    "no severity": replace(FLOOR, always_fail=frozenset()),
    "other severities": replace(FLOOR, always_fail=frozenset({Severity.LOW})),
    "a wider ratchet": replace(FLOOR, ratchet=2.5),
    "a rule less": replace(FLOOR, must_pass=frozenset({"aide_build_database"})),
    "a lower share": replace(FLOOR, min_share=49.0),
    "longer waivers": replace(FLOOR, waivers=replace(RULES, longest=timedelta(days=31))),
    "waivers of any length": replace(FLOOR, waivers=replace(RULES, longest=None)),
    "lower in one thing, higher in the others": replace(FLOOR, min_score=100, ratchet=2.5),
}


@pytest.mark.parametrize("case", STRICTER)
def test_a_floor_that_asks_for_no_less_is_not_laxer(case: str) -> None:
    assert not STRICTER[case].is_laxer(FLOOR)


@pytest.mark.parametrize("case", LAXER)
def test_a_floor_that_asks_for_less_in_anything_is_laxer(case: str) -> None:
    assert LAXER[case].is_laxer(FLOOR)


def test_rules_that_nobody_set_cannot_be_loosened() -> None:
    assert not FLOOR.is_laxer(replace(FLOOR, waivers=WaiverRules()))
    assert not ComplianceFloor().is_laxer(ComplianceFloor())


def test_a_first_policy_is_no_laxer_one() -> None:
    assert not ComplianceFloor(profile="cis", min_score=80).is_laxer(ComplianceFloor())


OID = "0d0f5a3c-1111-4222-8333-44445555aaaa"
NAMED = WaiverRules(grantors=frozenset({OID, "role:waivers.grant", "ciso@example.com"}))
FORMER = WaiverRules(grantors=frozenset({"ciso@example.com"}))


@pytest.mark.parametrize(
    ("rules", "subject", "roles", "allowed"),
    [
        (NAMED, OID, (), True),
        (NAMED, OID.upper(), (), True),
        (NAMED, "other", ("Waivers.Grant",), True),
        (NAMED, "other", ("Team.payments",), False),
        (NAMED, "other", (access.ADMIN,), False),
        (NAMED, "ciso@example.com", (), False),
        (WaiverRules(), "any", (access.ADMIN,), True),
        (WaiverRules(), "any", ("Team.payments",), False),
        (FORMER, "any", (access.ADMIN,), True),
        (FORMER, "ciso@example.com", (), False),
    ],
)
def test_only_a_proven_identity_grants_waivers(
    rules: WaiverRules, subject: str, roles: tuple[str, ...], allowed: bool
) -> None:
    assert rules.may_grant(subject, frozenset(roles)) is allowed


@pytest.mark.parametrize(
    ("rules", "days", "too_long"), [(RULES, 30, False), (RULES, 31, True), (WaiverRules(), 9999, False)]
)
def test_how_long_a_waiver_may_last(rules: WaiverRules, days: int, too_long: bool) -> None:
    assert rules.is_too_long(TODAY + timedelta(days=days), TODAY) is too_long


def test_every_floor_of_a_policy_has_its_rules_for_waivers() -> None:
    policy = Policy(revision=1, bases={BASE: ComplianceFloor(min_score=90)}, waivers=RULES)
    assert policy.floor(BASE) == ComplianceFloor(min_score=90, waivers=RULES)
    assert policy.floor(CHILD) == ComplianceFloor(waivers=RULES)


@pytest.mark.parametrize(
    ("outcome", "judged_by", "in_force", "answer"),
    [
        (Outcome.FAILED, FLOOR, LAXER["a lower score"], ClaimAnswer.BUILD),
        (Outcome.FAILED, FLOOR, FLOOR, ClaimAnswer.BLOCKED),
        (Outcome.FAILED, FLOOR, STRICTER["a higher score"], ClaimAnswer.BLOCKED),
        (Outcome.FAILED, FLOOR, None, ClaimAnswer.BLOCKED),
        (Outcome.FAILED, None, ComplianceFloor(), ClaimAnswer.BLOCKED),
        (Outcome.CANCELLED, FLOOR, ComplianceFloor(), ClaimAnswer.BLOCKED),
        (Outcome.WITHHELD, FLOOR, ComplianceFloor(), ClaimAnswer.BLOCKED),
    ],
)
def test_what_a_floor_refused_may_try_again_under_a_laxer_one(
    outcome: Outcome, judged_by: ComplianceFloor | None, in_force: ComplianceFloor | None, answer: ClaimAnswer
) -> None:
    inputs = make.desired(BASE, make.world(make.head()))
    claim = replace(make.claim_on(inputs, outcome), floor=judged_by)
    assert claims.read_claim(claim, make.NOW, floor=in_force) is answer


@pytest.mark.parametrize(
    ("gate", "passed", "error_class", "kept"),
    [
        ("compliance", False, ErrorClass.COMPLIANCE, FLOOR),
        ("severities", False, ErrorClass.COMPLIANCE, FLOOR),
        ("share", False, ErrorClass.COMPLIANCE, FLOOR),
        ("rules", False, ErrorClass.COMPLIANCE, FLOOR),
        ("waivers", False, ErrorClass.COMPLIANCE, FLOOR),
        ("ratchet", False, ErrorClass.COMPLIANCE, FLOOR),
        ("hygiene", False, ErrorClass.HYGIENE, None),
        ("compliance", True, ErrorClass.COMPLIANCE, None),
        ("compliance", False, ErrorClass.EVICTION, None),
    ],
)
def test_a_claim_remembers_the_floor_only_where_a_gate_refused_that_looks_at_it(
    gate: str, passed: bool, error_class: ErrorClass, kept: ComplianceFloor | None
) -> None:
    judged = replace(
        make.build(Phase.VERIFYING),
        verdicts=(Verdict(gate=gate, passed=passed, evidence="e"),),
        floor=FLOOR,
    )
    failure = Failure(error_class=error_class, message="why")
    ended = builds.finish(judged, Result.FAILED, make.NOW, failure=failure)
    inputs = make.desired(BASE, make.world(make.head()))
    settled = claims.settle(make.claim_on(inputs, Outcome.IN_FLIGHT), ended)
    assert settled.floor == kept
