"""Result files become checks; what cannot be read becomes none, never a pass."""

import json

import pytest

from builder import checks
from pipeline_core.wire.job import ReportedCheck

GOSS = {"results": [{"successful": True}], "summary": {"test-count": 3, "failed-count": 0}}


@pytest.mark.parametrize(
    ("file", "content", "passed"),
    [
        ("goss.json", GOSS, True),
        ("goss.json", {"summary": {"test-count": 3, "failed-count": 1}}, False),
        ("goss.json", {"summary": {"test-count": 0, "failed-count": 0}}, False),
        ("smoke.json", {"results": [{"name": "a.sh", "passed": True}]}, True),
        (
            "smoke.json",
            {"results": [{"name": "a.sh", "passed": True}, {"name": "b.sh", "passed": False}]},
            False,
        ),
        ("smoke.json", {"results": []}, False),
        ("smoke.json", {"passed": True, "results": [{"passed": False}]}, True),
        ("hygiene.json", {"passed": True, "findings": []}, True),
        ("hygiene.json", {"passed": False, "findings": ["/root/.ssh/id_rsa: a private key"]}, False),
        ("compliance.json", {"profile": "cis", "score": 96.4}, True),
        ("compliance.json", {"passed": False, "score": 96.4}, False),
    ],
)
def test_a_result_file_becomes_a_check(file: str, content: object, passed: bool) -> None:
    found = _check(file, json.dumps(content).encode())
    assert found is not None
    assert found.passed is passed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"passed": "yes"}',
        b'{"passed": 1}',
        b"[" * 100_000,
        b'{"summary": {"test-count": "3"}}',
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("file", ["goss.json", "smoke.json", "compliance.json", "hygiene.json"])
def test_a_file_that_says_nothing_is_no_check(file: str, content: bytes) -> None:
    assert _check(file, content) is None


@pytest.mark.parametrize("score", [-1, 101, "96", None, True])
def test_a_score_outside_its_range_is_none(score: object) -> None:
    found = _check("compliance.json", json.dumps({"passed": True, "score": score}).encode())
    assert found is not None
    assert found.score is None


def test_what_hygiene_found_is_told() -> None:
    found = _check("hygiene.json", b'{"passed": false, "findings": ["a key", "a token"]}')
    assert found is not None
    assert found.detail == "a key; a token"


def test_a_simulated_file_marks_its_own_check_alone() -> None:
    files = {
        "goss.json": json.dumps({**GOSS, "simulated": True}).encode(),
        "hygiene.json": b'{"passed": true}',
    }
    found = {check.name: check.simulated for check in checks.of_verify(files, simulated=False)}
    assert found == {"boot": False, "goss": True, "hygiene": False}


def _check(file: str, content: bytes) -> ReportedCheck | None:
    found = checks.of_verify({file: content}, simulated=False)
    return next((check for check in found if f"{check.name}.json" == file), None)
