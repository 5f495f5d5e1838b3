"""A scanner's results are read as they are meant; what does not tell one scan in full is refused with the reason."""

import pytest

from builder.results import xccdf
from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.report import REPORT_LIMIT
from tests.unit.builder.results import scan_files
from tests.unit.builder.results.scan_files import PREFIX, XCCDF_11, rule, score_of, zipped

WORDS = {
    "pass": "passed",
    "fail": "failed",
    "error": "error",
    "unknown": "unknown",
    "notapplicable": "notapplicable",
    "notchecked": "notchecked",
    "notselected": "notselected",
    "informational": "informational",
    "fixed": "fixed",
}


def _refusal(text: str | bytes, *, profile: str = "cis") -> str:
    with pytest.raises(PermanentError) as caught:
        xccdf.parse(text if isinstance(text, bytes) else zipped(text), profile=profile)
    assert caught.value.error_class is ErrorClass.COMPLIANCE
    message = str(caught.value)
    assert len(message) < 1000
    assert "run `oscap xccdf eval`" in message
    return message


def test_a_scan_is_read_with_score_counts_and_every_rule_that_did_not_pass() -> None:
    scan = xccdf.parse(zipped(scan_files.xccdf()), profile="cis")
    assert (scan.profile, scan.score, scan.simulated) == ("cis", 50, False)
    assert {name: count for name, count in scan.counts.items() if count} == {"passed": 1, "failed": 1}
    (finding,) = scan.findings
    assert (finding.rule, finding.result, finding.title) == ("two", "fail", "Title of two")
    assert finding.severity is Severity.MEDIUM  # as the scan took it, though the benchmark says high


@pytest.mark.parametrize(("word", "field"), WORDS.items())
def test_every_word_of_xccdf_is_counted_as_what_it_is(word: str, field: str) -> None:
    scan = xccdf.parse(zipped(scan_files.xccdf([("one", word)])), profile="cis")
    assert {name: count for name, count in scan.counts.items() if count} == {field: 1}
    assert [finding.result for finding in scan.findings] == (
        [word] if word in ("fail", "error", "unknown") else []
    )


def test_results_inside_an_asset_report_say_the_same() -> None:
    text = scan_files.xccdf([("one", "error"), ("two", "fail")], score="0")
    assert xccdf.parse(zipped(scan_files.arf(text)), profile="cis") == xccdf.parse(
        zipped(text), profile="cis"
    )


def test_xccdf_1_1_is_read_too() -> None:
    text = scan_files.xccdf(namespace=XCCDF_11, profile="cis")
    assert xccdf.parse(zipped(text), profile="cis").findings[0].rule == "two"


def test_a_test_result_alone_has_no_titles() -> None:
    text = scan_files.xccdf()
    alone = text[text.index("<TestResult") : text.index("</Benchmark>")]
    alone = alone.replace("<TestResult", f'<TestResult xmlns="{scan_files.XCCDF_12}"', 1)
    scan = xccdf.parse(zipped(alone), profile="cis")
    assert [(each.rule, each.title) for each in scan.findings] == [("two", "")]


@pytest.mark.parametrize(
    ("told", "known", "severity"),
    [("", "high", Severity.HIGH), ("low", "high", Severity.LOW), ("", "critical", Severity.UNKNOWN)],
)
def test_a_severity_is_the_results_or_else_the_benchmarks(told: str, known: str, severity: Severity) -> None:
    extra = scan_files.result("two", "fail", severity=told)
    text = scan_files.xccdf([], rules=rule("two", severity=known)).replace("<score", f"{extra}<score")
    assert xccdf.parse(zipped(text), profile="cis").findings[0].severity is severity


@pytest.mark.parametrize(
    ("score", "maximum", "scaled"),
    [("56.727085", "100.000000", 56.727085), ("3", "4", 75.0), ("0", "100", 0.0), ("1e2", "100", 100.0)],
)
def test_the_score_is_scaled_to_a_hundred(score: str, maximum: str, scaled: float) -> None:
    found = xccdf.parse(zipped(scan_files.xccdf(score=score, maximum=maximum)), profile="cis")
    assert found.score == pytest.approx(scaled)


def test_scores_of_other_systems_do_not_count() -> None:
    flat = '<score system="urn:xccdf:scoring:flat" maximum="9">9</score></TestResult>'
    assert xccdf.parse(zipped(scan_files.xccdf().replace("</TestResult>", flat)), profile="cis").score == 50


def test_a_score_and_a_result_count_only_where_xccdf_puts_them() -> None:
    stray = rule("one", title="before <score>100</score> after") + "<score>100</score><result>pass</result>"
    changed = "<override><new-result>pass</new-result><result>pass</result></override><result>fail</result>"
    text = scan_files.xccdf(rules=stray).replace("<result>fail</result>", changed)
    scan = xccdf.parse(zipped(text), profile="cis")
    assert (scan.score, scan.counts["failed"]) == (50, 1)


def test_results_that_no_scanner_wrote_say_so() -> None:
    text = scan_files.xccdf(attributes='test-system="simulated"')
    assert xccdf.parse(zipped(text), profile="cis").simulated


