"""The ratchet: a child against its parent, over two versions of the scanner's content too, and after a loss."""

import dataclasses
from collections.abc import Mapping

import pytest

from pipeline_core.domain.compliance import ParentScore, Severity
from pipeline_core.domain.policy import ComplianceFloor
from tests.unit.domain import scans

HIGH, MEDIUM = Severity.HIGH, Severity.MEDIUM


def _parent(score: float | None = 95, **fields: object) -> ParentScore:
    return dataclasses.replace(ParentScore(parent="base@9.20261121.1", profile="cis", score=score), **fields)  # type: ignore[arg-type]


_OLD, _NEW = "RHEL-9 0.1.76", "RHEL-9 0.1.80"
_SHARED = frozenset(f"rule_{number}" for number in range(19))


def test_case_04_two_benchmarks_are_compared_over_the_rules_of_both() -> None:
    """One machine state, scanned twice: the newer content has a rule more, and no step has made it fail."""
    child = dataclasses.replace(
        scans.scan(90.47, scans.finding("sudo"), scans.finding("crypto", HIGH), passed=19),
        benchmark=_NEW,
        passed=_SHARED,
    )
    parent = _parent(95, benchmark=_OLD, passed=_SHARED, failed=frozenset({"sudo"}))
    verdict = scans.judge(child, parent=parent)["ratchet"]
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
        scans.scan(90.47, scans.finding("sudo"), scans.finding("rule_3")),
        benchmark=_NEW,
        passed=_SHARED - {"rule_3"},
    )
    parent = _parent(95, benchmark=_OLD, passed=_SHARED, failed=frozenset({"sudo"}))
    verdict = scans.judge(child, parent=parent)["ratchet"]
    assert not verdict.passed
    assert "90 against 95" in verdict.evidence
    assert "waive it by name: rule_3 (medium)" in verdict.evidence
    assert scans.judge(child, scans.waiver("rule_3"), parent=parent)["ratchet"].passed
    tolerant = ComplianceFloor(ratchet=5)
    assert scans.judge(child, parent=parent, floor=tolerant)["ratchet"].passed


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
    scan = dataclasses.replace(scans.scan(90), **child)  # type: ignore[arg-type]
    verdict = scans.judge(scan, parent=_parent(95, benchmark=_OLD, passed=passed))["ratchet"]
    assert verdict.passed
    assert why in verdict.evidence


def test_the_same_benchmark_is_compared_by_its_scores() -> None:
    scan = dataclasses.replace(scans.scan(94, scans.finding("a")), benchmark=_OLD, passed=_SHARED)
    parent = _parent(95, benchmark=_OLD, passed=_SHARED)
    verdict = scans.judge(scan, parent=parent)["ratchet"]
    assert (verdict.passed, verdict.score) == (False, 94)
    assert "rebuild the parent" not in verdict.evidence


def test_a_parent_of_an_unknown_benchmark_is_compared_and_the_text_says_what_may_be_wrong() -> None:
    scan = dataclasses.replace(scans.scan(94, scans.finding("a")), benchmark=_NEW)
    verdict = scans.judge(scan, parent=_parent(95))["ratchet"]
    assert not verdict.passed
    assert f"newer now ({_NEW}), rebuild the parent first" in verdict.evidence


def test_a_lost_score_holds_the_version_back() -> None:
    verdict = scans.judge(scans.scan(99), parent=_parent(None, lost="build b has no report"))["ratchet"]
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
    verdict = scans.judge(scans.scan(score, scans.finding("a")), least=0, floor=floor, parent=parent)[
        "ratchet"
    ]
    assert verdict.passed is passed
    assert text in verdict.evidence


def test_a_rule_that_is_waived_does_not_count_against_the_parent() -> None:
    found = scans.judge(scans.scan(80, scans.finding("a")), scans.waiver("a"), parent=BASE)
    assert found["ratchet"].passed
    assert found["ratchet"].score == 100


def test_the_content_of_the_scanner_is_named() -> None:
    scan = dataclasses.replace(scans.scan(95, scans.finding("a")), benchmark=_NEW)
    verdict = scans.judge(scan)["compliance"]
    assert f"scored 95 of at least 90 with the content {'RHEL-9 0.1.80'}; of 21 rules" in verdict.evidence
    assert verdict.benchmark == _NEW
