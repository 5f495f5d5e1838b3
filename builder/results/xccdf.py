"""Reads the results of a compliance scan, XCCDF 1.1 or 1.2, alone or inside an ARF, into a `ReportedScan`.

The file was written inside a machine that a team controls. It is read as a stream in bounded memory, with any content.
Document types and entities are refused. A file without exactly one complete scan is refused.
"""

import math
import re
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from builder.results.xccdf_target import Misfit, RuleResult, XccdfTarget
from pipeline_core.domain.compliance import Severity, short_id
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.report import ReportedRule, ReportedScan

FILE_LIMIT = 32 * 1024 * 1024  # bytes, gzipped: real results of 50 MB take 4
UNPACKED_LIMIT = 128 * 1024 * 1024  # bytes
SIMULATED = "simulated"  # the `test-system` of simulated results

_CHUNK = 64 * 1024  # bytes
_TOKEN_LIMIT = 1024 * 1024  # bytes of one tag or comment, which the parser must keep whole
_FINDINGS_LIMIT = 3000  # the limit of the report
_SIZE_LIMIT = 800 * 1024  # bytes of all findings in a report, which has 1 MiB for everything
_PASSED_LIMIT = 100 * 1024  # bytes of the ids of the rules that passed; real ones have 20
_FRAME = 80  # bytes of a finding beside its id and its title
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_COUNTS = {
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
_REMEDY = "verify it again, and if that does not help, run `oscap xccdf eval` on such a machine"


def parse(content: bytes, *, profile: str) -> ReportedScan:
    """The scan by `profile` in these gzipped results. Raises PermanentError (compliance)."""
    try:
        target = _read(content)
        return _scan(target, profile)
    except Misfit as error:
        raise _refused(str(error)) from error
    except DefusedXmlException as error:
        raise _refused("they declare a document type or entities, as an attack does") from error
    except ParseError as error:
        raise _refused(f"they are cut off or not XML ({error})") from error
    except (LookupError, ValueError) as error:
        raise _refused(f"their encoding cannot be read ({error})") from error


def _refused(why: str) -> PermanentError:
    return PermanentError(ErrorClass.COMPLIANCE, f"the scanner's results cannot be used: {why}; {_REMEDY}")


def _read(content: bytes) -> XccdfTarget:
    target = XccdfTarget()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    fed = 0
    for chunk in _unpacked(content):
        parser.feed(chunk)
        fed += len(chunk)
        if fed - parser.parser.CurrentByteIndex > _TOKEN_LIMIT:
            raise Misfit(f"they hold one tag or comment of more than {_TOKEN_LIMIT:,} bytes")
    parser.close()
    return target


def _unpacked(content: bytes) -> Iterator[bytes]:
    if not content:
        raise Misfit("the file is empty")
    inflate, total = zlib.decompressobj(wbits=31), 0
    rest = content
    while not inflate.eof:
        try:
            chunk = inflate.decompress(rest, _CHUNK)
        except zlib.error as error:
            raise Misfit("the file is not a gzip stream, or a damaged one") from error
        rest = inflate.unconsumed_tail
        total += len(chunk)
        if total > UNPACKED_LIMIT:
            raise Misfit(f"they unpack to more than {UNPACKED_LIMIT:,} bytes")
        if chunk:
            yield chunk
        elif not inflate.eof and not rest:
            raise Misfit("the gzip stream is cut off")
    if inflate.unused_data:
        raise Misfit("the file has more bytes after the end of its gzip stream")


def _scan(target: XccdfTarget, profile: str) -> ReportedScan:
    if not target.is_result:
        raise Misfit("they have no TestResult: the scanner has not finished")
    if short_id(target.profile) != short_id(profile):
        raise Misfit(f"they are by the profile {target.profile or '(none)'}, but must be by {profile}")
    if not target.results:
        raise Misfit("they have no result of any rule")
    counts = dict.fromkeys(_COUNTS.values(), 0)
    for result in target.results:
        if result.word not in _COUNTS:
            raise Misfit(
                f"the rule {result.rule} has the result {result.word or '(none)'}, which XCCDF does not know"
            )
        counts[_COUNTS[result.word]] += 1
    return ReportedScan(
        profile=short_id(profile),
        score=_score(target.scores),
        counts=counts,
        findings=_findings(target),
        benchmark=_benchmark(target),
        passed=_passed(target),
        simulated=target.system == SIMULATED,
    )


def _benchmark(target: XccdfTarget) -> str:
    """The scanner's content by name and version, for example `RHEL-9 0.1.76`; empty where the file has no version."""
    return f"{short_id(target.benchmark)} {target.release}".strip()[:200] if target.release else ""


def _passed(target: XccdfTarget) -> tuple[str, ...]:
    """The rules that passed, sorted; none where they are too many to compare two scans by them."""
    found = sorted({short_id(each.rule) for each in target.results if each.word in ("pass", "fixed")})
    return tuple(found) if sum(map(len, found)) <= _PASSED_LIMIT and len(found) <= _FINDINGS_LIMIT else ()


def _score(scores: list[tuple[str, str]]) -> float:
    """The score of XCCDF's default scoring, scaled to 0 to 100. `scores` are pairs of value and maximum."""
    if len(scores) != 1:
        raise Misfit(f"they hold {len(scores)} scores of XCCDF's default scoring, and must hold one")
    texts = scores[0]
    if not all(_NUMBER.fullmatch(text) for text in texts):
        raise Misfit(f"the score {texts[0]!r} of {texts[1]!r} is not a number")
    value, most = float(texts[0]), float(texts[1])
    if not (0 < most < math.inf and 0 <= value <= most):
        raise Misfit(f"the score {texts[0]} is not between 0 and {texts[1]}")
    return min(100.0, value / most * 100)


def _findings(target: XccdfTarget) -> tuple[ReportedRule, ...]:
    """Every rule that did not pass, sorted. The titles are left out if they are too large for a report."""
    found = [each for each in target.results if each.word in ("fail", "error", "unknown")]
    if len(found) > _FINDINGS_LIMIT:
        raise Misfit(f"{len(found)} rules did not pass, but a report can hold only {_FINDINGS_LIMIT}")
    size = sum(len(each.rule.encode()) + _FRAME for each in found)
    if size > _SIZE_LIMIT:
        raise Misfit(f"the ids of the rules that did not pass have {size:,} bytes")
    size += sum(len(target.title(each.rule).encode()) for each in found)
    findings = [_finding(each, target, has_title=size <= _SIZE_LIMIT) for each in found]
    return tuple(sorted(findings, key=lambda finding: (finding.rule, finding.result)))


def _finding(result: RuleResult, target: XccdfTarget, *, has_title: bool) -> ReportedRule:
    severity = result.severity or target.severity(result.rule)
    try:
        known = Severity(severity)
    except ValueError:
        known = Severity.UNKNOWN
    return ReportedRule.model_validate(
        {
            "rule": short_id(result.rule),
            "result": result.word,
            "severity": known,
            "title": target.title(result.rule) if has_title else "",
        }
    )
