"""The gates that look at a compliance scan: score, severities, waivers, and the ratchet against the parent.

`error` and `unknown` results are findings like `fail`: they cost points, and only a waiver of the rule forgives them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline_core.domain.compliance import ParentScore, RuleFinding, Scan, Severity, WantedScan, short_id
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import EVIDENCE_LIMIT, Verdict
from pipeline_core.domain.waivers import JudgedWaiver, missing

_NAMED = 8  # rules in a text; the scan itself, with all of them, is evidence
_ASKED = 3  # waivers in a remedy, each with the command that grants it
_NOISE = 1e-9  # what floating point may add or lose


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waived:
    """The waivers that count today and those that do not, at most one per rule."""

    valid: dict[str, JudgedWaiver]
    void: dict[str, JudgedWaiver]  # asked for and not granted, or no longer; no valid one for the rule


def judge(
    wanted: WantedScan,
    scan: Scan | None,
    *,
    waivers: Sequence[JudgedWaiver],
    floor: ComplianceFloor,
    parent: ParentScore | None,
) -> list[Verdict]:
    """The verdicts that apply. Without a scan that can be trusted there is only one, which refuses."""
    if scan is None:
        text = f"no scan by {wanted.profile} was reported, and one is required: build it again"
        return [Verdict(gate="compliance", passed=False, evidence=text)]
    doubt = _doubt(wanted, scan)
    if doubt:
        return [Verdict(gate="compliance", passed=False, evidence=_cut(doubt), simulated=scan.simulated)]
    waived = _sorted_out(waivers)
    score = scan.score_without(waived.valid)
    verdicts = [_compliance(wanted, scan, waived, score)]
    if floor.always_fail:
        verdicts.append(_severities(scan, waived, floor.always_fail))
    if floor.min_share:
        verdicts.append(_share(scan, waived, floor.min_share))
    if floor.must_pass:
        verdicts.append(_rules(scan, waived, floor.must_pass))
    if waivers:
        verdicts.append(_waivers(scan, waived))
    if parent is not None:
        verdicts.append(_ratchet(scan, score, waived, parent, floor.ratchet))
    return verdicts


def _doubt(wanted: WantedScan, scan: Scan) -> str:
    """Why the scan says nothing about the machine; empty where it does."""
    if short_id(scan.profile) != short_id(wanted.profile):
        return f"the scan was by {scan.profile}, and {wanted.profile} is required: build it again"
    if not scan.counts.evaluated:
        return (
            f"the scan by {scan.profile} evaluated no rule, so it proves nothing: "
            "see whether the profile fits this operating system"
        )
    if scan.counts.not_passed != len(scan.findings):
        return (
            f"the scan by {scan.profile} counts {scan.counts.not_passed} rules that did not pass "
            f"and names {len(scan.findings)}: it cannot be trusted, build it again"
        )
    return ""


def _sorted_out(waivers: Iterable[JudgedWaiver]) -> _Waived:
    valid: dict[str, JudgedWaiver] = {}
    void: dict[str, JudgedWaiver] = {}
    for waiver in waivers:
        (valid if waiver.counts else void)[waiver.rule] = waiver
    return _Waived(valid=valid, void={rule: each for rule, each in void.items() if rule not in valid})


def _compliance(wanted: WantedScan, scan: Scan, waived: _Waived, score: float) -> Verdict:
    passed = score >= wanted.min_score - _NOISE
    counts = scan.counts
    text = f"{scan.profile} scored {_shown(score)} of at least {wanted.min_score}"
    if score != scan.score:
        text += f" ({_shown(scan.score)} before waivers)"
    if scan.benchmark:
        text += f" with the content {scan.benchmark}"
    if scan.findings:
        text += (
            f"; of {counts.evaluated} rules {counts.failed} failed, {counts.error} ended in an error, "
            f"{counts.unknown} had an unknown result: {_named(_unwaived(scan, waived)) or 'all are waived'}"
        )
    else:
        text += f"; all of {counts.evaluated} rules passed"
    if not passed:
        text += _remedy(scan, waived)
    return Verdict(
        gate="compliance",
        passed=passed,
        evidence=_cut(text),
        simulated=scan.simulated,
        score=score,
        profile=scan.profile,
        scanned=scan.score,
        benchmark=scan.benchmark,
    )


def _severities(scan: Scan, waived: _Waived, always_fail: frozenset[Severity]) -> Verdict:
    words = ", ".join(each.value for each in sorted(always_fail, key=lambda each: -each.rank))
    refused = [finding for finding in _unwaived(scan, waived) if finding.severity in always_fail]
    text = f"no rule of severity {words} may fail without a waiver: "
    text += f"{_named(refused)}{_remedy_of(refused, waived)}" if refused else "none did"
    return Verdict(gate="severities", passed=not refused, evidence=_cut(text), simulated=scan.simulated)


def _share(scan: Scan, waived: _Waived, least: float) -> Verdict:
    """How many of the rules pass. The scanner's score weighs a group of one rule like a group of thirty."""
    evaluated = scan.counts.evaluated
    good = evaluated - len(_unwaived(scan, waived))
    share = 100 * good / evaluated
    passed = share >= least - _NOISE
    text = f"{good} of {evaluated} rules pass or are waived: {_shown(share)} % of at least {least:g} %"
    if not passed:
        text += f"; not {_named(_unwaived(scan, waived))}{_remedy(scan, waived)}"
    return Verdict(gate="share", passed=passed, evidence=_cut(text), simulated=scan.simulated)


