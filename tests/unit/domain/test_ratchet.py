"""The ratchet: a child against its parent, over two versions of the scanner's content too, and after a loss."""

import dataclasses
from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from pipeline_core.domain import scan_gates
from pipeline_core.domain.compliance import ParentScore, RuleCounts, RuleFinding, Scan, Severity, WantedScan
from pipeline_core.domain.definitions import Waiver
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import Verdict

TODAY = date(2026, 11, 21)
HIGH, MEDIUM = Severity.HIGH, Severity.MEDIUM


def _finding(rule: str, severity: Severity = MEDIUM, result: str = "fail") -> RuleFinding:
    return RuleFinding(rule=rule, result=result, severity=severity, title=f"Title of {rule}")


def _scan(score: float, *findings: RuleFinding, passed: int = 20, profile: str = "cis") -> Scan:
    results = [finding.result for finding in findings]
    counts = RuleCounts(
        passed=passed,
        failed=results.count("fail"),
        error=results.count("error"),
        unknown=results.count("unknown"),
    )
    return Scan(profile=profile, score=score, counts=counts, findings=findings)


def _waiver(rule: str, *, days: int = 30, owner: str = "sec@example.com") -> Waiver:
    return Waiver(
        rule=rule, reason="until the vendor repairs it", owner=owner, expires=TODAY + timedelta(days=days)
    )


def _judge(
    scan: Scan | None,
    *waivers: Waiver,
    least: int = 90,
    floor: ComplianceFloor | None = None,
    parent: ParentScore | None = None,
) -> dict[str, Verdict]:
    found = scan_gates.judge(
        WantedScan(profile="cis", min_score=least),
        scan,
        waivers=waivers,
        today=TODAY,
        floor=floor or ComplianceFloor(),
        parent=parent,
    )
    return {verdict.gate: verdict for verdict in found}


def _parent(score: float | None = 95, **fields: object) -> ParentScore:
    return dataclasses.replace(ParentScore(parent="base@9.20261121.1", profile="cis", score=score), **fields)  # type: ignore[arg-type]


_OLD, _NEW = "RHEL-9 0.1.76", "RHEL-9 0.1.80"
_SHARED = frozenset(f"rule_{number}" for number in range(19))


def test_case_04_two_benchmarks_are_compared_over_the_rules_of_both() -> None:
    """One machine state, scanned twice: the newer content has a rule more, and no step has made it fail."""
    child = dataclasses.replace(
        _scan(90.47, _finding("sudo"), _finding("crypto", HIGH), passed=19), benchmark=_NEW, passed=_SHARED
    )
    parent = _parent(95, benchmark=_OLD, passed=_SHARED, failed=frozenset({"sudo"}))
    verdict = _judge(child, parent=parent)["ratchet"]
    assert verdict.passed
    assert verdict.score == 95
    assert verdict.benchmark == _NEW
    assert (
        "95 against 95 of the parent base@9.20261121.1 over the 20 rules of both benchmarks"
        in verdict.evidence
    )
    assert _OLD in verdict.evidence
    assert _NEW in verdict.evidence


def test_a_rule_of_both_benchmarks_that_the_child_broke_is_named() -> None:
    child = dataclasses.replace(
        _scan(90.47, _finding("sudo"), _finding("rule_3")), benchmark=_NEW, passed=_SHARED - {"rule_3"}
    )
    parent = _parent(95, benchmark=_OLD, passed=_SHARED, failed=frozenset({"sudo"}))
    verdict = _judge(child, parent=parent)["ratchet"]
    assert not verdict.passed
    assert "90 against 95" in verdict.evidence
    assert "waive it by name: rule_3 (medium)" in verdict.evidence
    assert _judge(child, _waiver("rule_3"), parent=parent)["ratchet"].passed
    tolerant = ComplianceFloor(ratchet=5)
    assert _judge(child, parent=parent, floor=tolerant)["ratchet"].passed


