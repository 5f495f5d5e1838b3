"""Result files become checks and a scan; what cannot be used ends the stage with its class, never with a pass."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from builder.results import checks
from builder.results.checks import Results
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.job import Tests as Asked
from pipeline_core.wire.report import ReportedCheck
from tests.unit.builder.results import scan_files

GOOD = {"successful": True, "result": 0, "summary-line": "Service: sshd: running: matches"}
BAD = {"successful": False, "result": 1, "summary-line": "Port: tcp:80: listening:\ndoes not match"}
SKIPPED = {"successful": True, "result": 2, "summary-line": "Port: tcp:81: skipped"}
HYGIENE = {"passed": True, "findings": []}
ALL = Asked(goss="g.yaml", smoke=("a.sh", "b.sh"), profile="cis_server_l1")


def _goss(*results: Mapping[str, Any]) -> dict[str, Any]:
    failed = sum(1 for each in results if each.get("result"))
    return {"results": list(results), "summary": {"test-count": len(results), "failed-count": failed}}


def _smoke(*codes: int) -> dict[str, Any]:
    return {"results": [{"name": "a.sh", "passed": code == 0, "exit_code": code} for code in codes]}


def _of(tests: Asked, files: Mapping[str, object], *, simulated: bool = False) -> Results:
    contents = {
        name: content if isinstance(content, bytes) else json.dumps(content).encode()
        for name, content in files.items()
    }
    return checks.of_verify(contents, tests, simulated=simulated)


def _check(name: str, content: object) -> ReportedCheck:
    told = content.get("results") if isinstance(content, dict) else None
    smoke = tuple(f"tests/{each['name']}" for each in told or ()) if name == "smoke" else ()
    tests = Asked(goss="g.yaml" if name == "goss" else "", smoke=smoke or ("a.sh",) * (name == "smoke"))
    found = _of(tests, {"hygiene.json": HYGIENE, f"{name}.json": content})
    return next(check for check in found.checks if check.name == name)


READ: dict[str, tuple[str, object, bool, str]] = {
    "goss": ("goss", _goss(GOOD), True, "1 of 1 passed"),
    "goss with a failed test": (
        "goss",
        _goss(GOOD, BAD),
        False,
        "1 of 2 passed; not passed: Port: tcp:80: listening: does not match",
    ),
    "goss with a skipped test": (
        "goss",
        _goss(GOOD, SKIPPED),
        False,
        "1 of 2 passed; not passed: Port: tcp:81: skipped",
    ),
    "goss with an odd test": (
        "goss",
        _goss({"successful": "yes"}),
        False,
        "0 of 1 passed; not passed: a test",
    ),
    "smoke": ("smoke", _smoke(0, 0), True, "2 of 2 passed"),
    "smoke with a failed test": (
        "smoke",
        _smoke(0, 7),
        False,
        "1 of 2 passed; not passed: a.sh ended with 7",
    ),
    "smoke that says of itself that it passed": (
        "smoke",
        {**_smoke(7), "passed": True},
        False,
        "0 of 1 passed; not passed: a.sh ended with 7",
    ),
    "many failed tests": ("smoke", _smoke(*[1] * 9), False, "; and 4 more"),
    "hygiene": ("hygiene", HYGIENE, True, "nothing was found that must not be in an image"),
    "hygiene with files that packages vouch for": (
        "hygiene",
        {**HYGIENE, "judged": [], "judgedCount": 3},
        True,
        "must not be in an image; packages vouch for 3 files with the form of a secret",
    ),
    "hygiene with a count that is none": ("hygiene", {**HYGIENE, "judgedCount": "<3>"}, True, "in an image"),
    "hygiene with findings": (
        "hygiene",
        {"passed": False, "findings": ["a key", "a token"], "count": 300},
        False,
        "300 found: a key; a token",
    ),
    "hygiene that contradicts itself": (
        "hygiene",
        {"passed": True, "findings": ["a key"]},
        False,
        "1 found: a key",
    ),
    "hygiene with findings in parts": (
        "hygiene",
        {"passed": False, "findings": [{"path": "/a", "what": "a key", "rule": "private-key"}]},
        False,
        "1 found: /a: a key [private-key]",
    ),
    "hygiene that failed without a finding": (
        "hygiene",
        {"passed": False, "findings": []},
        False,
        "0 found:",
    ),
}


@pytest.mark.parametrize(("name", "content", "passed", "detail"), READ.values(), ids=READ.keys())
def test_a_result_file_becomes_a_check(name: str, content: object, passed: bool, detail: str) -> None:
    found = _check(name, content)
    assert found.passed is passed
    assert found.detail.endswith(detail)


NOTHING: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"results": [',
    "not JSON at all": b"Error: could not read the gossfile",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "texts": b'{"passed": "yes", "findings": "none", "results": "all", "summary": "good"}',
    "numbers": b'{"passed": 1, "findings": [], "results": [1], "summary": {"test-count": 1}}',
    "no test": b'{"results": [], "summary": {"test-count": 0, "failed-count": 0}}',
    "deep": b"[" * 100_000,
    "no text": b"\xff\xfe",
}
CLASSES = {"goss": ErrorClass.SMOKE, "smoke": ErrorClass.SMOKE, "hygiene": ErrorClass.HYGIENE}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING.keys())
@pytest.mark.parametrize("name", list(CLASSES))
def test_a_file_that_says_nothing_ends_the_stage_with_its_class(name: str, content: bytes) -> None:
    with pytest.raises(PermanentError, match=rf"{name}\.json: ") as caught:
        _check(name, content)
    assert caught.value.error_class is CLASSES[name]
    assert len(str(caught.value)) < 1000


def test_goss_whose_summary_counts_otherwise_is_not_believed() -> None:
    content = {"results": [GOOD], "summary": {"test-count": 30, "failed-count": 0}}
    with pytest.raises(PermanentError, match="goss did not write it"):
        _check("goss", content)


def test_goss_whose_summary_tells_of_more_failures_than_it_lists_is_not_believed() -> None:
    content = {"results": [GOOD], "summary": {"test-count": 1, "failed-count": 1}}
    with pytest.raises(PermanentError, match="its summary counts 1"):
        _check("goss", content)


LEFT_OUT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one is left out": (("tests/a.sh", "tests/b.sh"), ("a.sh",)),
    "one is told twice instead of another": (("tests/a.sh", "tests/b.sh"), ("a.sh", "a.sh")),
    "one of two of the same name is left out": (("a/x.sh", "b/x.sh"), ("x.sh",)),
    "another one has run": (("tests/a.sh",), ("c.sh",)),
    "one more has run": (("tests/a.sh",), ("a.sh", "c.sh")),
}


@pytest.mark.parametrize(("asked", "told"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_smoke_tests_that_are_not_those_that_were_asked_for_are_no_result(
    asked: tuple[str, ...], told: tuple[str, ...]
) -> None:
    content = {"results": [{"name": name, "passed": True, "exit_code": 0} for name in told]}
    with pytest.raises(PermanentError, match=r"smoke\.json: lists .* must run: ") as caught:
        _of(Asked(smoke=asked), {"hygiene.json": HYGIENE, "smoke.json": content})
    assert caught.value.error_class is ErrorClass.SMOKE


def test_smoke_tests_of_the_same_name_in_two_folders_are_two() -> None:
    content = {"results": [{"name": "x.sh", "passed": True, "exit_code": 0}] * 2}
    found = _of(Asked(smoke=("a/x.sh", "b/x.sh")), {"hygiene.json": HYGIENE, "smoke.json": content})
    assert found.checks[1].detail == "2 of 2 passed"


def test_everything_that_is_asked_for_and_missing_is_named_at_once() -> None:
    with pytest.raises(PermanentError) as caught:
        _of(ALL, {})
    for name in ("goss.json", "smoke.json", "hygiene.json", "xccdf.xml.gz"):
        assert f"{name}: is missing or larger than" in str(caught.value)


def test_a_scan_is_read_where_one_was_asked_for() -> None:
    files = {"hygiene.json": HYGIENE, "xccdf.xml.gz": scan_files.zipped(scan_files.xccdf(score="61.5"))}
    assert _of(Asked(), files).scan is None
    scan = _of(Asked(profile="cis"), files).scan
    assert scan is not None
    assert (scan.score, scan.simulated) == (61.5, False)


def test_a_scan_that_cannot_be_used_ends_the_stage_with_its_class() -> None:
    files = {"hygiene.json": HYGIENE, "xccdf.xml.gz": gzip.compress(b"<!DOCTYPE x>")}
    with pytest.raises(
        PermanentError, match=r"xccdf\.xml\.gz: the scanner's results cannot be used"
    ) as caught:
        _of(Asked(profile="cis"), files)
    assert caught.value.error_class is ErrorClass.COMPLIANCE


def test_what_a_machine_says_is_cleaned_and_bounded() -> None:
    hidden = "password=hunter2hunter2"
    line = f"\x1b[31m\x1b]8;;http://evil\x07red\u202e\x00 {hidden} {'x' * 9000}"
    found = _check("hygiene", {"passed": False, "findings": [line]})
    assert found.detail.isprintable()
    assert "hunter2" not in found.detail
    assert len(found.detail) <= checks.DETAIL_LIMIT


def test_a_simulated_file_marks_its_own_check_alone() -> None:
    files = {"goss.json": {**_goss(GOOD), "simulated": True}, "hygiene.json": HYGIENE}
    found = _of(Asked(goss="g.yaml"), files).checks
    assert {check.name: check.simulated for check in found} == {"boot": False, "goss": True, "hygiene": False}


def test_a_machine_that_only_plays_its_hygiene_test_has_not_booted() -> None:
    files = {"goss.json": _goss(GOOD), "hygiene.json": {**HYGIENE, "simulated": True}}
    found = _of(Asked(goss="g.yaml"), files).checks
    assert {check.name: check.simulated for check in found} == {"boot": True, "goss": False, "hygiene": True}


def test_a_recorded_packer_makes_everything_simulated() -> None:
    files = {"hygiene.json": HYGIENE, "xccdf.xml.gz": scan_files.zipped(scan_files.xccdf())}
    found = _of(Asked(profile="cis"), files, simulated=True)
    assert all(check.simulated for check in found.checks)
    assert found.scan is not None
    assert found.scan.simulated


def test_only_what_was_asked_for_is_expected() -> None:
    assert checks.names(Asked()) == ("hygiene.json",)
    assert checks.names(ALL) == ("goss.json", "smoke.json", "xccdf.xml.gz", "report.html.gz", "hygiene.json")


def test_findings_with_a_name_are_reported_and_the_others_are_counted() -> None:
    """What cleaning changes is not a name: a file could otherwise look like one whose finding is waived."""
    findings = [
        {"path": "/opt/key.pem", "what": "a private key", "rule": "private-key"},
        {"path": "/opt/new.pem", "what": "a private key", "rule": "private-key", "sha256": "0" * 64},
        {"path": "/opt/odd.pem", "what": "a private key", "rule": "private-key", "sha256": "<b>"},
        {"invariant": "Service: auditd: enabled", "what": "it is not"},
        {"path": "/opt/key.pem ", "what": "a private key", "rule": "private-key"},
        {"path": "/" + "x" * 300, "what": "a private key", "rule": "private-key"},
        {"path": 7, "rule": "private-key"},
        "/opt/old: a finding of an older script",
    ]
    found = _check("hygiene", {"passed": False, "findings": findings, "count": 300})
    assert [(each.kind, each.rule, each.path, each.sha256) for each in found.findings] == [
        ("hygiene", "private-key", "/opt/key.pem", ""),
        ("hygiene", "private-key", "/opt/new.pem", "0" * 64),
        ("hygiene", "private-key", "/opt/odd.pem", ""),
        ("invariant", "Service: auditd: enabled", "", ""),
    ]
    assert found.unnamed == 296
    assert _check("hygiene", {"passed": True, "findings": []}).findings == ()
