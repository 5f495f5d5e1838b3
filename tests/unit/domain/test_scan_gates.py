"""A scan is judged by score, severities, waivers and the parent: truth tables, and laws that hold for any scan."""

import dataclasses
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.compliance import (
    ParentScore,
    RuleCounts,
    RuleFinding,
    Scan,
    Severity,
    short_id,
)
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import EVIDENCE_LIMIT
from pipeline_core.domain.waivers import JudgedWaiver, WaiverState
from tests.unit.domain import scans

PREFIX = "xccdf_org.ssgproject.content_rule_"
BASE = ParentScore(parent="rhel9-base@9.20261121.1", profile="cis", score=90.1)
HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW


SCORES = {
    "above": (95, 90, True),
    "exactly": (90, 90, True),
    "just below": (89.999, 90, False),
    "nothing is demanded": (0, 0, True),
    "everything is demanded and reached": (100, 100, True),
    "everything is demanded": (99.99, 100, False),
}


@pytest.mark.parametrize(("score", "least", "passed"), SCORES.values(), ids=SCORES.keys())
def test_the_score_is_held_to_what_is_wanted(score: float, least: int, passed: bool) -> None:
    verdict = scans.judge(scans.scan(score, scans.finding("a")), least=least)["compliance"]
    assert (verdict.passed, verdict.score, verdict.scanned, verdict.profile) == (passed, score, score, "cis")


def test_a_score_that_misses_its_goal_does_not_read_as_the_goal() -> None:
    assert (
        "scored 89.99 of at least 90"
        in scans.judge(scans.scan(89.9999, scans.finding("a")))["compliance"].evidence
    )


def test_the_text_counts_and_names_the_worst_first_and_says_what_to_do() -> None:
    findings = (
        scans.finding("a", LOW),
        scans.finding("z", HIGH, "error"),
        scans.finding("m", MEDIUM, "unknown"),
    )
    assert scans.judge(scans.scan(80, *findings))["compliance"].evidence == (
        "cis scored 80 of at least 90; of 23 rules 1 failed, 1 ended in an error, 1 had an unknown result: "
        "z (high, error), m (medium, unknown), a (low); repair them, or ask for waivers by name, which SecOps grants "
        "until a day"
    )


def test_a_clean_scan_says_so() -> None:
    assert (
        scans.judge(scans.scan(100))["compliance"].evidence
        == "cis scored 100 of at least 90; all of 20 rules passed"
    )


def test_a_score_too_low_without_a_failed_rule_is_a_question_for_secops() -> None:
    verdict = scans.judge(scans.scan(50))["compliance"]
    assert not verdict.passed
    assert verdict.evidence.endswith(
        "ask SecOps: no rule is left to repair or waive, and the score is still too low"
    )


@pytest.mark.parametrize(("failed", "end"), [(8, "r7 (medium)"), (9, "and 1 more"), (20, "and 12 more")])
def test_the_text_says_how_many_it_does_not_name(failed: int, end: str) -> None:
    text = scans.judge(scans.scan(10, *(scans.finding(f"r{number}") for number in range(failed))))[
        "compliance"
    ].evidence
    assert f"{end}; repair them" in text


def test_severities_that_always_fail_are_named_from_the_worst() -> None:
    floor = ComplianceFloor(always_fail=frozenset(Severity))
    text = scans.judge(scans.scan(95, scans.finding("a", LOW)), floor=floor)["severities"].evidence
    assert text.startswith(
        "no rule of severity high, medium, low, info, unknown may fail without a waiver: a (low)"
    )


def test_a_hundred_failed_rules_are_counted_and_some_named() -> None:
    findings = [scans.finding(f"{'r' * 180}{number:03}") for number in range(100)]
    text = scans.judge(scans.scan(10, *findings))["compliance"].evidence
    assert len(text) == EVIDENCE_LIMIT
    assert "100 failed" in text
    assert text.endswith("…")


