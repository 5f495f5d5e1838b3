"""Scans, waivers and the gates' verdicts about them, for tests."""

from datetime import date, timedelta

from pipeline_core.domain import scan_gates
from pipeline_core.domain.compliance import ParentScore, RuleCounts, RuleFinding, Scan, Severity, WantedScan
from pipeline_core.domain.definitions import Waiver
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import Verdict

TODAY = date(2026, 11, 21)
MEDIUM = Severity.MEDIUM


def finding(rule: str, severity: Severity = MEDIUM, result: str = "fail") -> RuleFinding:
    """What one rule found."""
    return RuleFinding(rule=rule, result=result, severity=severity, title=f"Title of {rule}")


def scan(score: float, *findings: RuleFinding, passed: int = 20, profile: str = "cis") -> Scan:
    """A scan with these findings, in which `passed` other rules found nothing."""
    results = [each.result for each in findings]
    counts = RuleCounts(
        passed=passed,
        failed=results.count("fail"),
        error=results.count("error"),
        unknown=results.count("unknown"),
    )
    return Scan(profile=profile, score=score, counts=counts, findings=findings)


def waiver(rule: str, *, days: int = 30, owner: str = "sec@example.com") -> Waiver:
    """A waiver that ends `days` after TODAY."""
    return Waiver(
        rule=rule, reason="until the vendor repairs it", owner=owner, expires=TODAY + timedelta(days=days)
    )


def judge(
    given: Scan | None,
    *waivers: Waiver,
    least: int = 90,
    floor: ComplianceFloor | None = None,
    parent: ParentScore | None = None,
) -> dict[str, Verdict]:
    """The verdict of each gate, where `least` is the score that the definition asks for."""
    found = scan_gates.judge(
        WantedScan(profile="cis", min_score=least),
        given,
        waivers=waivers,
        today=TODAY,
        floor=floor or ComplianceFloor(),
        parent=parent,
    )
    return {verdict.gate: verdict for verdict in found}