def test_the_profile_may_be_asked_for_with_its_prefix() -> None:
    found = xccdf.parse(zipped(scan_files.xccdf()), profile=f"{PREFIX}_profile_cis")
    assert found.profile == "cis"


def test_what_a_file_says_is_cleaned_and_bounded() -> None:
    title = f"a&#x202e;b&#x9;{'x' * 5000}"
    scan = xccdf.parse(zipped(scan_files.xccdf(rules=rule("two", title=title))), profile="cis")
    assert scan.findings[0].title == f"a b {'x' * 196}"


def test_a_report_of_everything_that_may_fail_still_fits() -> None:
    names = [f"{'r' * 150}{number:04}" for number in range(3000)]
    text = scan_files.xccdf(
        [(name, "fail") for name in names], rules="".join(rule(name, title="ü" * 200) for name in names)
    )
    scan = xccdf.parse(zipped(text), profile="cis")
    assert len(scan.findings) == 3000
    assert len(scan.model_dump_json().encode()) < REPORT_LIMIT - 60_000
    assert not any(finding.title for finding in scan.findings)


def test_ids_that_would_not_fit_into_a_report_are_refused() -> None:
    text = scan_files.xccdf([(f"{'ü' * 150}{number:04}", "fail") for number in range(3000)])
    assert "the ids of the rules that did not pass have" in _refusal(text)


REFUSED = {
    "another profile": (scan_files.xccdf(profile=f"{PREFIX}_profile_stig"), "by the profile xccdf_org"),
    "no profile": (scan_files.xccdf().replace("<profile ", "<target "), "by the profile (none)"),
    "no TestResult": (f'<Benchmark xmlns="{XCCDF_11}"/>', "the scanner has not finished"),
    "no XCCDF": ("<html><TestResult/></html>", "the scanner has not finished"),
    "two TestResults": (
        scan_files.xccdf(extra='<TestResult id="u"/>'),
        "more than one TestResult",
    ),
    "no rule": (scan_files.xccdf([]), "no result of any rule"),
    "a rule without a result": (
        scan_files.xccdf().replace("<result>fail</result>", ""),
        "has the result (none)",
    ),
    "a rule with two results": (
        scan_files.xccdf().replace("<result>fail</result>", "<result>fail</result><result>pass</result>"),
        "more than one result",
    ),
    "a word that XCCDF does not know": (scan_files.xccdf([("one", "passed")]), "has the result passed"),
    "no score": (scan_files.xccdf().replace("<score", "<metric").replace("</score", "</metric"), "0 scores"),
    "two scores": (
        scan_files.xccdf().replace("</TestResult>", f"{score_of('100')}</TestResult>"),
        "2 scores",
    ),
    "a score that is not a number": (scan_files.xccdf(score="NaN"), "'NaN' of '100' is not a number"),
    "an endless score": (scan_files.xccdf(score="inf"), "is not a number"),
    "an empty score": (scan_files.xccdf(score=""), "is not a number"),
    "a score below zero": (scan_files.xccdf(score="-1"), "not between 0 and 100"),
    "a score above its maximum": (scan_files.xccdf(score="101"), "not between 0 and 100"),
    "a huge score": (scan_files.xccdf(score="1e400"), "not between 0 and 100"),
    "a score of nothing": (scan_files.xccdf(score="0", maximum="0"), "not between 0 and 0"),
    "a score of no number": (scan_files.xccdf(maximum="NaN"), "is not a number"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_tell_one_scan_in_full_is_refused(text: str, why: str) -> None:
    assert why in _refusal(text)


def test_more_rules_than_a_report_holds_are_refused() -> None:
    text = scan_files.xccdf([(f"r{number}", "fail") for number in range(3001)])
    assert "3001 rules did not pass" in _refusal(text)


@pytest.mark.parametrize(
    ("attributes", "version", "benchmark"),
    [
        ('version="0.1.76"', "", "b 0.1.76"),
        ('version="0.1.76"', "<version>0.1.80</version>", "b 0.1.76"),
        ("", "<version>0.1.80</version>", "b 0.1.80"),
        ("", "", ""),
    ],
    ids=["of the result", "of both", "of the benchmark", "none"],
)
def test_a_scan_names_the_version_of_the_scanners_content(
    attributes: str, version: str, benchmark: str
) -> None:
    text = scan_files.xccdf(attributes=attributes, rules=version + scan_files.rule("one"))
    assert xccdf.parse(zipped(text), profile="cis").benchmark == benchmark


def test_the_rules_that_passed_are_named_for_a_comparison() -> None:
    words = [("b", "pass"), ("a", "fixed"), ("c", "fail"), ("d", "notselected")]
    assert xccdf.parse(zipped(scan_files.xccdf(words)), profile="cis").passed == ("a", "b")
    many = [(f"{'x' * 150}{number}", "pass") for number in range(1000)]
    assert xccdf.parse(zipped(scan_files.xccdf(many)), profile="cis").passed == ()


def test_case_04_two_results_of_one_machine_by_two_versions() -> None:
    parent = scan_files.xccdf(attributes='version="0.1.76"').replace(
        "<profile ", '<benchmark href="#x" id="xccdf_org.ssgproject.content_benchmark_RHEL-9"/><profile '
    )
    assert xccdf.parse(zipped(parent), profile="cis").benchmark == "RHEL-9 0.1.76"