DOUBTS: Mapping[str, tuple[Scan | None, str]] = {
    "no scan": (None, "no scan by cis was reported"),
    "another profile": (scans.scan(100, profile="stig"), "the scan was by stig, and cis is required"),
    "no rule was evaluated": (scans.scan(100, passed=0), "evaluated no rule"),
    "counts more than it names": (
        dataclasses.replace(scans.scan(100), counts=RuleCounts(passed=5, error=1)),
        "counts 1 rules that did not pass and names 0",
    ),
    "names more than it counts": (
        dataclasses.replace(scans.scan(100, scans.finding("a")), counts=RuleCounts(passed=5)),
        "counts 0 rules that did not pass and names 1",
    ),
}


@pytest.mark.parametrize(("scan", "text"), DOUBTS.values(), ids=DOUBTS.keys())
def test_a_scan_that_proves_nothing_refuses_and_nothing_else_is_judged_by_it(
    scan: Scan | None, text: str
) -> None:
    floor = ComplianceFloor(always_fail=frozenset({HIGH}))
    found = scans.judge(
        scan, scans.waiver("a"), least=0, floor=floor, parent=ParentScore(parent="base@1.2.3")
    )
    assert list(found) == ["compliance"]
    assert not found["compliance"].passed
    assert text in found["compliance"].evidence


def test_ids_are_the_same_with_and_without_their_prefix() -> None:
    scan = dataclasses.replace(scans.scan(95), profile="xccdf_org.ssgproject.content_profile_cis")
    assert scans.judge(scan)["compliance"].passed
    assert short_id("xccdf_com.example_rule_a_rule_b") == "a_rule_b"
    assert short_id("no_rule_of_that_kind") == "no_rule_of_that_kind"
    found = scans.judge(scans.scan(80, scans.finding("a")), scans.waiver(f"{PREFIX}a"))
    assert found["compliance"].score == 100


SEVERITIES: Mapping[str, tuple[Sequence[RuleFinding], Sequence[JudgedWaiver], bool]] = {
    "nothing failed": ([], [], True),
    "only lesser ones failed": ([scans.finding("a", MEDIUM), scans.finding("b", Severity.UNKNOWN)], [], True),
    "one failed": ([scans.finding("a", HIGH)], [], False),
    "one ended in an error": ([scans.finding("a", HIGH, "error")], [], False),
    "one could not be told": ([scans.finding("a", HIGH, "unknown")], [], False),
    "it is waived": ([scans.finding("a", HIGH)], [scans.waiver("a")], True),
    "an error is waived by name": ([scans.finding("a", HIGH, "error")], [scans.waiver("a")], True),
    "it is waived until today": ([scans.finding("a", HIGH)], [scans.waiver("a", days=0)], True),
    "its waiver has expired": ([scans.finding("a", HIGH)], [scans.waiver("a", days=-1)], False),
    "its waiver is not granted": (
        [scans.finding("a", HIGH)],
        [scans.waiver("a", state=WaiverState.ASKED)],
        False,
    ),
    "its waiver was withdrawn": (
        [scans.finding("a", HIGH)],
        [scans.waiver("a", state=WaiverState.WITHDRAWN)],
        False,
    ),
    "another one is waived": ([scans.finding("a", HIGH)], [scans.waiver("b")], False),
    "one of two is waived": (
        [scans.finding("a", HIGH), scans.finding("b", HIGH)],
        [scans.waiver("a")],
        False,
    ),
}


@pytest.mark.parametrize(("findings", "waivers", "passed"), SEVERITIES.values(), ids=SEVERITIES.keys())
def test_no_rule_of_a_forbidden_severity_may_fail_without_a_waiver(
    findings: Sequence[RuleFinding], waivers: Sequence[JudgedWaiver], passed: bool
) -> None:
    floor = ComplianceFloor(always_fail=frozenset({HIGH, LOW}))
    verdict = scans.judge(scans.scan(95, *findings), *waivers, floor=floor)["severities"]
    assert verdict.passed is passed
    assert "severity high, low" in verdict.evidence
    assert ("a (high" in verdict.evidence or "b (high" in verdict.evidence) is not passed


