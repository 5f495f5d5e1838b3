"""Reads the guest's result files as checks and a scan for the gates. Pure.

The stage fails if an expected file is missing, too large or not in its tool's form. The error has the file's class
and names every such file: a missing result never becomes a pass. A team chooses the texts in the files, so they are
cleaned like a log.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError

from builder.log.redaction import Redactor
from builder.results import xccdf
from pipeline_core.domain.blob_rights import GOSS, HYGIENE, SCAN, SCAN_PAGE, SMOKE
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.job import Tests
from pipeline_core.wire.report import ReportedCheck, ReportedFinding, ReportedScan

RESULT_LIMIT = 1024 * 1024  # bytes
DETAIL_LIMIT = 500  # characters

_PAGE_LIMIT = 16 * 1024 * 1024  # bytes
_LIMITS = {SCAN: xccdf.FILE_LIMIT, SCAN_PAGE: _PAGE_LIMIT}
_NAMED = 5  # failed tests in a detail
_FINDINGS = 200  # named findings of a check that are reported
_WHAT = 200  # characters
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_Name = Literal["goss", "smoke", "hygiene"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of a verify run. `scan` is there if the job requests one."""

    checks: tuple[ReportedCheck, ...]
    scan: ReportedScan | None = None


class _Unreadable(Exception):
    """A file is not in the form that its tool writes. The text says what is wrong."""


def names(tests: Tests) -> tuple[str, ...]:
    """The files that a verify run must leave for its checks. Its HTML page is only for people."""
    found = [GOSS] if tests.goss else []
    found += [SMOKE] if tests.smoke else []
    found += [SCAN, SCAN_PAGE] if tests.profile else []
    return (*found, HYGIENE)


def limit(name: str) -> int:
    """The largest accepted size of this result file, in bytes."""
    return _LIMITS.get(name, RESULT_LIMIT)


