"""Compliance scans as a simulated builder reports them: a score, and one failed rule for each missing point."""

from pipeline_core.domain.compliance import Severity
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import ReportedRule, ReportedScan


def of_job(job: BuildJob, *, score: int) -> ReportedScan | None:
    """The scan of a verify job that requests one. The same rules fail for every image."""
    if job.stage != "verify" or not job.tests.profile:
        return None
    failed = tuple(
        ReportedRule(rule=f"simulated_rule_{number}", result="fail", severity=Severity.MEDIUM)
        for number in range(100 - score)
    )
    return ReportedScan(
        profile=job.tests.profile,
        score=score,
        counts={"passed": score, "failed": len(failed)},
        findings=failed,
        simulated=True,
    )