GRANTED = "granted by Sec Ops (user:0001@t) on 2026-11-01 until 2026-12-21"
WAIVERS: Mapping[str, tuple[Sequence[str], Sequence[JudgedWaiver], float, str]] = {
    "half of the lost points": (["a", "b"], [scans.waiver("a")], 90, f"waived: a ({GRANTED})"),
    "all of them": (["a", "b"], [scans.waiver("a"), scans.waiver("b")], 100, "waived: a "),
    "not needed": (["a"], [scans.waiver("c")], 80, "not needed, because the rule did not fail: c"),
    "ended and not needed": (
        ["a"],
        [scans.waiver("c", days=-1)],
        80,
        "not needed, because the rule did not fail: c",
    ),
    "ended and failing": (
        ["a"],
        [scans.waiver("a", days=-1)],
        80,
        "not counted: a (its grant by Sec Ops (user:0001@t) ended on 2026-11-20)",
    ),
    "asked for": (
        ["a"],
        [scans.waiver("a", state=WaiverState.ASKED)],
        80,
        "not counted: a (asked for, and granted by nobody)",
    ),
    "withdrawn": (
        ["a"],
        [scans.waiver("a", state=WaiverState.WITHDRAWN)],
        80,
        "not counted: a (withdrawn by Sec Ops (user:0001@t) on 2026-11-01)",
    ),
    "too long": (
        ["a"],
        [scans.waiver("a", state=WaiverState.TOO_LONG)],
        80,
        "not counted: a (granted by Sec Ops (user:0001@t) until 2026-12-21, longer than SecOps allows now)",
    ),
    "one of two ended": (["a", "b"], [scans.waiver("a"), scans.waiver("b", days=-3)], 90, "not counted: b "),
    "again under the full id": (
        ["a"],
        [scans.waiver("a", days=-1), scans.waiver(f"{PREFIX}a")],
        100,
        "waived: a ",
    ),
    "it takes every result of a rule": (["a", "a"], [scans.waiver("a")], 100, "waived: a "),
}


@pytest.mark.parametrize(("failed", "waivers", "score", "text"), WAIVERS.values(), ids=WAIVERS.keys())
def test_granted_waivers_give_back_the_points_of_their_rules(
    failed: Sequence[str], waivers: Sequence[JudgedWaiver], score: float, text: str
) -> None:
    found = scans.judge(scans.scan(80, *map(scans.finding, failed)), *waivers)
    assert found["waivers"].passed
    assert text in found["waivers"].evidence
    assert found["compliance"].score == score
    assert found["compliance"].scanned == 80
    assert ("(80 before waivers)" in found["compliance"].evidence) is (score != 80)


@pytest.mark.parametrize("state", [each for each in WaiverState if each is not WaiverState.GRANTED])
def test_a_waiver_that_does_not_count_is_as_if_it_were_not_there(state: WaiverState) -> None:
    """An image whose waiver has ended is never worse off than one that has none."""
    floor = ComplianceFloor(always_fail=frozenset({LOW}))
    scan = scans.scan(96, scans.finding("a"), scans.finding("b"))
    without, with_void = (
        scans.judge(scan, floor=floor),
        scans.judge(scan, scans.waiver("a", state=state), floor=floor),
    )
    assert all(each.passed for each in with_void.values())
    assert {gate: each.passed for gate, each in without.items()} == {
        gate: each.passed for gate, each in with_void.items() if gate != "waivers"
    }


def test_a_gate_that_fails_names_what_to_ask_for() -> None:
    floor = ComplianceFloor(always_fail=frozenset({HIGH}))
    found = scans.judge(
        scans.scan(80, scans.finding("a", HIGH)), scans.waiver("a", state=WaiverState.ASKED), floor=floor
    )
    command = "`imagefactory waivers grant payments-api a --until DAY --reason TEXT`"
    for gate in ("compliance", "severities"):
        assert not found[gate].passed
        assert f"a is asked for, and granted by nobody: ask SecOps to run {command}" in found[gate].evidence


def test_nobody_is_asked_to_repair_what_is_waived() -> None:
    text = scans.judge(scans.scan(80, scans.finding("a")), scans.waiver("a"))["compliance"].evidence
    assert text.endswith("of 21 rules 1 failed, 0 ended in an error, 0 had an unknown result: all are waived")


