"""A floor may demand a share of the rules, and rules by name, beside the scanner's score."""

import dataclasses

import pytest

from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.waivers import WaiverState
from tests.unit.domain import scans

SHARES = {
    "each rule counts the same": (60.0, (), True),
    "exactly": (80.0, (), True),
    "one more is demanded": (80.1, (), False),
    "a waived rule counts as passed": (83.0, ("a",), True),
    "a waiver that is not granted does not": (83.0, ("b",), False),
}


@pytest.mark.parametrize(("least", "waived", "passed"), SHARES.values(), ids=SHARES.keys())
def test_a_share_of_the_rules_may_be_demanded(least: float, waived: tuple[str, ...], passed: bool) -> None:
    given = scans.scan(99, *(scans.finding(name) for name in "abcde"), passed=20)
    states = [scans.waiver(name, state=None if name == "a" else WaiverState.ASKED) for name in waived]
    verdict = scans.judge(given, *states, floor=ComplianceFloor(min_share=least))["share"]
    assert verdict.passed is passed
    assert f"of at least {least:g} %" in verdict.evidence


RULES = {
    "it passes": ("good", (), "they do"),
    "it fails": ("a", (), "a (medium); repair them"),
    "it fails and is waived": ("a", ("a",), "they do"),
    "the scan does not know it": ("other", (), "the scan says nothing of other"),
}


@pytest.mark.parametrize(("rule", "waived", "told"), RULES.values(), ids=RULES.keys())
def test_rules_may_be_demanded_by_name(rule: str, waived: tuple[str, ...], told: str) -> None:
    given = dataclasses.replace(scans.scan(99, scans.finding("a")), passed=frozenset({"good"}))
    floor = ComplianceFloor(must_pass=frozenset({rule}))
    verdict = scans.judge(given, *(scans.waiver(each) for each in waived), floor=floor)["rules"]
    assert verdict.passed is (told == "they do")
    assert told in verdict.evidence


def test_many_unknown_rules_are_counted_and_some_named() -> None:
    names = frozenset(f"rule_{number}" for number in range(10))
    verdict = scans.judge(scans.scan(100), floor=ComplianceFloor(must_pass=names))["rules"]
    assert "rule_7 and 2 more" in verdict.evidence
    assert not verdict.passed