def of_verify(files: Mapping[str, bytes], tests: Tests, *, simulated: bool) -> Results:
    """All checks of a verify run that Packer ended with success. `files` are by name, such as `goss.json`.

    `simulated` is true with a recorded Packer, even if the files say otherwise. Raises PermanentError.
    """
    detail = "the machine booted and Packer logged in"
    checks = [ReportedCheck(name="boot", passed=True, detail=detail, simulated=simulated)]
    problems: list[tuple[ErrorClass, str]] = []
    for name in names(tests):
        reader = _READERS.get(name)
        if reader is None:
            continue
        try:
            checks.append(_check(reader, _content(files, name), tests, simulated=simulated))
        except _Unreadable as error:
            problems.append((reader.error_class, f"{name}: {_clean(str(error))}"))
    scan = None
    if tests.profile:
        try:
            scan = xccdf.parse(_content(files, SCAN), profile=tests.profile)
        except _Unreadable as error:
            problems.append((ErrorClass.COMPLIANCE, f"{SCAN}: {error}"))
        except PermanentError as error:
            problems.append((error.error_class, f"{SCAN}: {error}"))
    if problems:
        text = "the machine was tested, but the results cannot be used:\n"
        raise PermanentError(problems[0][0], text + "\n".join(problem for _, problem in problems))
    if scan is not None and simulated:
        scan = scan.model_copy(update={"simulated": True})
    if any(check.name == "hygiene" and check.simulated for check in checks):
        # Every run writes this file. If it is simulated, there was no machine, so the boot is simulated too.
        checks[0] = checks[0].model_copy(update={"simulated": True})
    return Results(checks=tuple(checks), scan=scan)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How one file becomes one check. `judge` says whether the check passed, and why."""

    name: _Name
    error_class: ErrorClass
    judge: Callable[[Mapping[str, Any], Tests], tuple[bool, str]]


def _content(files: Mapping[str, bytes], name: str) -> bytes:
    content = files.get(name)
    if content is None:
        raise _Unreadable(f"is missing or larger than {limit(name):,} bytes; read the log of the verify step")
    return content


def _check(reader: _Reader, content: bytes, tests: Tests, *, simulated: bool) -> ReportedCheck:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"is not JSON ({_clean(str(error))})") from error
    if not isinstance(found, dict):
        raise _Unreadable(f"is {type(found).__name__}, and must be an object")
    passed, detail = reader.judge(found, tests)
    findings, unnamed = _named_findings(found) if reader.name == "hygiene" and not passed else ((), 0)
    return ReportedCheck(
        findings=findings,
        unnamed=unnamed,
        name=reader.name,
        passed=passed,
        detail=_clean(detail),
        simulated=simulated or found.get("simulated") is True,
    )


def _goss(fields: Mapping[str, Any], _tests: Tests) -> tuple[bool, str]:
    """goss's own JSON. A skipped test proves nothing, so it has not passed.

    Only goss knows how many tests its file has, so its results are compared with its own counts.
    """
    summary, results = fields.get("summary"), _objects(fields, "results")
    counted = summary.get("test-count") if isinstance(summary, dict) else None
    if counted != len(results) or isinstance(counted, bool):
        raise _Unreadable(
            f"has {len(results)} results, but its summary has another number: goss did not write it"
        )
    bad = [each for each in results if each.get("successful") is not True or each.get("result", 0) != 0]
    failed = summary.get("failed-count") if isinstance(summary, dict) else None
    if not isinstance(failed, int) or failed > len(bad):
        raise _Unreadable(f"names {len(bad)} tests that did not pass, but its summary counts {failed!r}")
    return _verdict(results, [str(each.get("summary-line") or each.get("title") or "a test") for each in bad])


def _smoke(fields: Mapping[str, Any], tests: Tests) -> tuple[bool, str]:
    results = _objects(fields, "results")
    asked = sorted(PurePosixPath(path).name for path in tests.smoke)
    listed = sorted(str(each.get("name")) for each in results)
    if listed != asked:
        raise _Unreadable(
            f"lists {len(listed)} tests ({', '.join(listed[:_NAMED])}), but these {len(asked)} must run:"
            f" {', '.join(asked[:_NAMED])}"
        )
    bad = [each for each in results if each.get("passed") is not True]
    return _verdict(results, [f"{each.get('name')} ended with {each.get('exit_code')}" for each in bad])


def _hygiene(fields: Mapping[str, Any], _tests: Tests) -> tuple[bool, str]:
    passed, findings = fields.get("passed"), fields.get("findings")
    if not isinstance(passed, bool) or not isinstance(findings, list):
        raise _Unreadable("does not say whether the check passed, or what was found")
    if passed and not findings:
        judged = fields.get("judgedCount")
        is_count = isinstance(judged, int) and not isinstance(judged, bool) and judged > 0
        vouched = f"; packages vouch for {judged} files with the form of a secret" if is_count else ""
        return True, f"nothing was found that must not be in an image{vouched}"
    count = fields.get("count")
    count = count if isinstance(count, int) and count > len(findings) else len(findings)
    return False, f"{count} found: {'; '.join(map(_finding, findings[:_NAMED]))}"


def _named_findings(fields: Mapping[str, Any]) -> tuple[tuple[ReportedFinding, ...], int]:
    """The findings that have a name, and the number of the others.

    A text that cleaning changes, or that is too long, is not a name: two findings could look the same.
    """
    findings, count = fields.get("findings"), fields.get("count")
    listed = findings if isinstance(findings, list) else []
    named = [made for each in listed if isinstance(each, dict) and (made := _named(each)) is not None]
    total = count if isinstance(count, int) and count > len(listed) else len(listed)
    return tuple(named[:_FINDINGS]), total - len(named[:_FINDINGS])


def _named(found: Mapping[str, Any]) -> ReportedFinding | None:
    is_invariant = "invariant" in found
    rule = found.get("invariant" if is_invariant else "rule")
    path = "" if is_invariant else found.get("path")
    if not isinstance(rule, str) or not isinstance(path, str) or (_clean(rule), _clean(path)) != (rule, path):
        return None
    kind: Literal["hygiene", "invariant"] = "invariant" if is_invariant else "hygiene"
    sha256 = str(found.get("sha256", ""))
    try:
        return ReportedFinding(
            kind=kind,
            rule=rule,
            path=path,
            what=_clean(str(found.get("what", "")))[:_WHAT],
            # Without a digest it can be waived by its path alone.
            sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        )
    except ValidationError:
        return None


def _finding(found: object) -> str:
    if isinstance(found, dict) and "invariant" in found:
        return f"{found['invariant']}: {found.get('what')}"
    return (
        f"{found.get('path')}: {found.get('what')} [{found.get('rule')}]"
        if isinstance(found, dict)
        else str(found)
    )


def _objects(fields: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = fields.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise _Unreadable(f"has no {key}: nothing was tested")
    return found


def _verdict(results: Sequence[object], bad: Sequence[str]) -> tuple[bool, str]:
    text = f"{len(results) - len(bad)} of {len(results)} passed"
    if bad:
        text += f"; not passed: {'; '.join(bad[:_NAMED])}"
        text += f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return not bad, text


def _clean(text: str) -> str:
    return Redactor().clean(" ".join(text.split()))[:DETAIL_LIMIT]


_READERS = {
    GOSS: _Reader(name="goss", error_class=ErrorClass.SMOKE, judge=_goss),
    SMOKE: _Reader(name="smoke", error_class=ErrorClass.SMOKE, judge=_smoke),
    HYGIENE: _Reader(name="hygiene", error_class=ErrorClass.HYGIENE, judge=_hygiene),
}
