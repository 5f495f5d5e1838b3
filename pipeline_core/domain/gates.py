"""The gates between quarantine and live: each check that was made becomes a verdict with evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline_core.domain.builds import Failure
from pipeline_core.domain.definitions import Verification
from pipeline_core.domain.errors import ErrorClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the builder tested: `boot`, `goss`, `smoke`, `compliance` or `hygiene`.

    `score` is 0 to 100 and only for compliance; `simulated` says that a recorded run answered.
    """

    name: str
    passed: bool
    detail: str = ""
    score: float | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate decided, and on what evidence."""

    gate: str
    passed: bool
    evidence: str
    simulated: bool = False


_CLASS = {
    "boot": ErrorClass.SMOKE,
    "goss": ErrorClass.SMOKE,
    "smoke": ErrorClass.SMOKE,
    "compliance": ErrorClass.COMPLIANCE,
    "hygiene": ErrorClass.HYGIENE,
}


def required_checks(verify: Verification) -> tuple[str, ...]:
    """The checks without which nothing is published; boot and hygiene cannot be declined."""
    names = ["boot", "hygiene"]
    if verify.goss is not None:
        names.append("goss")
    if verify.smoke:
        names.append("smoke")
    if verify.compliance is not None:
        names.append("compliance")
    return tuple(names)


def judge(verify: Verification, checks: Iterable[Check]) -> tuple[Verdict, ...]:
    """One verdict per required check; a check that was not reported fails, it never counts as passed."""
    reported = {check.name: check for check in checks}
    return tuple(_verdict(name, verify, reported.get(name)) for name in required_checks(verify))


def _verdict(name: str, verify: Verification, check: Check | None) -> Verdict:
    if check is None:
        return Verdict(gate=name, passed=False, evidence="the builder did not report this check")
    if name != "compliance" or verify.compliance is None:
        return Verdict(gate=name, passed=check.passed, evidence=check.detail, simulated=check.simulated)
    floor = verify.compliance.min_score
    if check.score is None:
        return Verdict(gate=name, passed=False, evidence="no score was reported", simulated=check.simulated)
    return Verdict(
        gate=name,
        passed=check.passed and check.score >= floor,
        evidence=f"{verify.compliance.profile} scored {check.score:g} of at least {floor}",
        simulated=check.simulated,
    )


def failure_of(verdicts: Iterable[Verdict]) -> Failure | None:
    """The failure that keeps a version out of live, naming every gate that refused; None if all passed."""
    refused = [verdict for verdict in verdicts if not verdict.passed]
    if not refused:
        return None
    text = "; ".join(f"{verdict.gate}: {verdict.evidence or 'failed'}" for verdict in refused)
    return Failure(error_class=_CLASS[refused[0].gate], message=text)
