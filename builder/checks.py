"""Reads the result files that came out of the guest as checks for the gates. Pure; never turns silence into a
pass: what was not found or cannot be read is not reported, and the gate refuses.

Result files hold an object: `passed` (bool), `detail` (str), `findings` (list of str), `score` (0 to 100),
`simulated` (bool); or `results` (list of `{"name": str, "passed": bool}`) where one file holds several tests;
or goss's own JSON in `goss.json`. A compliance score may stand alone: the gate compares it.
"""

import json
from collections.abc import Mapping
from typing import Literal, cast

from pydantic import ValidationError

from pipeline_core.wire.job import ReportedCheck

RESULT_LIMIT = 1024 * 1024  # bytes
DETAIL_LIMIT = 500  # characters

_Name = Literal["goss", "smoke", "compliance", "hygiene"]
_NAMES: tuple[_Name, ...] = ("goss", "smoke", "compliance", "hygiene")


def of_verify(files: Mapping[str, bytes], *, simulated: bool) -> tuple[ReportedCheck, ...]:
    """All checks of a verify run that Packer ended with success; `files` by name, such as `goss.json`.

    `simulated` where a recorded Packer answered, whatever the files say.
    """
    detail = "the machine booted and Packer logged in"
    checks = [ReportedCheck(name="boot", passed=True, detail=detail, simulated=simulated)]
    for name in _NAMES:
        content = files.get(f"{name}.json")
        check = _read(name, content, simulated=simulated) if content is not None else None
        if check is not None:
            checks.append(check)
    return tuple(checks)


def _read(name: _Name, content: bytes, *, simulated: bool) -> ReportedCheck | None:
    try:
        found = json.loads(content[: RESULT_LIMIT + 1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fields = cast("dict[str, object]", found)
    verdict = _verdict(name, fields)
    if verdict is None:
        return None
    passed, detail = verdict
    try:
        return ReportedCheck(
            name=name,
            passed=passed,
            detail=str(fields.get("detail") or detail)[:DETAIL_LIMIT],
            score=_score(fields),
            simulated=simulated or fields.get("simulated") is True,
        )
    except ValidationError:
        return None


def _verdict(name: _Name, fields: Mapping[str, object]) -> tuple[bool, str] | None:
    """Whether it passed, and in how many tests; None where the file does not say."""
    said = fields.get("passed")
    if isinstance(said, bool):
        findings = fields.get("findings")
        named = "; ".join(map(str, findings)) if isinstance(findings, list) else ""
        return said, named or ("passed" if said else "failed")
    summary = fields.get("summary")
    if name == "goss" and isinstance(summary, dict):
        count, failed = summary.get("test-count"), summary.get("failed-count")
        if not isinstance(count, int) or not isinstance(failed, int):
            return None
        return count > 0 and failed == 0, f"{count - failed} of {count} passed"
    results = fields.get("results")
    if isinstance(results, list):
        good = [item for item in results if isinstance(item, dict) and _is_good(item)]
        return bool(results) and len(good) == len(results), f"{len(good)} of {len(results)} passed"
    if name == "compliance" and _score(fields) is not None:
        return True, f"{fields.get('profile') or 'profile'}"
    return None


def _is_good(item: Mapping[str, object]) -> bool:
    return item.get("passed") is True or item.get("successful") is True or item.get("status") == "passed"


def _score(fields: Mapping[str, object]) -> float | None:
    score = fields.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
        return None
    return float(score)