@pytest.mark.parametrize(
    ("child", "passed", "why"),
    [
        ({"benchmark": _NEW}, _SHARED, "no rules of both are known"),
        ({"benchmark": _NEW, "passed": frozenset({"other"})}, _SHARED, "no rules of both are known"),
        ({"benchmark": _NEW, "passed": _SHARED}, frozenset(), "no rules of both are known"),
    ],
    ids=["a scan without rules", "no rule of both", "a parent without rules"],
)
def test_other_benchmarks_without_common_rules_have_nothing_to_compare(
    child: dict[str, object], passed: frozenset[str], why: str
) -> None:
    scan = dataclasses.replace(_scan(90), **child)  # type: ignore[arg-type]
    verdict = _judge(scan, parent=_parent(95, benchmark=_OLD, passed=passed))["ratchet"]
    assert verdict.passed
    assert why in verdict.evidence


def test_the_same_benchmark_is_compared_by_its_scores() -> None:
    scan = dataclasses.replace(_scan(94, _finding("a")), benchmark=_OLD, passed=_SHARED)
    parent = _parent(95, benchmark=_OLD, passed=_SHARED)
    verdict = _judge(scan, parent=parent)["ratchet"]
    assert (verdict.passed, verdict.score) == (False, 94)
    assert "rebuild the parent" not in verdict.evidence


def test_a_parent_of_an_unknown_benchmark_is_compared_and_the_text_says_what_may_be_wrong() -> None:
    scan = dataclasses.replace(_scan(94, _finding("a")), benchmark=_NEW)
    verdict = _judge(scan, parent=_parent(95))["ratchet"]
    assert not verdict.passed
    assert f"newer now ({_NEW}), rebuild the parent first" in verdict.evidence


def test_a_lost_score_holds_the_version_back() -> None:
    verdict = _judge(_scan(99), parent=_parent(None, lost="build b has no report"))["ratchet"]
    assert (verdict.passed, verdict.held) == (False, True)
    assert "cannot be found (build b has no report), so this version waits" in verdict.evidence


BASE = ParentScore(parent="rhel9-base@9.20261121.1", profile="cis", score=90.1)
RATCHET: Mapping[str, tuple[float, ParentScore, float, bool, str]] = {
    "better": (95, BASE, 0, True, "95 against 90.1 of the parent rhel9-base@9.20261121.1, and never less"),
    "alike": (90.1, BASE, 0, True, "90.1 against 90.1"),
    "worse": (90, BASE, 0, False, "repair the rules that this image's own steps made fail"),
    "worse within the tolerance": (89.8, BASE, 0.3, True, "at most 0.3 points less"),
    "worse by just the tolerance": (89.1, BASE, 1.0, True, "at most 1 points less"),
    "worse than the tolerance": (89, BASE, 1.0, False, "89 against 90.1"),
    "the parent has no score": (
        10,
        ParentScore(parent="b@1.2.3"),
        0,
        True,
        "nothing to compare with the parent b@1.2.3",
    ),
    "the parent's is by another profile": (
        10,
        dataclasses.replace(BASE, profile="stig"),
        0,
        True,
        "it was scanned by stig, not by cis",
    ),
}


@pytest.mark.parametrize(
    ("score", "parent", "tolerance", "passed", "text"), RATCHET.values(), ids=RATCHET.keys()
)
def test_a_child_never_scores_below_its_parent(
    score: float, parent: ParentScore, tolerance: float, passed: bool, text: str
) -> None:
    floor = ComplianceFloor(ratchet=tolerance)
    verdict = _judge(_scan(score, _finding("a")), least=0, floor=floor, parent=parent)["ratchet"]
    assert verdict.passed is passed
    assert text in verdict.evidence


def test_a_rule_that_is_waived_does_not_count_against_the_parent() -> None:
    found = _judge(_scan(80, _finding("a")), _waiver("a"), parent=BASE)
    assert found["ratchet"].passed
    assert found["ratchet"].score == 100


def test_the_content_of_the_scanner_is_named() -> None:
    scan = dataclasses.replace(_scan(95, _finding("a")), benchmark=_NEW)
    verdict = _judge(scan)["compliance"]
    assert f"scored 95 of at least 90 with the content {'RHEL-9 0.1.80'}; of 21 rules" in verdict.evidence
    assert verdict.benchmark == _NEW