def test_only_gates_that_apply_are_judged() -> None:
    assert list(scans.judge(scans.scan(95))) == ["compliance"]
    everything = scans.judge(
        scans.scan(95), scans.waiver("a"), floor=ComplianceFloor(always_fail=frozenset({HIGH})), parent=BASE
    )
    assert list(everything) == ["compliance", "severities", "waivers", "ratchet"]


def test_what_a_simulated_scan_proves_is_simulated() -> None:
    floor = ComplianceFloor(always_fail=frozenset({HIGH}))
    for parent in (BASE, ParentScore(parent="b@1.2.3")):
        scan = dataclasses.replace(scans.scan(95), simulated=True)
        assert all(
            each.simulated
            for each in scans.judge(scan, scans.waiver("a"), floor=floor, parent=parent).values()
        )
    assert scans.judge(dataclasses.replace(scans.scan(95, passed=0), simulated=True))["compliance"].simulated


_rules = st.sampled_from("abcdefgh")
_findings = st.lists(
    st.builds(
        scans.finding, _rules, st.sampled_from(Severity), st.sampled_from(["fail", "error", "unknown"])
    ),
    max_size=8,
)
_scans = st.builds(lambda score, findings: scans.scan(score, *findings), st.floats(0, 100), _findings)
_waivers = st.lists(
    st.builds(lambda rule, days: scans.waiver(rule, days=days), _rules, st.integers(-3, 3)),
    max_size=5,
    unique_by=lambda waiver: waiver.rule,
)
_floors = st.builds(
    ComplianceFloor,
    always_fail=st.frozensets(st.sampled_from(Severity)),
    ratchet=st.floats(0, 10),
    min_share=st.floats(0, 100),
    must_pass=st.frozensets(st.sampled_from("abcd"), max_size=2),
)


@given(_scans, _waivers, st.integers(0, 100), _floors)
def test_a_valid_waiver_never_makes_it_worse_and_a_void_one_never_makes_it_better(
    scan: Scan, waivers: list[JudgedWaiver], least: int, floor: ComplianceFloor
) -> None:
    valid = [waiver for waiver in waivers if waiver.counts]
    without, some, every = (
        scans.judge(scan, *given, least=least, floor=floor) for given in ([], valid, waivers)
    )
    for gate in ("compliance", "severities", "share", "rules"):
        if gate in without:
            assert some[gate].passed >= without[gate].passed
            assert every[gate].passed is some[gate].passed
    score = some["compliance"].score
    assert score is not None
    assert scan.score <= score <= 100


@given(_scans, _waivers, st.integers(0, 100), _floors)
def test_what_passes_has_no_unwaived_rule_of_a_forbidden_severity(
    scan: Scan, waivers: list[JudgedWaiver], least: int, floor: ComplianceFloor
) -> None:
    found = scans.judge(scan, *waivers, least=least, floor=floor)
    if not all(verdict.passed for verdict in found.values()):
        return
    valid = {waiver.rule for waiver in waivers if waiver.counts}
    assert not [
        each for each in scan.findings if each.severity in floor.always_fail and each.rule not in valid
    ]


@given(_scans, st.integers(0, 100), _floors, _floors)
def test_a_stricter_floor_never_lets_more_pass(
    scan: Scan, least: int, floor: ComplianceFloor, other: ComplianceFloor
) -> None:
    stricter = dataclasses.replace(
        floor,
        always_fail=floor.always_fail | other.always_fail,
        ratchet=min(floor.ratchet, other.ratchet),
        min_share=max(floor.min_share, other.min_share),
        must_pass=floor.must_pass | other.must_pass,
    )
    loose = scans.judge(scan, least=least, floor=floor, parent=BASE)
    strict = scans.judge(scan, least=min(least + 5, 100), floor=stricter, parent=BASE)
    assert all(each.passed for each in loose.values()) >= all(each.passed for each in strict.values())


@given(_scans, _waivers, _floors)
def test_texts_are_bounded_and_never_empty(
    scan: Scan, waivers: list[JudgedWaiver], floor: ComplianceFloor
) -> None:
    for verdict in scans.judge(scan, *waivers, floor=floor, parent=BASE).values():
        assert 0 < len(verdict.evidence) <= EVIDENCE_LIMIT