def _rules(scan: Scan, waived: _Waived, must_pass: frozenset[str]) -> Verdict:
    """Rules by name: each has passed or is waived. One that the scan did not evaluate has not passed."""
    refused = [finding for finding in _unwaived(scan, waived) if finding.rule in must_pass]
    failing = {finding.rule for finding in scan.findings}
    silent = sorted(must_pass - failing - scan.passed - waived.valid.keys())
    text = f"{len(must_pass)} rules must pass or be waived: "
    parts = [f"{_named(refused)}{_remedy_of(refused, waived)}"] if refused else []
    if silent:
        more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
        parts.append(
            f"the scan says nothing of {', '.join(silent[:_NAMED])}{more}: see whether the profile has them"
        )
    text += "; ".join(parts) or "they do"
    return Verdict(gate="rules", passed=not parts, evidence=_cut(text), simulated=scan.simulated)


def _waivers(scan: Scan, waived: _Waived) -> Verdict:
    """What was forgiven, and by whom. It refuses nothing: a waiver that does not count is as if it were not there."""
    failing = {finding.rule for finding in scan.findings}
    used = [f"{rule} ({each.told})" for rule, each in waived.valid.items() if rule in failing]
    void = [f"{rule} ({each.told})" for rule, each in waived.void.items() if rule in failing]
    idle = [rule for rule in (*waived.valid, *waived.void) if rule not in failing]
    parts = [f"waived: {', '.join(used)}"] if used else []
    parts += [f"not counted: {', '.join(void)}"] if void else []
    parts += [f"not needed, because the rule did not fail: {', '.join(idle)}"] if idle else []
    return Verdict(
        gate="waivers",
        passed=True,
        evidence=_cut("; ".join(parts)),
        simulated=scan.simulated,
        waived=tuple(used),
    )


def _ratchet(scan: Scan, score: float, waived: _Waived, parent: ParentScore, tolerance: float) -> Verdict:
    """The child against its parent, by the same ruler: never open because a record is lost."""
    if parent.lost:
        text = f"the score of the parent {parent.parent} cannot be found ({parent.lost}), so this version waits: "
        text += "SecOps rebuild the parent, and its children follow"
        return Verdict(gate="ratchet", passed=False, evidence=_cut(text), simulated=scan.simulated, held=True)
    if parent.score is None:
        return _incomparable(scan, parent, "it was not scanned")
    if short_id(parent.profile) != short_id(scan.profile):
        return _incomparable(scan, parent, f"it was scanned by {parent.profile}, not by {scan.profile}")
    if parent.benchmark and scan.benchmark and parent.benchmark != scan.benchmark:
        return _over_benchmarks(scan, waived, parent, tolerance)
    text = f"{_shown(score)} against {_shown(parent.score)} of the parent {parent.parent}"
    unclear = scan.benchmark and not parent.benchmark
    remedy = "repair the rules that this image's own steps made fail, or waive them by name"
    if unclear:
        remedy += "; the parent's scan is older than its record of the benchmark, so if the scanner's content is newer"
        remedy += f" now ({scan.benchmark}), rebuild the parent first"
    return _compared(scan, (score, parent.score), tolerance, text, remedy)


