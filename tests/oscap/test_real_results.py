"""What the builder reads from the real scanner's files is what the scanner itself says, in both of its formats."""

import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest

from builder.results import xccdf
from pipeline_core.domain import gates
from pipeline_core.domain.compliance import RuleFinding
from pipeline_core.domain.definitions import ComplianceTarget, Verification
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.wire.report import REPORT_LIMIT, ReportedScan
from tests.oscap.conftest import CONTENT, LEFT_OUT, PROFILE, TAILORED, Scanned, Scanner

pytestmark = [pytest.mark.timeout(200)]

NAMESPACE = "{http://checklists.nist.gov/xccdf/1.2}"
PREFIX = "xccdf_org.ssgproject.content_rule_"
BAD = ("fail", "error", "unknown")


def _read(path: Path, profile: str = PROFILE) -> ReportedScan:
    return xccdf.parse(gzip.compress(path.read_bytes(), compresslevel=1), profile=profile)


def _score(path: Path) -> float:
    """By another parser, which holds the whole tree."""
    (score,) = ElementTree.parse(path).iter(f"{NAMESPACE}score")
    assert score.text
    return float(score.text)


def _named(scan: ReportedScan) -> dict[str, int]:
    """Our counts in XCCDF's words; what was not selected oscap does not print."""
    words = {"passed": "pass", "failed": "fail"}
    return {
        words.get(name, name): count for name, count in scan.counts.items() if count and name != "notselected"
    }


def test_the_counts_are_those_that_oscap_printed(scanned: Scanned) -> None:
    assert scanned.code == 2  # some rules did not pass
    assert {"pass", "fail", "notapplicable"} <= set(scanned.counts)
    assert _named(_read(scanned.xccdf)) == dict(scanned.counts)


def test_the_rules_that_did_not_pass_are_those_that_oscap_printed_with_their_titles(scanned: Scanned) -> None:
    printed = {
        (rule.removeprefix(PREFIX), result, title)
        for rule, (title, result) in scanned.rules.items()
        if result in BAD
    }
    found = {(each.rule, each.result, each.title) for each in _read(scanned.xccdf).findings}
    assert found == {(rule, result, " ".join(title.split())[:200]) for rule, result, title in printed}


def test_score_and_severities_are_those_in_the_file(scanned: Scanned) -> None:
    scan = _read(scanned.xccdf)
    assert scan.score == pytest.approx(_score(scanned.xccdf))
    assert 0 < scan.score < 100
    told = {
        str(each.get("idref")).removeprefix(PREFIX): each.get("severity")
        for each in ElementTree.parse(scanned.xccdf).iter(f"{NAMESPACE}rule-result")
        if each.findtext(f"{NAMESPACE}result") in BAD
    }
    assert {each.rule: each.severity.value for each in scan.findings} == told
    assert not scan.simulated


def test_the_asset_report_says_the_same(scanner: Scanner, scanned: Scanned) -> None:
    assert scanner.arf.stat().st_size > scanned.xccdf.stat().st_size
    assert _read(scanner.arf) == _read(scanned.xccdf)


def test_a_report_with_all_of_it_fits(scanned: Scanned) -> None:
    assert len(_read(scanned.xccdf).model_dump_json().encode()) < REPORT_LIMIT / 4


def test_real_results_that_are_cut_off_or_by_another_profile_are_refused(scanned: Scanned) -> None:
    packed = gzip.compress(scanned.xccdf.read_bytes(), compresslevel=1)
    with pytest.raises(PermanentError, match="the gzip stream is cut off"):
        xccdf.parse(packed[: len(packed) * 9 // 10], profile=PROFILE)
    cut = gzip.compress(scanned.xccdf.read_bytes()[:-5000], compresslevel=1)
    with pytest.raises(PermanentError, match="cut off or not XML"):
        xccdf.parse(cut, profile=PROFILE)
    with pytest.raises(PermanentError, match="but must be by stig"):
        xccdf.parse(packed, profile="stig")


def test_a_tailoring_of_the_teams_own_is_scanned_by(scanner: Scanner, scanned: Scanned) -> None:
    adjusted = scanner.run("tailored", TAILORED, "--tailoring-file", str(scanner.folder / "tailoring.xml"))
    assert f"{PREFIX}{LEFT_OUT}" in scanned.rules
    assert f"{PREFIX}{LEFT_OUT}" not in adjusted.rules
    scan = _read(adjusted.xccdf, TAILORED)
    assert _named(scan) == dict(adjusted.counts)
    assert scan.profile == TAILORED


def test_content_that_does_not_fit_the_machine_proves_nothing(scanner: Scanner) -> None:
    run = scanner.run("strange", PROFILE, content=CONTENT)
    assert set(run.counts) == {"notapplicable"}
    scan = _read(run.xccdf).to_domain()
    assert scan.findings == tuple[RuleFinding]()
    verify = Verification(compliance=ComplianceTarget(profile=PROFILE, min_score=0))
    found = gates.judge(verify, [], scan, waivers=(), floor=ComplianceFloor(), parent=None)
    (compliance,) = [each for each in found if each.gate == "compliance"]
    assert not compliance.passed
    assert "evaluated no rule" in compliance.evidence
