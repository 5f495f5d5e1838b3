"""Scans, waivers and the gates' verdicts about them, for tests."""

from datetime import UTC, date, datetime, timedelta

from pipeline_core.domain import scan_gates
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.compliance import ParentScore, RuleCounts, RuleFinding, Scan, Severity, WantedScan
from pipeline_core.domain.definitions import Waiver, WaiverKind
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.waivers import JudgedWaiver, WaiverGrant, WaiverState, rule_of

TODAY = date(2026, 11, 21)
MEDIUM = Severity.MEDIUM
APP = ImageName("payments-api")
BY = Actor(name="Sec Ops", identity="user:0001@t")


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


def waiver(
    rule: str,
    *,
    days: int = 30,
    state: WaiverState | None = None,
    kind: WaiverKind = WaiverKind.SCAN,
    path: str = "",
) -> JudgedWaiver:
    """A waiver whose grant ends `days` after TODAY, or one in another state."""
    asked = Waiver(rule=rule, reason="until the vendor repairs it", kind=kind, path=path)
    made = GrantDecision(by=BY, at=datetime(2026, 11, 1, tzinfo=UTC), reason="seen")
    grant = WaiverGrant(
        image=APP,
        team=TeamName("payments"),
        kind=kind,
        rule=rule_of(kind, rule),
        path=path,
        until=TODAY + timedelta(days=days),
        granted=made,
        withdrawn=made if state is WaiverState.WITHDRAWN else None,
    )
    if state is None:
        state = WaiverState.GRANTED if days >= 0 else WaiverState.ENDED
    return JudgedWaiver(
        image=APP, asked=asked, state=state, grant=None if state is WaiverState.ASKED else grant
    )


def judge(
    given: Scan | None,
    *waivers: JudgedWaiver,
    least: int = 90,
    floor: ComplianceFloor | None = None,
    parent: ParentScore | None = None,
) -> dict[str, Verdict]:
    """The verdict of each gate, where `least` is the score that the definition asks for."""
    found = scan_gates.judge(
        WantedScan(profile="cis", min_score=least),
        given,
        waivers=waivers,
        floor=floor or ComplianceFloor(),
        parent=parent,
    )
    return {verdict.gate: verdict for verdict in found}