def _over_benchmarks(scan: Scan, waived: _Waived, parent: ParentScore, tolerance: float) -> Verdict:
    """Two versions of the scanner's content: only the rules of both say something. Each of them counts the same."""
    both = f"it was scanned by {parent.benchmark}, this version by {scan.benchmark}"
    mine = scan.passed | {finding.rule for finding in scan.findings}
    common = (parent.passed | parent.failed) & mine
    if not (parent.passed and scan.passed and common):
        return _incomparable(scan, parent, f"{both}, and no rules of both are known")
    ours = len((scan.passed | waived.valid.keys()) & common) / len(common) * 100
    theirs = len(parent.passed & common) / len(common) * 100
    worse = sorted((parent.passed & common) - scan.passed - waived.valid.keys())
    text = f"{_shown(ours)} against {_shown(theirs)} of the parent {parent.parent} over the {len(common)} rules of both"
    text += f" benchmarks ({both})"
    named = [finding for finding in scan.findings if finding.rule in worse]
    remedy = f"repair what passes in the parent, or waive it by name: {_named(named)}"
    return _compared(scan, (ours, theirs), tolerance, text, remedy)


def _compared(scan: Scan, scores: tuple[float, float], tolerance: float, text: str, remedy: str) -> Verdict:
    """`scores` are the child's and the parent's, by one ruler."""
    score, known = scores
    passed = score >= known - tolerance - _NOISE
    text += f", at most {tolerance:g} points less" if tolerance else ", and never less"
    if not passed:
        text += f": {remedy}"
    return Verdict(
        gate="ratchet",
        passed=passed,
        evidence=_cut(text),
        simulated=scan.simulated,
        score=score,
        profile=scan.profile,
        benchmark=scan.benchmark,
    )


def _incomparable(scan: Scan, parent: ParentScore, why: str) -> Verdict:
    text = f"there was nothing to compare with the parent {parent.parent}: {why}"
    return Verdict(gate="ratchet", passed=True, evidence=_cut(text), simulated=scan.simulated)


def _unwaived(scan: Scan, waived: _Waived) -> list[RuleFinding]:
    """What failed without a valid waiver, the worst first."""
    left = [finding for finding in scan.findings if finding.rule not in waived.valid]
    return sorted(left, key=lambda finding: (-finding.severity.rank, finding.rule))


def _remedy_of(refused: Sequence[RuleFinding], waived: _Waived) -> str:
    asked = [waived.void[each.rule] for each in refused if each.rule in waived.void]
    if asked:
        return f"; repair them. {missing(asked[:_ASKED])}"
    return "; repair them, or ask for a waiver by name, which SecOps grants until a day"


def _named(findings: Sequence[RuleFinding]) -> str:
    texts = [
        f"{each.rule} ({each.severity.value}{'' if each.result == 'fail' else f', {each.result}'})"
        for each in findings[:_NAMED]
    ]
    if len(findings) > _NAMED:
        texts.append(f"and {len(findings) - _NAMED} more")
    return ", ".join(texts)


def _remedy(scan: Scan, waived: _Waived) -> str:
    failing = {finding.rule for finding in scan.findings}
    asked = [each for rule, each in waived.void.items() if rule in failing]
    if asked:
        more = f" and {len(asked) - _ASKED} more" if len(asked) > _ASKED else ""
        return f"; repair them. {missing(asked[:_ASKED])}{more}"
    if _unwaived(scan, waived):
        return "; repair them, or ask for waivers by name, which SecOps grants until a day"
    return "; ask SecOps: no rule is left to repair or waive, and the score is still too low"


def _shown(score: float) -> str:
    """Cut, never rounded up: a score below its goal must not look like the goal."""
    return f"{math.floor(score * 100 + _NOISE) / 100:g}"


def _cut(text: str) -> str:
    return text if len(text) <= EVIDENCE_LIMIT else f"{text[: EVIDENCE_LIMIT - 1]}…"
